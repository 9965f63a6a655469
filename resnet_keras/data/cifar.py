"""Decodes CIFAR-10 and CIFAR-100 from their official files (section 4.2)."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from resnet_keras.data.archive import read_files
from resnet_keras.data.cifar_formats import Format, load_batch
from resnet_keras.data.dataset import Dataset, Images
from resnet_keras.errors import UserError

# An image is stored as 1,024 red, then 1,024 green, then 1,024 blue values, row by row.
_VALUES = 3 * 32 * 32


def read(form: Format, path: Path) -> Dataset:
    """Reads and verifies a data set.

    Args:
        form: what the files are called and what they should hold.
        path: the folder that holds the files, or the archive.

    Returns:
        The data set: images uint8 `(N, 32, 32, 3)`, labels int32 `(N,)`; 100 fine labels for
        CIFAR-100.

    Raises:
        UserError: if a file is missing, damaged, has another checksum, or holds something else.
    """
    parts = {}
    for name, source, content in read_files(path, form.folder, form.files):
        check_md5(content, form.md5.get(name), source)
        parse = parse_names if name == form.meta else parse_batch
        parts[name] = parse(form, content, source)
    train = _join([parts[name] for name in form.train])
    test = _join([parts[name] for name in form.test])
    if form.rows not in (None, (len(train), len(test))):
        raise UserError(
            f"{path}: {form.dataset} has {form.rows[0]} training and {form.rows[1]} test images. "
            f"Received: {len(train)} and {len(test)}"
        )
    dataset = Dataset(form.dataset, parts[form.meta], train, test)
    verify(dataset, form.sha256, str(path))
    return dataset


def check_md5(content: bytes, expected: str | None, source: str):
    """Raises a `UserError` if `content` has another md5 than `expected` (`None`: any will do)."""
    received = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if expected not in (None, received):
        raise UserError(
            f"{source}: the file differs from the official one: md5 {received}, expected "
            f"{expected}; download it again"
        )


def verify(dataset: Dataset, expected: Mapping[str, str], source: str):
    """Compares the decoded arrays with known checksums.

    Args:
        dataset: what was decoded.
        expected: hexadecimal sha256 of the C-ordered bytes of "train images", "test images"
            (uint8), "train labels" and "test labels" (little-endian int32); those that are
            absent are not checked.
        source: where the data set came from, for the message.

    Raises:
        UserError: at the first array that differs.
    """
    for part, checksum in expected.items():
        split, kind = part.split()
        array = getattr(getattr(dataset, split), kind)
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        received = hashlib.sha256(array).hexdigest()
        if received != checksum:
            raise UserError(
                f"{source}: the {part} of {dataset.name} differ from the official ones: sha256 "
                f"{received}, expected {checksum}; get the data set again"
            )


def parse_batch(form: Format, content: bytes, source: str) -> tuple[np.ndarray, np.ndarray]:
    """Decodes one file of images.

    Returns:
        Pixels as stored, uint8 `(N, 3072)`, and labels, int32 `(N,)`.

    Raises:
        UserError: if the file does not hold what `form` describes.
    """
    pixels, labels = (_binary if form.label_bytes else _pickled)(form, content, source)
    wrong = np.flatnonzero((labels < 0) | (labels >= form.classes))
    if len(wrong):
        raise UserError(
            f"{source}: labels of {form.dataset} lie in 0 to {form.classes - 1}. Received: "
            f"{labels[wrong[0]]} for image {wrong[0]}"
        )
    return pixels, labels.astype(np.int32)


def _pickled(form, content, source):
    batch = load_batch(content, source)
    pixels, labels = batch.get(b"data"), batch.get(form.label_key)
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or pixels.shape[1] != _VALUES:
        raise UserError(
            f"{source}: b'data' should be an array (N, {_VALUES}). Received: "
            f"{getattr(pixels, 'shape', type(pixels).__name__)}; keys {list(batch)[:8]}"
        )
    if not isinstance(labels, list) or len(labels) != len(pixels):
        received = f"{len(labels)} labels" if isinstance(labels, list) else type(labels).__name__
        raise UserError(
            f"{source}: {form.label_key!r} should be a list of {len(pixels)} labels. "
            f"Received: {received}; keys {list(batch)[:8]}"
        )
    # Python's integers have no bounds; anything that is no label at all becomes -1.
    fits = [label if type(label) is int and abs(label) < 2**31 else -1 for label in labels]
    return pixels, np.array(fits, np.int64)


def _binary(form, content, source):
    row = form.label_bytes + _VALUES
    if not content or len(content) % row:
        raise UserError(
            f"{source}: the file should hold rows of {row} bytes. Received: {len(content)} bytes"
        )
    rows = np.frombuffer(content, np.uint8).reshape(-1, row)
    return rows[:, form.label_bytes :], rows[:, form.label_bytes - 1].astype(np.int64)


def parse_names(form: Format, content: bytes, source: str) -> tuple[str, ...]:
    """Decodes the file with the names of the classes.

    Raises:
        UserError: if it does not hold `form.classes` different names.
    """
    binary = form.label_bytes > 0
    names = content.split() if binary else load_batch(content, source).get(form.names_key)
    if not isinstance(names, list) or not all(isinstance(name, bytes) for name in names):
        raise UserError(f"{source}: {form.names_key!r} should be a list of names")
    names = tuple(name.decode("utf-8", "replace") for name in names)
    if len(set(names)) != form.classes or len(names) != form.classes:
        raise UserError(
            f"{source}: {form.dataset} has {form.classes} classes, each with a name. Received: "
            f"{len(names)} names, {len(set(names))} of them different: {', '.join(names)[:200]}"
        )
    return names


def _join(batches):
    """Puts batches of pixels as stored, `(N, 3072)`, together into `Images`."""
    images = np.empty((sum(len(labels) for _, labels in batches), 32, 32, 3), np.uint8)
    start = 0
    for pixels, labels in batches:
        stop = start + len(labels)
        images[start:stop] = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        start = stop
    return Images(images, np.concatenate([labels for _, labels in batches]))
