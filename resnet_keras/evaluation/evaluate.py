"""Evaluation of a trained network on the test images of a data set."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnet_keras.data.dataset import Dataset
from resnet_keras.evaluation.measure import Measurement, MetricsAccumulator
from resnet_keras.evaluation.predict import check_views, predict_batches
from resnet_keras.evaluation.predictors import Predictor, open_predictor
from resnet_keras.evaluation.test_sets import load_test_set


@dataclass(frozen=True)
class Evaluation:
    """The metrics of one network on one data set.

    Attributes:
        path: the version folder or `.keras` file of the network.
        name: the network's name.
        dataset: the data set's name.
        class_names: in the order of the network's outputs.
        views: which views of each image were averaged; see `predict_batches`.
        measurement: the metrics.
        notes: what the user should know about how the images were read, one line each.

    Example:

    >>> import numpy as np
    >>> measurement = Measurement(np.eye(2, dtype=int), np.ones(2, int), 0.5)
    >>> evaluation = Evaluation(Path("net"), "net", "pets", ("cat", "dog"), "center", measurement)
    >>> print(evaluation.table())
    net on pets (2 test images)
    top-1 error 0.00 %   loss 0.5000
    <BLANKLINE>
    class  images  top-1 error
    cat         1       0.00 %
    dog         1       0.00 %
    """

    path: Path
    name: str
    dataset: str
    class_names: tuple[str, ...]
    views: str
    measurement: Measurement
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, predictor: Predictor, dataset: Dataset, views: str, measurement: Measurement
    ) -> "Evaluation":
        """Returns the evaluation of a network whose metrics have been computed.

        Args:
            predictor: the network.
            dataset: what it was measured on.
            views: which views of each image were averaged.
            measurement: the metrics.
        """
        return cls(
            predictor.path,
            predictor.description.name,
            dataset.name,
            dataset.class_names,
            views,
            measurement,
            dataset.notes,
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the metrics as JSON values, with errors in percent."""
        return {
            "path": str(self.path),
            "name": self.name,
            "dataset": self.dataset,
            "views": self.views,
            **self.measurement.to_json(self.class_names),
        }

    def table(self) -> str:
        """Returns the metrics as text."""
        views = "" if self.views == "center" else f", {self.views}"
        return "\n".join(
            [
                f"{self.path} on {self.dataset} ({self.measurement.examples} test images{views})",
                *self.measurement.table(self.class_names),
            ]
        )


def evaluate(
    path: Path | str,
    dataset: str | None,
    data_dir: str | None,
    views: str = "center",
    all_images: bool = False,
    skip_corrupt: bool = False,
) -> Evaluation:
    """Evaluates a trained network on the test images of a data set.

    Args:
        path: the network; see `open_predictor`.
        dataset: name of the data set; `None` for the one that the network was trained on.
        data_dir: the folder of the data set; `None` searches the usual places.
        views: which views of each image to average; see `predict_batches`.
        all_images: see `load_test_set`.
        skip_corrupt: see `load_test_set`.

    Raises:
        UsageError: if there are no such views, or the data set does not allow `all_images`.
        UserError: if the network or the data set is missing or damaged, if their classes differ,
            or if the network cannot predict from these views.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from resnet_keras.description import Description
    >>> from resnet_keras.models.keras_file import save_keras_file
    >>> from resnet_keras.preprocessing import Preprocessing
    >>> digits = tuple("0123456789")
    >>> preprocessing = Preprocessing((32, 32), "stretch", 1.0, (0, 0, 0), (1, 1, 1), digits)
    >>> inputs = keras.Input((32, 32, 3))
    >>> outputs = keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(inputs))
    >>> model = keras.Model(inputs, outputs)
    >>> save_keras_file(model, Path("net.keras"), Description(preprocessing))
    >>> evaluate("net.keras", "digits", None).measurement.examples
    360
    """
    predictor = open_predictor(path)
    check_views(predictor, views)
    data = load_test_set(predictor, dataset, data_dir, all_images, skip_corrupt)
    metrics = MetricsAccumulator(len(data.class_names))
    for probabilities, labels in predict_batches(predictor, data.test, views):
        metrics.update(probabilities, labels)
    return Evaluation.of(predictor, data, views, metrics.result())
