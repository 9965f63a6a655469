"""The error of a network on a labelled set: one computation for every kind of artefact."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from resnet_keras.data.dataset import Files, Images
from resnet_keras.data.decoding import evaluation_batches
from resnet_keras.errors import UserError
from resnet_keras.preprocessing import Preprocessing

BATCH_SIZE = 250
# As many as those of 64x64 pixels: a deep network's feature maps have to fit in memory too.
_BATCH_PIXELS = BATCH_SIZE * 64 * 64

# The smallest probability that counts: float32's smallest normal number. A network that gives the
# true class less has a loss of 87 there, not infinity.
_TINY = float(np.finfo(np.float32).tiny)


class RuinedNetwork(UserError):
    """A network answers with values that are no numbers."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """What was counted; the rates follow from it.

    Attributes:
        confusion: int64 `(classes, classes)`: images by true class (row) and answer (column).
        top5_right: int64 `(classes,)`: images, by true class, that were among the first five.
        loss: mean cross-entropy in nats.
    """

    confusion: np.ndarray
    top5_right: np.ndarray
    loss: float

    @property
    def examples(self) -> int:
        """Images measured."""
        return int(self.confusion.sum())

    @property
    def top1_error(self) -> float:
        """Percent of the images whose most probable class is wrong."""
        return 100.0 * (self.examples - int(np.trace(self.confusion))) / self.examples

    @property
    def top5_error(self) -> float:
        """Percent of the images whose class is not among the five most probable."""
        return 100.0 * (self.examples - int(self.top5_right.sum())) / self.examples

    def per_class(self, class_names: tuple[str, ...]) -> list[dict]:
        """Returns, a class: its name, number of images, and top-1 and top-5 error in percent
        (`None` without images)."""
        rows = []
        for index, name in enumerate(class_names):
            count = int(self.confusion[index].sum())
            wrong = count - int(self.confusion[index, index])
            wrong5 = count - int(self.top5_right[index])
            rows.append(
                {
                    "class": name,
                    "examples": count,
                    "top1_error": 100.0 * wrong / count if count else None,
                    "top5_error": 100.0 * wrong5 / count if count else None,
                }
            )
        return rows


def measure(
    probabilities: Callable[[np.ndarray], np.ndarray],
    images: Images | Files,
    preprocessing: Preprocessing,
) -> Measurement:
    """Asks for every image's probabilities, each image once, and counts.

    Args:
        probabilities: takes uint8 `(N, H, W, 3)`, returns float32 `(N, classes)`.
        images: what to measure on.
        preprocessing: the network's own: it says the size of the images and the classes.

    Raises:
        UserError: if an answer is no number: the network is ruined; or if a file is damaged.
    """
    tally = Tally(len(preprocessing.class_names))
    for batch, true in evaluation_batches(images, preprocessing, batch_size(preprocessing)):
        tally.add(np.asarray(probabilities(batch)), true)
    return tally.measurement()


class Tally:
    """Counts answers as they come.

    Args:
        classes: number of classes.
    """

    def __init__(self, classes: int):
        self._confusion = np.zeros((classes, classes), np.int64)
        self._top5_right = np.zeros(classes, np.int64)
        self._loss = 0.0

    def add(self, given: np.ndarray, true: np.ndarray) -> None:
        """Counts some answers.

        Args:
            given: probabilities, float32 `(n, classes)`.
            true: labels, int32 `(n,)`.

        Raises:
            RuinedNetwork: if an answer is no number.
        """
        if not np.isfinite(given).all():
            raise RuinedNetwork("the network answers with values that are no numbers: it is ruined")
        of_true = np.take_along_axis(given, true[:, None].astype(np.int64), axis=1)
        # An image's rank: the classes before its own, of equals the one listed first.
        earlier = np.arange(given.shape[1]) < true[:, None]
        rank = ((given > of_true) | ((given == of_true) & earlier)).sum(axis=1)
        np.add.at(self._confusion, (true, given.argmax(axis=1)), 1)
        np.add.at(self._top5_right, true, rank < 5)
        self._loss -= float(np.log(np.maximum(of_true, _TINY), dtype=np.float64).sum())

    def measurement(self) -> Measurement:
        """Returns what has been counted, of one image at least."""
        count = int(self._confusion.sum())
        return Measurement(self._confusion, self._top5_right, self._loss / count)


def batch_size(preprocessing: Preprocessing) -> int:
    """Returns how many images are asked about at a time: fewer of large ones."""
    return images_at_a_time(*preprocessing.size)


def images_at_a_time(height: int, width: int) -> int:
    """Returns how many images of that size, in pixels, are asked about at a time."""
    return max(1, min(BATCH_SIZE, _BATCH_PIXELS // (height * width)))
