"""ImageNet 2012, from folders of images or as prepared by TensorFlow Datasets (section 4.1).

ImageNet may not be redistributed, so users have to download it themselves.

TensorFlow Datasets stores the images in TFRecord files. They are not converted and not kept in
memory: an index of the byte ranges of all images is built, and the images are read when they are
needed, as from any other file. The index is built without TensorFlow, in about a minute for all
1.3 million images.
"""

import dataclasses
import json
import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from resnet_keras.data import folder
from resnet_keras.data.dataset import Dataset, Files
from resnet_keras.errors import UserError
from resnet_keras.recipe import IMAGENET

NAME = IMAGENET
CLASSES = 1000
_URL = "https://image-net.org/download.php"
_HOW_TO_GET = (
    f"ImageNet has to be downloaded by hand from {_URL}: ILSVRC2012_img_train.tar and "
    "ILSVRC2012_img_val.tar. Unpack them into DIR/train/<class>/ and DIR/val/<class>/, as other "
    "programs expect them too, and pass --data-dir DIR. A folder in which TensorFlow Datasets has "
    f"prepared {NAME} also works"
)

_INFO, _LABELS = "dataset_info.json", "label.labels.txt"
_SPLITS = ("train", "validation")


def load(data_dir: str | None) -> Dataset:
    """Lists the images of ImageNet.

    Args:
        data_dir: a folder with `train/<class>/*` and `val/<class>/*`, or a folder in which
            TensorFlow Datasets has prepared `imagenet2012`, or the folder of one version of that,
            such as `imagenet2012/5.1.0`.

    Returns:
        The data set. Its images are `Files`, and its class names are WordNet IDs such as
        `n01440764`.

    Raises:
        UserError: if `data_dir` is not given, has another layout, or does not have 1000 classes.
            The message explains where to get ImageNet.

    Example:

    >>> dataset = load("ILSVRC2012")  # doctest: +SKIP
    >>> len(dataset.train), len(dataset.test)  # doctest: +SKIP
    (1281167, 50000)
    """
    if not data_dir:
        raise UserError(f"--dataset {NAME} requires --data-dir. {_HOW_TO_GET}")
    path = Path(data_dir).expanduser()
    version_dir = find_prepared(path, NAME)
    if version_dir:
        dataset = _load_prepared(version_dir, NAME)
    elif path.is_dir() and not _contains_train(path):
        raise UserError(f"--data-dir {data_dir}: the folder does not contain train/. {_HOW_TO_GET}")
    else:
        dataset = folder.load(data_dir)
    if len(dataset.class_names) != CLASSES:
        raise UserError(
            f"--data-dir {data_dir} contains {len(dataset.class_names)} classes, but {NAME} has "
            f"{CLASSES}. For other images, including subsets of ImageNet, use --dataset folder"
        )
    return dataclasses.replace(dataset, name=NAME)


def _contains_train(path: Path) -> bool:
    """Returns whether the folder, or a folder in it, contains `train`."""
    candidates = (path, *filter(Path.is_dir, path.iterdir()))
    return any((candidate / "train").is_dir() for candidate in candidates)


def find_prepared(path: Path, name: str) -> Path | None:
    """Finds a data set that TensorFlow Datasets has prepared.

    Args:
        path: the folder of all prepared data sets, or of this one, or of one of its versions.
        name: the name of the data set.

    Returns:
        The folder of its newest version; `None` if there is none.

    Raises:
        UserError: if the description of a version cannot be read.

    Example:

    >>> for version in ("5.0.0", "10.0.0"):
    ...     version_dir = Path("prepared", "imagenet2012", version)
    ...     version_dir.mkdir(parents=True)
    ...     _ = (version_dir / "dataset_info.json").write_text('{"name": "imagenet2012"}')
    >>> find_prepared(Path("prepared"), "imagenet2012").name
    '10.0.0'
    """
    for parent in (path / name, path):
        infos = (*parent.glob(f"*/{_INFO}"), *parent.glob(_INFO))
        versions = [info.parent for info in infos if _read_info(info.parent).get("name") == name]
        if versions:
            return max(versions, key=lambda version_dir: _version_numbers(version_dir.name))
    return None


