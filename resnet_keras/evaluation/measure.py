"""Error and loss on labelled images, computed in one way for every kind of trained network."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from resnet_keras.data.dataset import Files, Images
from resnet_keras.data.decoding import evaluation_batches
from resnet_keras.errors import UserError
from resnet_keras.preprocessing import Preprocessing

BATCH_SIZE = 250
# As many pixels as in `BATCH_SIZE` images of 64x64, because the feature maps of a deep network have
# to fit into memory too.
_BATCH_PIXELS = BATCH_SIZE * 64 * 64

# The smallest probability that is told apart from zero: float32's smallest normal number. A network
# that gives the true class a smaller probability has a loss of 87 there instead of infinity.
_TINY = float(np.finfo(np.float32).tiny)


class NonFinitePredictions(UserError):
    """A network predicts probabilities that are infinite or not a number."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """The metrics of a network on labelled images.

    Attributes:
        confusion: the confusion matrix, int64 `(classes, classes)`: number of images by true class
            (row) and predicted class (column).
        top5_correct: int64 `(classes,)`: number of images, by true class, whose class is among the
            five most probable.
        loss: mean cross-entropy in nats.

    Example:

    >>> measurement = Measurement(np.array([[3, 1], [0, 4]]), np.array([4, 4]), 0.25)
    >>> measurement.examples, measurement.top1_error
    (8, 12.5)
    >>> measurement.summary()
    'top-1 error 12.50 %   loss 0.2500'
    """

    confusion: np.ndarray
    top5_correct: np.ndarray
    loss: float

    @property
    def examples(self) -> int:
        """Number of images."""
        return int(self.confusion.sum())

    @property
    def top1_error(self) -> float:
        """Percentage of images whose most probable class is wrong."""
        return 100.0 * (self.examples - int(np.trace(self.confusion))) / self.examples

    @property
    def top5_error(self) -> float:
        """Percentage of images whose class is not among the five most probable."""
        return 100.0 * (self.examples - int(self.top5_correct.sum())) / self.examples

    def per_class(self, class_names: tuple[str, ...]) -> list[dict[str, Any]]:
        """Returns the metrics of each class.

        Args:
            class_names: in the order of the network's outputs.

        Returns:
            One dict per class with the keys `class`, `examples`, `top1_error` and `top5_error`.
            Errors are in percent, or `None` if the class has no images.
        """
        rows = []
        for index, name in enumerate(class_names):
            count = int(self.confusion[index].sum())
            wrong = count - int(self.confusion[index, index])
            wrong5 = count - int(self.top5_correct[index])
            rows.append(
                {
                    "class": name,
                    "examples": count,
                    "top1_error": 100.0 * wrong / count if count else None,
                    "top5_error": 100.0 * wrong5 / count if count else None,
                }
            )
        return rows

    def to_json(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        """Returns all metrics as JSON values, with errors in percent."""
        return {
            "examples": self.examples,
            "top1_error": self.top1_error,
            "top5_error": self.top5_error,
            "loss": self.loss,
            "per_class": self.per_class(class_names),
        }

    def summary(self) -> str:
        """Returns the errors and the loss as one line."""
        parts = [f"top-1 error {self.top1_error:.2f} %", f"loss {self.loss:.4f}"]
        if self._shows_top5:
            parts.insert(1, f"top-5 error {self.top5_error:.2f} %")
        return "   ".join(parts)

    def table(self, class_names: tuple[str, ...]) -> list[str]:
        """Returns lines of text: the summary, then one line per class."""
        width = max(5, *(len(name) for name in class_names))
        columns = {"top1_error": "top-1 error", "top5_error": "top-5 error"}
        if not self._shows_top5:
            del columns["top5_error"]
        header = "  ".join([f"{'class':{width}}  images", *columns.values()])
        lines = [self.summary(), "", header]
        for row in self.per_class(class_names):
            errors = [_percent(row[column]) for column in columns]
            lines.append("  ".join([f"{row['class']:{width}}  {row['examples']:6}", *errors]))
        return lines

    @property
    def _shows_top5(self) -> bool:
        # With five or fewer classes the top-5 error is always zero.
        return len(self.confusion) > 5


def measure(
    predict: Callable[[np.ndarray], np.ndarray],
    images: Images | Files,
    preprocessing: Preprocessing,
) -> Measurement:
    """Measures a network on labelled images. Each image is predicted exactly once.

    Args:
        predict: takes uint8 `(N, H, W, 3)` and returns probabilities, float32 `(N, classes)`.
        images: at least one image.
        preprocessing: the network's own. Its size and class names are used here; `predict` applies
            the rest.

    Raises:
        NonFinitePredictions: if a probability is infinite or not a number.
        UserError: if an image file is missing or damaged.

    Example:

    >>> images = Images(np.zeros((4, 8, 8, 3), np.uint8), np.array([0, 1, 1, 1], np.int32))
    >>> preprocessing = Preprocessing((8, 8), "stretch", 1.0, (0, 0, 0), (1, 1, 1), ("a", "b"))
    >>> predict = lambda batch: np.tile([[0.2, 0.8]], (len(batch), 1))
    >>> measure(predict, images, preprocessing).top1_error
    25.0
    """
    metrics = MetricsAccumulator(len(preprocessing.class_names))
    batch_size = batch_size_for(*preprocessing.size)
    for batch, labels in evaluation_batches(images, preprocessing, batch_size):
        metrics.update(np.asarray(predict(batch)), labels)
    return metrics.result()


class MetricsAccumulator:
    """Accumulates the metrics of a network batch by batch.

    Args:
        classes: number of classes.

    Example:

    >>> metrics = MetricsAccumulator(2)
    >>> metrics.update(np.array([[0.75, 0.25], [0.75, 0.25]]), np.array([0, 1]))
    >>> metrics.result().top1_error
    50.0
    """

    def __init__(self, classes: int) -> None:
        self._confusion = np.zeros((classes, classes), np.int64)
        self._top5_correct = np.zeros(classes, np.int64)
        self._loss = 0.0

    def update(self, probabilities: np.ndarray, labels: np.ndarray) -> None:
        """Adds a batch of predictions.

        If probabilities are equal, the class with the lower index comes first.

        Args:
            probabilities: float32 `(n, classes)`.
            labels: int32 `(n,)`.

        Raises:
            NonFinitePredictions: if a probability is infinite or not a number.
        """
        if not np.isfinite(probabilities).all():
            raise NonFinitePredictions(
                "the network predicts probabilities that are infinite or not a number, so its "
                "weights are unusable: train it again, for example with a lower learning rate"
            )
        true_column = labels[:, np.newaxis].astype(np.int64)
        true_probability = np.take_along_axis(probabilities, true_column, axis=1)
        # The rank of the true class is the number of classes that come before it.
        has_lower_index = np.arange(probabilities.shape[1]) < true_column
        comes_before = (probabilities > true_probability) | (
            (probabilities == true_probability) & has_lower_index
        )
        np.add.at(self._confusion, (labels, probabilities.argmax(axis=1)), 1)
        np.add.at(self._top5_correct, labels, comes_before.sum(axis=1) < 5)
        log_likelihood = np.log(np.maximum(true_probability, _TINY), dtype=np.float64)
        self._loss -= float(log_likelihood.sum())

    def result(self) -> Measurement:
        """Returns the metrics of all batches so far, of which there must be at least one."""
        count = int(self._confusion.sum())
        return Measurement(self._confusion, self._top5_correct, self._loss / count)


def batch_size_for(height: int, width: int) -> int:
    """Returns the batch size for the prediction of images of a size in pixels.

    Example:

    >>> batch_size_for(32, 32), batch_size_for(224, 224)
    (250, 20)
    """
    return max(1, min(BATCH_SIZE, _BATCH_PIXELS // (height * width)))


def _percent(value: float | None) -> str:
    return f"{value:9.2f} %" if value is not None else "          –"
