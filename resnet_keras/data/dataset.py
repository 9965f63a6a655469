"""What every data set looks like to the rest of the program."""

import hashlib
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resnet_keras.errors import UserError


@dataclass(frozen=True, eq=False)
class Files:
    """A set of labelled, encoded images in files, reached by index, read when they are needed.

    The sibling of `Images`: `len`, `labels` and `take` are the same.

    Attributes:
        paths: the file of each image, encoded (JPEG, PNG, GIF or BMP), of any size.
        labels: int32 `(N,)`, each in `[0, classes)`.
        ranges: int64 `(N, 2)`: in files that hold more than an image, at which byte each begins
            and how many it has; `None` if a file is an image.
    """

    paths: tuple[str, ...]
    labels: np.ndarray
    ranges: np.ndarray | None = None

    def __post_init__(self):
        if self.labels.dtype != np.int32 or self.labels.shape != (len(self.paths),):
            raise UserError(
                f"labels are int32 ({len(self.paths)},). Received: {self.labels.dtype} "
                f"{self.labels.shape}"
            )
        ranges = self.ranges
        if ranges is not None and (ranges.dtype, ranges.shape) != (np.int64, (len(self), 2)):
            raise UserError(
                f"ranges are int64 ({len(self)}, 2). Received: {ranges.dtype} {ranges.shape}"
            )

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def size(self) -> None:
        """Height and width in pixels, which differ from file to file."""
        return None

    def take(self, indices: np.ndarray | slice) -> "Files":
        """Returns the files at `indices`, in that order."""
        places = np.arange(len(self))[indices]
        paths = tuple(self.paths[place] for place in places)
        ranges = None if self.ranges is None else self.ranges[places]
        return Files(paths, self.labels[places], ranges)

    def portable_names(self) -> list[str]:
        """Returns `class/file` of each path, wherever the folder lies, with composed accents: a
        copy to another machine may spell them otherwise."""
        places = map(Path, self.paths)
        return [unicodedata.normalize("NFC", f"{path.parent.name}/{path.name}") for path in places]

    def fingerprint(self) -> bytes:
        """Returns the SHA-256 of the files' names, labels and, if any, byte ranges.

        Only `class/file` of each path counts, so the folder may be moved, also to a machine that
        encodes accents differently.
        """
        digest = hashlib.sha256(np.ascontiguousarray(self.labels).tobytes())
        for name in self.portable_names():
            digest.update(f"{name}\n".encode("utf-8", "surrogateescape"))
        if self.ranges is not None:
            digest.update(self.ranges.tobytes())
        return digest.digest()

    def names(self) -> list[str]:
        """Returns what messages call each image: its path, and where in the file it begins."""
        if self.ranges is None:
            return list(self.paths)
        begins = self.ranges[:, 0].tolist()
        return [f"{path} (byte {at})" for path, at in zip(self.paths, begins, strict=True)]


@dataclass(frozen=True, eq=False)
class Images:
    """A set of labelled images in memory, reached by index.

    Attributes:
        images: uint8 `(N, H, W, 3)`, RGB.
        labels: int32 `(N,)`, each in `[0, classes)`.
    """

    images: np.ndarray
    labels: np.ndarray

    def __post_init__(self):
        images, labels = self.images, self.labels
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise UserError(
                f"images are uint8 (N, H, W, 3). Received: {images.dtype} {images.shape}"
            )
        if labels.dtype != np.int32 or labels.shape != images.shape[:1]:
            raise UserError(
                f"labels are int32 ({len(images)},). Received: {labels.dtype} {labels.shape}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.images.shape[1], self.images.shape[2]

    def fingerprint(self) -> bytes:
        """Returns the SHA-256 of the labels and the pixels."""
        digest = hashlib.sha256(np.ascontiguousarray(self.labels).tobytes())
        digest.update(np.ascontiguousarray(self.images))
        return digest.digest()

    def take(self, indices: np.ndarray | slice) -> "Images":
        """Returns the images at `indices`, in that order."""
        return Images(self.images[indices], self.labels[indices])


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set with its official split.

    Attributes:
        name: as the command line spells it.
        class_names: a name a class, in the order of the labels.
        train: the images to train on.
        test: the images to report the error on.
        flip: whether the mirror image of every class shows the same class (true of
            photographs, not of digits).
        notes: what a user should know of how the set was read, a line each.
    """

    name: str
    class_names: tuple[str, ...]
    train: Images | Files
    test: Images | Files
    flip: bool = True
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Share:
    """Consecutive images of every step's batch.

    What is random about a batch is drawn for all of it and then parted, so that a batch is the
    same however many processes make it.

    Attributes:
        batch_size: images of the whole batch.
        first: number of the first image, from 0 on.
        count: how many.
    """

    batch_size: int
    first: int
    count: int

    @classmethod
    def all(cls, batch_size: int) -> "Share":
        """Returns the share of a process that is alone."""
        return cls(batch_size, 0, batch_size)

    def of(self, values):
        """Returns this share of an array or tensor `(batch_size, ...)`."""
        return values[self.first : self.first + self.count]