def _load_prepared(version_dir: Path, name: str) -> Dataset:
    """Lists the images of a data set that TensorFlow Datasets has prepared.

    Only their byte ranges and file names are kept, about 24 bytes per image.

    Args:
        version_dir: the folder of one version, such as `imagenet2012/5.1.0`.
        name: the name of the data set.

    Returns:
        The splits `train` and `validation`, in the order in which they are stored.

    Raises:
        UserError: if a split or a file is missing or damaged, or if the format is not TFRecord.
    """
    info = _read_info(version_dir)
    splits = {split["name"]: split for split in info.get("splits", [])}
    missing = [split for split in _SPLITS if split not in splits]
    if missing:
        raise UserError(
            f"{version_dir} lacks the split {' and '.join(missing)}. Found: "
            f"{', '.join(splits) or 'none'}"
        )
    file_format = info.get("fileFormat", "tfrecord")
    if file_format != "tfrecord":
        raise UserError(
            f"{version_dir} is prepared as {file_format}, but only TFRecord files can be read; "
            f"convert it with `tfds convert_format --dataset_version_dir={version_dir} "
            f"--out_file_format=tfrecord --out_dir=OTHER/{name}/{version_dir.name}` and pass "
            "--data-dir OTHER"
        )
    labels = version_dir / _LABELS
    try:
        class_names = tuple(labels.read_text(encoding="utf-8").split())
    except OSError as error:
        raise UserError(f"cannot read {labels}: {error.strerror or error}") from error
    train, test = (
        _index_split(version_dir, name, splits[split], len(class_names)) for split in _SPLITS
    )
    notes = (f"prepared by TensorFlow Datasets: {version_dir}",)
    return Dataset(name, class_names, train, test, notes=notes)


def _index_split(version_dir: Path, name: str, split: dict, classes: int) -> Files:
    counts = [int(count) for count in split["shardLengths"]]
    paths: list[str] = []
    tables = [np.empty((0, 3), np.int64)]
    for shard, count in enumerate(counts):
        file = f"{name}-{split['name']}.tfrecord-{shard:05d}-of-{len(counts):05d}"
        path = str(version_dir / file)
        table = np.array(list(index_tfrecord(path)), np.int64).reshape(-1, 3)
        if len(table) != count:
            raise UserError(
                f"{path} contains {len(table)} images, but according to {version_dir / _INFO} it "
                f"should contain {count}; prepare the data set again"
            )
        paths.extend([path] * count)
        tables.append(table)
    ranges, labels = np.split(np.concatenate(tables), [2], axis=1)
    labels = labels[:, 0]
    if not len(labels) or labels.min() < 0 or labels.max() >= classes:
        received = f"{labels.min()} to {labels.max()}" if len(labels) else "no images"
        raise UserError(
            f"{version_dir}: the labels of the split {split['name']} must be between 0 and "
            f"{classes - 1}. Received: {received}"
        )
    return Files(tuple(paths), labels.astype(np.int32), np.ascontiguousarray(ranges))


def _read_info(version_dir: Path) -> dict:
    path = version_dir / _INFO
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    return info if isinstance(info, dict) else {}


def _version_numbers(version: str) -> list[int]:
    """Splits a version such as `5.1.0` into numbers, so that `10.0.0` sorts after `5.1.0`."""
    return [int(part) if part.isdigit() else -1 for part in version.split(".")]


# A record is its length (8 bytes), a checksum (4), the data, and a checksum (4). The data are a
# `tf.train.Example`: a protocol buffer of nested messages. These are its field numbers.
_HEADER, _FOOTER = 12, 4
_EXAMPLE_FEATURES = 1
_FEATURES_ENTRY = 1
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_FEATURE_BYTES, _FEATURE_INTEGERS = 1, 3
_LIST_VALUE = 1

# Where a field's content begins and ends in the file.
_Span = tuple[int, int]


class _DamagedError(ValueError):
    """The file does not have the expected structure."""


