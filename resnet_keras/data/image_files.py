"""A set of labelled images in files: only where they lie is kept in memory."""

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

    def names(self) -> list[str]:
        """Returns what messages call each image: its path, and where in the file it begins."""
        if self.ranges is None:
            return list(self.paths)
        begins = self.ranges[:, 0].tolist()
        return [f"{path} (byte {at})" for path, at in zip(self.paths, begins, strict=True)]
