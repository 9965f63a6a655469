"""Labelled images in memory (`Images`) or in files (`Files`), and data sets made of them."""

import hashlib
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from resnet_keras.errors import UserError


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images in memory, all of the same size.

    `Files` has the same interface: `len`, `labels`, `size`, `take` and `fingerprint`.

    Attributes:
        images: uint8 `(N, H, W, 3)`, RGB.
        labels: int32 `(N,)`, each in `[0, classes)`.

    Raises:
        UserError: if a shape or a dtype is wrong.

    Example:

    >>> images = Images(np.zeros((4, 32, 32, 3), np.uint8), np.array([0, 1, 1, 0], np.int32))
    >>> len(images), images.size
    (4, (32, 32))
    >>> images.take(slice(1, 3)).labels.tolist()
    [1, 1]
    """

    images: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise UserError(
                "images must be uint8 of shape (N, H, W, 3). "
                f"Received: {images.dtype} {images.shape}"
            )
        if labels.dtype != np.int32 or labels.shape != images.shape[:1]:
            raise UserError(
                f"labels must be int32 of shape ({len(images)},). "
                f"Received: {labels.dtype} {labels.shape}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.images.shape[1], self.images.shape[2]

    def take(self, indices: np.ndarray | slice) -> "Images":
        """Returns the images at `indices`, in that order."""
        return Images(self.images[indices], self.labels[indices])

    def fingerprint(self) -> bytes:
        """Returns the SHA-256 digest of the labels and the pixels."""
        digest = hashlib.sha256(np.ascontiguousarray(self.labels).tobytes())
        digest.update(np.ascontiguousarray(self.images).data)
        return digest.digest()


@dataclass(frozen=True, eq=False)
class Files:
    """Labelled, encoded images in files, of any size. They are read when they are needed.

    Attributes:
        paths: the file of each image (JPEG, PNG, GIF or BMP).
        labels: int32 `(N,)`, each in `[0, classes)`.
        ranges: int64 `(N, 2)`, for files that hold several images (TFRecord): the offset of each
            image in its file, and its length, both in bytes. `None` if each file is one image.

    Raises:
        UserError: if a shape or a dtype is wrong.

    Example:

    >>> files = Files(("train/cat/1.jpg", "train/dog/2.jpg"), np.array([0, 1], np.int32))
    >>> files.take(np.array([1])).paths
    ('train/dog/2.jpg',)
    """

    paths: tuple[str, ...]
    labels: np.ndarray
    ranges: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.labels.dtype != np.int32 or self.labels.shape != (len(self.paths),):
            raise UserError(
                f"labels must be int32 of shape ({len(self.paths)},). "
                f"Received: {self.labels.dtype} {self.labels.shape}"
            )
        ranges = self.ranges
        if ranges is not None and (ranges.dtype, ranges.shape) != (np.int64, (len(self), 2)):
            raise UserError(
                f"ranges must be int64 of shape ({len(self)}, 2). "
                f"Received: {ranges.dtype} {ranges.shape}"
            )

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def size(self) -> None:
        """`None`, because height and width differ from file to file."""
        return None

    def take(self, indices: np.ndarray | slice) -> "Files":
        """Returns the files at `indices`, in that order."""
        positions = np.arange(len(self))[indices]
        paths = tuple(self.paths[position] for position in positions)
        ranges = None if self.ranges is None else self.ranges[positions]
        return Files(paths, self.labels[positions], ranges)

    def names(self) -> list[str]:
        """Returns the name of each image in messages: its path and, if needed, its offset."""
        if self.ranges is None:
            return list(self.paths)
        offsets = self.ranges[:, 0].tolist()
        return [f"{path} (byte {at})" for path, at in zip(self.paths, offsets, strict=True)]

    def portable_names(self) -> list[str]:
        """Returns `class/file` for each path: the same names wherever the folder is.

        Accented letters are composed (NFC), because a copy on another file system may store them
        decomposed.
        """
        paths = map(Path, self.paths)
        return [unicodedata.normalize("NFC", f"{path.parent.name}/{path.name}") for path in paths]

    def fingerprint(self) -> bytes:
        """Returns the SHA-256 digest of the portable names, the labels and the byte ranges."""
        digest = hashlib.sha256(np.ascontiguousarray(self.labels).tobytes())
        for name in self.portable_names():
            digest.update(f"{name}\n".encode("utf-8", "surrogateescape"))
        if self.ranges is not None:
            digest.update(self.ranges.tobytes())
        return digest.digest()


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set with its official split.

    Attributes:
        name: the name on the command line.
        class_names: one name per class, in the order of the labels.
        train: the images to train on.
        test: the images to measure the test error on.
        flip: whether the mirror image of every class shows the same class: true for photographs,
            false for digits.
        notes: what the user should know about how the data set was read, one line each.

    Example:

    >>> images = Images(np.zeros((2, 8, 8, 3), np.uint8), np.array([0, 1], np.int32))
    >>> Dataset("toy", ("cat", "dog"), train=images, test=images).flip
    True
    """

    name: str
    class_names: tuple[str, ...]
    train: Images | Files
    test: Images | Files
    flip: bool = True
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class BatchShare:
    """The part of every batch that one process makes: consecutive images.

    Random numbers are always drawn for the whole batch and then divided. A batch is therefore the
    same, however many processes make it.

    Attributes:
        batch_size: the number of images in the whole batch.
        start: the position of the first image of this share in the batch.
        count: the number of images in this share.

    Example:

    >>> share = BatchShare(batch_size=6, start=4, count=2)
    >>> share.take(["a", "b", "c", "d", "e", "f"])
    ['e', 'f']
    """

    batch_size: int
    start: int
    count: int

    @classmethod
    def full(cls, batch_size: int) -> "BatchShare":
        """Returns the share of a single process: the whole batch."""
        return cls(batch_size, 0, batch_size)

    def take(self, values: Any) -> Any:
        """Returns this share of a list, array or tensor `(batch_size, …)`."""
        return values[self.start : self.start + self.count]
