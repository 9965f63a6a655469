"""A set of labelled images in files: only their names are kept in memory."""

from dataclasses import dataclass

import numpy as np

from resnet_keras.errors import UserError


@dataclass(frozen=True, eq=False)
class Files:
    """A set of labelled image files, reached by index, read when they are needed.

    The sibling of `Images`: `len`, `labels` and `take` are the same.

    Attributes:
        paths: a file an image, encoded (JPEG, PNG, GIF or BMP), of any size.
        labels: int32 `(N,)`, each in `[0, classes)`.
    """

    paths: tuple[str, ...]
    labels: np.ndarray

    def __post_init__(self):
        if self.labels.dtype != np.int32 or self.labels.shape != (len(self.paths),):
            raise UserError(
                f"labels are int32 ({len(self.paths)},). Received: {self.labels.dtype} "
                f"{self.labels.shape}"
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
        return Files(tuple(self.paths[place] for place in places), self.labels[places])
