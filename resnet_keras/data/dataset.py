"""What every data set looks like to the rest of the program."""

from dataclasses import dataclass

import numpy as np

from resnet_keras.data.image_files import Files
from resnet_keras.errors import UserError


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
