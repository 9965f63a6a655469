"""Evaluation of trained networks, alone or as an ensemble, on the test images of a data set."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from resnet_keras.data.dataset import Dataset
from resnet_keras.errors import UserError
from resnet_keras.evaluation.evaluation_data import load_test_set, load_test_sets
from resnet_keras.evaluation.measure import Measurement, MetricsAccumulator, batch_size_for
from resnet_keras.evaluation.predict import check_views, predict_batches
from resnet_keras.evaluation.predictors import Predictor, open_predictor


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


@dataclass(frozen=True)
class Ensemble:
    """The metrics of several networks and of the mean of their probabilities.

    Attributes:
        members: the evaluation of each network alone.
        measurement: the metrics of the mean.

    Example:

    >>> measurement = Measurement(np.eye(2, dtype=int), np.ones(2, int), 0.5)
    >>> member = Evaluation(Path("net"), "net", "pets", ("cat", "dog"), "center", measurement)
    >>> Ensemble((member, member), measurement).name
    'ensemble of 2'
    """

    members: tuple[Evaluation, ...]
    measurement: Measurement

    @property
    def name(self) -> str:
        """The ensemble's name in titles."""
        return f"ensemble of {len(self.members)}"

    @property
    def dataset(self) -> str:
        """The data set's name."""
        return self.members[0].dataset

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the networks' outputs."""
        return self.members[0].class_names

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about how the images were read, one line each."""
        return self.members[0].notes

    def to_json(self) -> dict[str, Any]:
        """Returns the metrics as JSON values, with errors in percent."""
        return {
            "name": self.name,
            "dataset": self.dataset,
            "views": self.members[0].views,
            **self.measurement.to_json(self.class_names),
            "members": [member.to_json() for member in self.members],
        }

    def table(self) -> str:
        """Returns the metrics as text: one line per member, then the ensemble."""
        views = self.members[0].views
        width = max(len(str(member.path)) for member in self.members)
        return "\n".join(
            [
                f"{self.name} on {self.dataset} ({self.measurement.examples} test images, {views})",
                *(
                    f"  {member.path!s:{width}}  {member.measurement.summary()}"
                    for member in self.members
                ),
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


def evaluate_ensemble(
    paths: Sequence[Path | str],
    dataset: str | None,
    data_dir: str | None,
    views: str = "center",
    all_images: bool = False,
    skip_corrupt: bool = False,
) -> Ensemble:
    """Evaluates networks, and the mean of their probabilities, on the same test images.

    The networks may take images of different sizes. Each one applies its own preprocessing, as if
    it were evaluated alone. The images of a TensorFlow Datasets set are loaded once per size.

    Args:
        paths: the networks; see `open_predictor`.
        dataset: name of the data set; `None` for the one that the first network was trained on.
        data_dir: the folder of the data set; `None` searches the usual places.
        views: which views of each image to average; see `predict_batches`.
        all_images: see `load_test_set`.
        skip_corrupt: see `load_test_set`.

    Raises:
        UsageError: if there are no such views, if the data set does not allow `all_images`, or if
            the networks' test images differ.
        UserError: if a network or the data set is missing or damaged, or if the networks' classes
            differ.

    Example:

    >>> import keras
    >>> from resnet_keras.description import Description
    >>> from resnet_keras.models.keras_file import save_keras_file
    >>> from resnet_keras.preprocessing import Preprocessing
    >>> digits = tuple("0123456789")
    >>> for size in (16, 32):
    ...     inputs = keras.Input((size, size, 3))
    ...     outputs = keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(inputs))
    ...     preprocessing = Preprocessing(
    ...         (size, size), "stretch", 1.0, (0, 0, 0), (1, 1, 1), digits
    ...     )
    ...     path = Path(f"net{size}.keras")
    ...     save_keras_file(keras.Model(inputs, outputs), path, Description(preprocessing))
    >>> ensemble = evaluate_ensemble(["net16.keras", "net32.keras"], "digits", None)
    >>> ensemble.name, ensemble.measurement.examples
    ('ensemble of 2', 360)
    """
    predictors = [open_predictor(path) for path in paths]
    class_names = predictors[0].description.preprocessing.class_names
    for predictor in predictors:
        check_views(predictor, views)
        if predictor.description.preprocessing.class_names != class_names:
            raise UserError(
                f"{predictor.path} and {predictors[0].path} predict different classes: the "
                "networks of an ensemble need the same classes in the same order"
            )
    datasets = load_test_sets(predictors, dataset, data_dir, all_images, skip_corrupt)
    metrics = [MetricsAccumulator(len(class_names)) for _ in predictors]
    ensemble_metrics = MetricsAccumulator(len(class_names))
    batch_size = min(
        batch_size_for(*predictor.description.preprocessing.size) for predictor in predictors
    )
    streams = [
        predict_batches(predictor, data.test, views, batch_size)
        for predictor, data in zip(predictors, datasets, strict=True)
    ]
    for batches in zip(*streams, strict=True):
        for member_metrics, (probabilities, labels) in zip(metrics, batches, strict=True):
            member_metrics.update(probabilities, labels)
        stacked = np.stack([probabilities for probabilities, _ in batches])
        mean = stacked.mean(axis=0, dtype=np.float64).astype(np.float32)
        ensemble_metrics.update(mean, batches[0][1])
    members = tuple(
        Evaluation.of(predictor, data, views, member_metrics.result())
        for predictor, data, member_metrics in zip(predictors, datasets, metrics, strict=True)
    )
    return Ensemble(members, ensemble_metrics.result())
