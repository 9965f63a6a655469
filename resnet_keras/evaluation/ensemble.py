"""Measures several networks, and the mean of their answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resnet_keras.errors import UserError
from resnet_keras.evaluation.evaluate import (
    Evaluation,
    class_table,
    errors_of,
    evaluation_of,
    figures,
)
from resnet_keras.evaluation.measure import Measurement, Tally, batch_size
from resnet_keras.evaluation.predict import answers, check_views
from resnet_keras.evaluation.predictors import open_predictor
from resnet_keras.evaluation.test_sets import load_test_sets


@dataclass(frozen=True)
class Ensemble:
    """What was measured of several networks, and of the mean of their probabilities.

    Attributes:
        members: each network's own figures.
        measurement: the counts of the mean.
    """

    members: tuple[Evaluation, ...]
    measurement: Measurement

    @property
    def name(self) -> str:
        """What to call it in a title."""
        return f"ensemble of {len(self.members)}"

    @property
    def dataset(self) -> str:
        """The data set's name."""
        return self.members[0].dataset

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the outputs."""
        return self.members[0].class_names

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of how the images were read, a line each."""
        return self.members[0].notes

    def to_json(self) -> dict:
        """Returns the figures as plain JSON values; errors in percent."""
        return {
            "name": self.name,
            "dataset": self.dataset,
            "views": self.members[0].views,
            **figures(self.measurement, self.class_names),
            "members": [member.to_json() for member in self.members],
        }

    def table(self) -> str:
        """Returns the figures as text: a line a member, then the ensemble."""
        views = self.members[0].views
        width = max(len(str(member.path)) for member in self.members)
        return "\n".join(
            [
                f"{self.name} on {self.dataset} ({self.measurement.examples} test images, {views})",
                *(
                    f"  {member.path!s:{width}}  {errors_of(member.measurement)}"
                    for member in self.members
                ),
                *class_table(self.measurement, self.class_names),
            ]
        )


def evaluate_ensemble(
    paths: Sequence[Path | str],
    dataset: str | None,
    data_dir: str | None,
    views: str = "center",
    all_images: bool = False,
    skip_corrupt: bool = False,
) -> Ensemble:
    """Measures networks of any sizes, and the mean of their probabilities, on one test set.

    Each network is given the images as it would be alone, through its own preprocessing, a batch
    at a time; those of a TensorFlow Datasets set are loaded once for each size that is needed.

    Args:
        paths: see `open_predictor`.
        dataset: its name; `None` takes the one the first network was trained for.
        data_dir: where it is.
        views: see `answers`.
        all_images: see `load_test_sets`.
        skip_corrupt: likewise.

    Raises:
        UsageError: for unknown views, if the data set does not allow `all_images`, or if the
            networks were left different images for the test.
        UserError: if networks or data are missing or damaged, or their classes differ.
    """
    predictors = [open_predictor(path) for path in paths]
    first = predictors[0].description.preprocessing.class_names
    for predictor in predictors:
        check_views(predictor, views)
        if predictor.description.preprocessing.class_names != first:
            raise UserError(
                f"{predictor.path} and {predictors[0].path} answer with different classes: "
                "an ensemble's networks know the same, in the same order"
            )
    sets = load_test_sets(predictors, dataset, data_dir, all_images, skip_corrupt)
    tallies = [Tally(len(first)) for _ in predictors]
    together = Tally(len(first))
    batch = min(batch_size(predictor.description.preprocessing) for predictor in predictors)
    streams = [
        answers(predictor, data.test, views, batch)
        for predictor, data in zip(predictors, sets, strict=True)
    ]
    for parts in zip(*streams, strict=True):
        for tally, (given, true) in zip(tallies, parts, strict=True):
            tally.add(given, true)
        mean = np.mean([given for given, _ in parts], axis=0, dtype=np.float64)
        together.add(mean.astype(np.float32), parts[0][1])
    members = tuple(
        evaluation_of(predictor, data, views, tally.measurement())
        for predictor, data, tally in zip(predictors, sets, tallies, strict=True)
    )
    return Ensemble(members, together.measurement())
