"""Decodes CIFAR-10 and CIFAR-100 from their official files (section 4.2)."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from resnet_keras.data.archive import read_files
from resnet_keras.data.cifar_formats import CifarFormat, unpickle
from resnet_keras.data.dataset import Dataset, Images
from resnet_keras.errors import UserError

# An image is stored as 1,024 red, then 1,024 green, then 1,024 blue values, row by row.
_VALUES = 3 * 32 * 32


def read(cifar_format: CifarFormat, path: Path) -> Dataset:
    """Reads a data set and checks that it is complete and unaltered.

    Args:
        cifar_format: the names of the files, and what they should contain.
        path: the folder that contains the files, or the archive.

    Returns:
        The data set: images uint8 `(N, 32, 32, 3)`, labels int32 `(N,)`. The labels of CIFAR-100
        are the 100 fine ones.

    Raises:
        UserError: if a file is missing, is damaged, has a different checksum, or contains
            something else.

    Example:

    >>> from resnet_keras.data.cifar_formats import FORMATS
    >>> dataset = read(FORMATS[0], Path("cifar-10-python.tar.gz"))  # doctest: +SKIP
    >>> dataset.train.images.shape  # doctest: +SKIP
    (50000, 32, 32, 3)
    """
    class_names: tuple[str, ...] = ()
    batches = {}
    for name, source, content in read_files(path, cifar_format.folder, cifar_format.files):
        check_md5(content, cifar_format.md5.get(name), source)
        if name == cifar_format.meta:
            class_names = decode_class_names(cifar_format, content, source)
        else:
            batches[name] = decode_batch(cifar_format, content, source)
    train = _to_images([batches[name] for name in cifar_format.train])
    test = _to_images([batches[name] for name in cifar_format.test])
    expected, received = cifar_format.examples, (len(train), len(test))
    if expected not in (None, received):
        raise UserError(
            f"{path}: {cifar_format.dataset} has {expected[0]} training and {expected[1]} test "
            f"images. Received: {received[0]} and {received[1]}"
        )
    dataset = Dataset(cifar_format.dataset, class_names, train, test)
    verify_sha256(dataset, cifar_format.sha256, str(path))
    return dataset


def check_md5(content: bytes, expected: str | None, source: str) -> None:
    """Checks the MD5 of a file.

    Args:
        content: the content of the file.
        expected: the MD5 in hexadecimal; `None` accepts any content.
        source: identifies the file in error messages.

    Raises:
        UserError: if the MD5 differs.

    Example:

    >>> check_md5(b"hello", "5d41402abc4b2a76b9719d911017c592", "data_batch_1")
    """
    received = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if expected not in (None, received):
        raise UserError(
            f"{source}: the file differs from the official one (md5 {received}, expected "
            f"{expected}); download it again"
        )


def verify_sha256(dataset: Dataset, expected: Mapping[str, str], source: str) -> None:
    """Compares the decoded arrays with known checksums.

    Args:
        dataset: the decoded data set.
        expected: the SHA-256 in hexadecimal of the C-ordered bytes of "train images" and "test
            images" (uint8), "train labels" and "test labels" (little-endian int32). Arrays
            without an entry are not checked.
        source: where the data set comes from, for the error message.

    Raises:
        UserError: if an array differs. The message names the first one.

    Example:

    >>> images = Images(np.zeros((1, 32, 32, 3), np.uint8), np.zeros(1, np.int32))
    >>> dataset = Dataset("cifar10", ("airplane",), images, images)
    >>> labels = hashlib.sha256(bytes(4)).hexdigest()
    >>> verify_sha256(dataset, {"train labels": labels}, "cifar-10-python.tar.gz")
    """
    for part, checksum in expected.items():
        split, kind = part.split()
        array = getattr(getattr(dataset, split), kind)
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        received = hashlib.sha256(array.data).hexdigest()
        if received != checksum:
            raise UserError(
                f"{source}: the {part} of {dataset.name} differ from the official ones (sha256 "
                f"{received}, expected {checksum}); download the data set again"
            )


def decode_batch(
    cifar_format: CifarFormat, content: bytes, source: str
) -> tuple[np.ndarray, np.ndarray]:
    """Decodes a file of images.

    Args:
        cifar_format: the format of the file.
        content: the content of the file.
        source: identifies the file in error messages.

    Returns:
        The pixels in the order in which they are stored, uint8 `(N, 3072)`, and the labels, int32
        `(N,)`.

    Raises:
        UserError: if the file does not contain what `cifar_format` describes.

    Example:

    >>> from resnet_keras.data.cifar_formats import FORMATS
    >>> pixels, labels = decode_batch(FORMATS[1], bytes([7]) + bytes(3072), "data_batch_1.bin")
    >>> pixels.shape, labels.tolist()
    ((1, 3072), [7])
    """
    decode = _decode_binary if cifar_format.label_bytes else _decode_pickle
    pixels, labels = decode(cifar_format, content, source)
    invalid = np.flatnonzero((labels < 0) | (labels >= cifar_format.classes))
    if len(invalid):
        raise UserError(
            f"{source}: labels of {cifar_format.dataset} are between 0 and "
            f"{cifar_format.classes - 1}. Received: {labels[invalid[0]]} for image {invalid[0]}"
        )
    return pixels, labels.astype(np.int32)


def decode_class_names(cifar_format: CifarFormat, content: bytes, source: str) -> tuple[str, ...]:
    """Decodes the file with the class names.

    Args:
        cifar_format: the format of the file.
        content: the content of the file.
        source: identifies the file in error messages.

    Returns:
        The names, in the order of the labels.

    Raises:
        UserError: if the file does not contain `cifar_format.classes` different names.

    Example:

    >>> from resnet_keras.data.cifar_formats import FORMATS
    >>> content = b"airplane automobile bird cat deer dog frog horse ship truck"
    >>> decode_class_names(FORMATS[1], content, "batches.meta.txt")[3]
    'cat'
    """
    is_binary = cifar_format.label_bytes > 0
    names: object = (
        content.split() if is_binary else unpickle(content, source).get(cifar_format.names_key)
    )
    if not isinstance(names, list) or not all(isinstance(name, bytes) for name in names):
        raise UserError(f"{source}: {cifar_format.names_key!r} should be a list of class names")
    decoded = tuple(name.decode("utf-8", "replace") for name in names)
    if len(set(decoded)) != cifar_format.classes or len(decoded) != cifar_format.classes:
        raise UserError(
            f"{source}: {cifar_format.dataset} has {cifar_format.classes} classes with different "
            f"names. Received: {len(decoded)} names, {len(set(decoded))} of them different: "
            f"{', '.join(decoded)[:200]}"
        )
    return decoded


def _decode_pickle(
    cifar_format: CifarFormat, content: bytes, source: str
) -> tuple[np.ndarray, np.ndarray]:
    batch = unpickle(content, source)
    pixels, labels = batch.get(b"data"), batch.get(cifar_format.label_key)
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or pixels.shape[1] != _VALUES:
        raise UserError(
            f"{source}: b'data' should be an array of shape (N, {_VALUES}). Received: "
            f"{getattr(pixels, 'shape', type(pixels).__name__)}; the file has the keys "
            f"{list(batch)[:8]}"
        )
    if not isinstance(labels, list) or len(labels) != len(pixels):
        received = f"{len(labels)} labels" if isinstance(labels, list) else type(labels).__name__
        raise UserError(
            f"{source}: {cifar_format.label_key!r} should be a list of {len(pixels)} labels. "
            f"Received: {received}; the file has the keys {list(batch)[:8]}"
        )
    # Python's integers are unbounded. Anything that cannot be a label becomes -1, which is
    # rejected like every other invalid label.
    bounded = [label if type(label) is int and abs(label) < 2**31 else -1 for label in labels]
    return pixels, np.array(bounded, np.int64)


def _decode_binary(
    cifar_format: CifarFormat, content: bytes, source: str
) -> tuple[np.ndarray, np.ndarray]:
    row = cifar_format.label_bytes + _VALUES
    if not content or len(content) % row:
        raise UserError(
            f"{source}: the file should consist of rows of {row} bytes. Received: {len(content)} "
            "bytes"
        )
    rows = np.frombuffer(content, np.uint8).reshape(-1, row)
    pixels = rows[:, cifar_format.label_bytes :]
    return pixels, rows[:, cifar_format.label_bytes - 1].astype(np.int64)


def _to_images(batches: Sequence[tuple[np.ndarray, np.ndarray]]) -> Images:
    """Concatenates batches and turns stored pixels `(N, 3072)` into `(N, 32, 32, 3)`."""
    images = np.empty((sum(len(labels) for _, labels in batches), 32, 32, 3), np.uint8)
    start = 0
    for pixels, labels in batches:
        stop = start + len(labels)
        images[start:stop] = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        start = stop
    return Images(images, np.concatenate([labels for _, labels in batches]))
