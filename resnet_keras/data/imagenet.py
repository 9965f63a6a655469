"""ImageNet of 2012, from where it lies: nobody may hand it on, so it is not fetched."""

import dataclasses
import json
import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from resnet_keras.data import folder
from resnet_keras.data.dataset import Dataset, Files
from resnet_keras.errors import UserError

_HEAD, _TAIL = 12, 4
# Numbers of fields, in the messages Example, Features, its entries, and Feature.
_FEATURES, _ENTRY, _KEY, _VALUE, _BYTES, _INTEGERS = 1, 1, 1, 2, 1, 3


def images_of(path: str) -> Iterator[tuple[int, int, int]]:
    """Yields, of each record of a file, where its image begins, how many bytes it has, and its
    label: of the features `image`, encoded bytes, and `label`.

    Raises:
        UserError: if the file cannot be read, is damaged, or a record has no such features.
    """
    try:
        with (
            open(path, "rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as view,
        ):
            if hasattr(mmap, "MADV_RANDOM"):
                # Otherwise whole images would be read ahead.
                view.madvise(mmap.MADV_RANDOM)
            for begin, end in _records(view):
                yield _image_and_label(view, begin, end)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    # An empty file cannot be mapped, an index lies behind the end, or `_Damaged`.
    except (ValueError, IndexError) as error:
        raise UserError(f"{path} is damaged or cut short: {error}") from error


class _Damaged(ValueError):
    """What is read makes no sense."""


def _records(view):
    at = 0
    while at < len(view):
        begin = at + _HEAD
        end = begin + int.from_bytes(view[at : at + 8], "little")
        at = end + _TAIL
        if at > len(view):
            raise _Damaged(f"the record at byte {begin - _HEAD} ends behind the end")
        yield begin, end


def _image_and_label(view, begin, end):
    image = label = None
    for entry in _inner(view, [(begin, end)], _FEATURES, _ENTRY):
        key = [view[slice(*part)] for part in _inner(view, [entry], _KEY)]
        if key == [b"image"]:
            image = list(_inner(view, [entry], _VALUE, _BYTES, 1))
        elif key == [b"label"]:
            label = list(_inner(view, [entry], _VALUE, _INTEGERS, 1))
    if not image or not label or len(image) != 1 or len(label) != 1:
        raise _Damaged(f"the record at byte {begin - _HEAD} has not one image and one label")
    (first, stop), value = image[0], _varint(view, label[0][0])[0]
    # Negative numbers are those of 64 bits.
    return first, stop - first, value - 2**64 if value >= 2**63 else value


def _inner(view, parts, *numbers):
    """Returns where the fields lie that are reached by `numbers`, one inside of the other."""
    for number in numbers:
        parts = [
            inner for part in parts for found, inner in _fields(view, *part) if found == number
        ]
    return parts


def _fields(view, at, end):
    """Yields the number of each field of a message and where its content lies."""
    while at < end:
        tag, at = _varint(view, at)
        kind, begin = tag & 7, at
        if kind == 0:
            at = _varint(view, at)[1]
        elif kind == 2:
            length, begin = _varint(view, at)
            at = begin + length
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise _Damaged(f"a field of the unknown kind {kind} at byte {at}")
        if at > end:
            raise _Damaged(f"a field at byte {begin} ends behind its message")
        yield tag >> 3, (begin, at)


def _varint(view, at):
    """Returns the number at `at`, seven bits a byte, and the place behind it."""
    value = shift = 0
    while True:
        octet = view[at]
        value |= (octet & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if octet < 0x80:
            return value, at
        if shift > 63:
            raise _Damaged(f"a number without an end at byte {at}")


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


def load_prepared(folder: Path, name: str) -> Dataset:
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


NAME = "imagenet2012"
CLASSES = 1000
_URL = "https://image-net.org/download.php"


def load(data_dir: str | None) -> Dataset:
    """Lists ImageNet's images in `data_dir/train/<class>/*` and `data_dir/val/<class>/*`, or those
    that TensorFlow Datasets prepared in `data_dir/imagenet2012/<version>`.

    Args:
        data_dir: that folder; the classes have names such as `n01440764`, those of their folders.

    Raises:
        UserError: if it is not given, not of that form, or not of 1000 classes; says where
            ImageNet is to be had.
    """
    how = (
        f"ImageNet has to be downloaded by hand: {_URL}, ILSVRC2012_img_train.tar and "
        "ILSVRC2012_img_val.tar. Unpack them into DIR/train/<class>/ and DIR/val/<class>/, which "
        "is how other programs want them too, and pass --data-dir DIR; or the folder in which "
        f"TensorFlow Datasets prepared {NAME}"
    )
    if not data_dir:
        raise UserError(f"--dataset {NAME}: {how}")
    path = Path(data_dir).expanduser()
    records = prepared(path, NAME)
    if (
        not records
        and path.is_dir()
        and not any(
            (root / "train").is_dir() for root in (path, *filter(Path.is_dir, path.iterdir()))
        )
    ):
        raise UserError(f"--data-dir {data_dir}: there is no train/; {how}")
    found = load_prepared(records, NAME) if records else folder.load(data_dir)
    if len(found.class_names) != CLASSES:
        raise UserError(
            f"--data-dir {data_dir} has {len(found.class_names)} classes, {NAME} has {CLASSES}. "
            "For other images, a part of ImageNet among them: --dataset folder"
        )
    return dataclasses.replace(found, name=NAME)
