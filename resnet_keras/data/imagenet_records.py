"""ImageNet of 2012 as TensorFlow Datasets prepares it: TFRecord files, read image by image.

TensorFlow Datasets itself is not needed: what it writes beside the records says all there is to
know, and asked for a set it may begin to download one.
"""

import json
from pathlib import Path

import numpy as np

from resnet_keras.data.dataset import Dataset
from resnet_keras.data.image_files import Files
from resnet_keras.data.tfrecord import images_of
from resnet_keras.errors import UserError

_INFO, _LABELS = "dataset_info.json", "label.labels.txt"
_SPLITS = ("train", "validation")


def prepared(path: Path, name: str) -> Path | None:
    """Returns the newest version of the set `name` prepared in `path`, or that `path` is itself;
    `None` if there is none."""
    for parent in (path / name, path):
        found = [info.parent for info in (*parent.glob(f"*/{_INFO}"), *parent.glob(_INFO))]
        found = [folder for folder in found if _info(folder).get("name") == name]
        if found:
            return max(found, key=lambda folder: _numbers(folder.name))
    return None


def load(folder: Path, name: str) -> Dataset:
    """Finds the images of a prepared set; only where they lie is kept, 24 bytes an image and its
    file's name.

    Args:
        folder: of one version, such as `imagenet2012/5.1.0`.
        name: of the set.

    Returns:
        The splits `train` and `validation`, in the order in which they are stored.

    Raises:
        UserError: if a split or a file is missing or damaged, or of another format than TFRecord.
    """
    info = _info(folder)
    splits = {split["name"]: split for split in info.get("splits", [])}
    missing = [split for split in _SPLITS if split not in splits]
    if missing:
        raise UserError(
            f"{folder} lacks the split {' and '.join(missing)}; it has "
            f"{', '.join(splits) or 'none'}"
        )
    form = info.get("fileFormat", "tfrecord")
    if form != "tfrecord":
        raise UserError(
            f"{folder} is prepared as {form}; its images are read from TFRecord files: "
            f"tfds convert_format --dataset_version_dir={folder} --out_file_format=tfrecord "
            f"--out_dir=OTHER/{name}/{folder.name}, then --data-dir OTHER"
        )
    try:
        names = tuple((folder / _LABELS).read_text(encoding="utf-8").split())
    except OSError as error:
        raise UserError(f"cannot read {folder / _LABELS}: {error.strerror or error}") from error
    train, test = (_split(folder, name, splits[split], len(names)) for split in _SPLITS)
    return Dataset(name, names, train, test, notes=(f"prepared by TensorFlow Datasets: {folder}",))


def _split(folder, name, split, classes):
    counts = [int(count) for count in split["shardLengths"]]
    paths, rows = [], []
    for number, count in enumerate(counts):
        path = str(folder / f"{name}-{split['name']}.tfrecord-{number:05d}-of-{len(counts):05d}")
        found = np.array(list(images_of(path)), np.int64).reshape(-1, 3)
        if len(found) != count:
            raise UserError(
                f"{path} has {len(found)} images, {folder / _INFO} speaks of {count}; prepare the "
                "set again"
            )
        paths.extend([path] * count)
        rows.append(found)
    table = np.concatenate([np.empty((0, 3), np.int64), *rows])
    labels = table[:, 2]
    if not len(labels) or labels.min() < 0 or labels.max() >= classes:
        seen = f"{labels.min()} to {labels.max()}" if len(labels) else "no images"
        raise UserError(
            f"{folder}: labels in the split {split['name']} lie in 0 to {classes - 1}. "
            f"Received: {seen}"
        )
    return Files(tuple(paths), labels.astype(np.int32), np.ascontiguousarray(table[:, :2]))


def _info(folder):
    path = folder / _INFO
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    return found if isinstance(found, dict) else {}


def _numbers(version):
    """Returns the numbers of a version, `5.1.0`, by which they are in order."""
    return [int(part) if part.isdigit() else -1 for part in version.split(".")]