def index_tfrecord(path: str) -> Iterator[tuple[int, int, int]]:
    """Finds the images in a TFRecord file without reading them.

    Each record must have the features `image`, an encoded image, and `label`, an integer.

    Args:
        path: the file.

    Yields:
        `(offset, length, label)` for each record: where its image begins in the file and how long
        it is, both in bytes, and its label.

    Raises:
        UserError: if the file cannot be read or is damaged, or if a record lacks a feature.

    Example:

    >>> import tensorflow as tf
    >>> example = tf.train.Example()
    >>> example.features.feature["image"].bytes_list.value.append(b"(a JPEG)")
    >>> example.features.feature["label"].int64_list.value.append(3)
    >>> with tf.io.TFRecordWriter("images.tfrecord") as writer:
    ...     writer.write(example.SerializeToString())
    >>> [(length, label) for _, length, label in index_tfrecord("images.tfrecord")]
    [(8, 3)]
    """
    try:
        with (
            open(path, "rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as view,
        ):
            if hasattr(mmap, "MADV_RANDOM"):
                # Otherwise, the operating system would read whole images ahead.
                view.madvise(mmap.MADV_RANDOM)
            for record in _records(view):
                yield _image_and_label(view, record)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    # `_DamagedError`; an empty file, which cannot be mapped; or an index beyond the end.
    except (ValueError, IndexError) as error:
        raise UserError(f"{path} is damaged or truncated: {error}") from error


def _records(view: mmap.mmap) -> Iterator[_Span]:
    position = 0
    while position < len(view):
        begin = position + _HEADER
        end = begin + int.from_bytes(view[position : position + 8], "little")
        position = end + _FOOTER
        if position > len(view):
            raise _DamagedError(f"the record at byte {begin - _HEADER} exceeds the file")
        yield begin, end


def _image_and_label(view: mmap.mmap, record: _Span) -> tuple[int, int, int]:
    images: list[_Span] = []
    labels: list[_Span] = []
    for entry in _nested_fields(view, [record], _EXAMPLE_FEATURES, _FEATURES_ENTRY):
        keys = [view[begin:end] for begin, end in _nested_fields(view, [entry], _ENTRY_KEY)]
        if keys == [b"image"]:
            images = _nested_fields(view, [entry], _ENTRY_VALUE, _FEATURE_BYTES, _LIST_VALUE)
        elif keys == [b"label"]:
            labels = _nested_fields(view, [entry], _ENTRY_VALUE, _FEATURE_INTEGERS, _LIST_VALUE)
    if len(images) != 1 or len(labels) != 1:
        raise _DamagedError(
            f"the record at byte {record[0] - _HEADER} does not have one image and one label"
        )
    (begin, end), (label, _) = images[0], _read_varint(view, labels[0][0])
    # Negative numbers are stored as unsigned 64-bit integers.
    return begin, end - begin, label - 2**64 if label >= 2**63 else label


def _nested_fields(view: mmap.mmap, messages: Iterable[_Span], *numbers: int) -> list[_Span]:
    """Finds the fields that are reached from messages by field numbers, level by level."""
    spans = list(messages)
    for number in numbers:
        spans = [
            content
            for span in spans
            for field_number, content in _fields(view, span)
            if field_number == number
        ]
    return spans


def _fields(view: mmap.mmap, message: _Span) -> Iterator[tuple[int, _Span]]:
    """Yields the number and the content of each field of a message."""
    position, end = message
    while position < end:
        tag, position = _read_varint(view, position)
        wire_type, begin = tag & 7, position
        if wire_type == 0:
            position = _read_varint(view, position)[1]
        elif wire_type == 2:
            length, begin = _read_varint(view, position)
            position = begin + length
        elif wire_type in (1, 5):
            position += 8 if wire_type == 1 else 4
        else:
            raise _DamagedError(f"unknown wire type {wire_type} at byte {position}")
        if position > end:
            raise _DamagedError(f"the field at byte {begin} exceeds its message")
        yield tag >> 3, (begin, position)


def _read_varint(view: mmap.mmap, position: int) -> tuple[int, int]:
    """Returns the variable-length integer at a position, and the position after it."""
    value = shift = 0
    while True:
        byte = view[position]
        # Seven bits per byte; the eighth says whether another byte follows.
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
        if shift > 63:
            raise _DamagedError(f"the integer before byte {position} does not end")
