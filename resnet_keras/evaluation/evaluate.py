"""Measures an artefact on the test set of a data set."""

from dataclasses import dataclass
from pathlib import Path

from resnet_keras.data.dataset import Dataset
from resnet_keras.evaluation.measure import Measurement, Tally
from resnet_keras.evaluation.predict import answers, check_views
from resnet_keras.evaluation.predictors import Predictor, open_predictor
from resnet_keras.evaluation.test_sets import load_test_set


@dataclass(frozen=True)
class Evaluation:
    """What was measured, of what, on what.

    Attributes:
        path: the artefact.
        name: its name.
        dataset: the data set's name.
        class_names: in the order of the network's outputs.
        views: what was seen of each image, see `answers`.
        measurement: the counts.
        notes: what a user should know of how the images were read, a line each.
    """

    path: Path
    name: str
    dataset: str
    class_names: tuple[str, ...]
    views: str
    measurement: Measurement
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict:
        """Returns the figures as plain JSON values; errors in percent."""
        return {
            "path": str(self.path),
            "name": self.name,
            "dataset": self.dataset,
            "views": self.views,
            **figures(self.measurement, self.class_names),
        }

    def table(self) -> str:
        """Returns the figures as text."""
        views = "" if self.views == "center" else f", {self.views}"
        return "\n".join(
            [
                f"{self.path} on {self.dataset} ({self.measurement.examples} test images{views})",
                *class_table(self.measurement, self.class_names),
            ]
        )


def figures(measured: Measurement, class_names: tuple[str, ...]) -> dict:
    """Returns what was measured as plain JSON values; errors in percent."""
    return {
        "examples": measured.examples,
        "top1_error": measured.top1_error,
        "top5_error": measured.top5_error,
        "loss": measured.loss,
        "per_class": measured.per_class(class_names),
    }


def class_table(measured: Measurement, class_names: tuple[str, ...]) -> list[str]:
    """Returns what was measured as lines: the whole, then class by class."""
    width = max(5, *(len(name) for name in class_names))
    columns = {"top1_error": "top-1 error", "top5_error": "top-5 error"}
    if not _five_mean_something(measured):
        del columns["top5_error"]
    lines = [errors_of(measured), "", "  ".join([f"{'class':{width}}  images", *columns.values()])]
    for row in measured.per_class(class_names):
        errors = [_percent(row[column]) for column in columns]
        lines.append("  ".join([f"{row['class']:{width}}  {row['examples']:6}", *errors]))
    return lines


def errors_of(measured: Measurement) -> str:
    """Returns the errors and the loss as one line; without the top-5 error where five answers
    are all there are."""
    parts = [f"top-1 error {measured.top1_error:.2f} %", f"loss {measured.loss:.4f}"]
    if _five_mean_something(measured):
        parts.insert(1, f"top-5 error {measured.top5_error:.2f} %")
    return "   ".join(parts)


def _five_mean_something(measured):
    return len(measured.confusion) > 5


def evaluate(
    path: Path | str,
    dataset: str | None,
    data_dir: str | None,
    views: str = "center",
    all_images: bool = False,
    skip_corrupt: bool = False,
) -> Evaluation:
    """Measures the artefact at `path` on a data set's test images.

    Args:
        path: see `open_predictor`.
        dataset: its name; `None` takes the one the network was trained for.
        data_dir: where it is.
        views: see `answers`.
        all_images: see `load_test_set`.
        skip_corrupt: likewise.

    Raises:
        UsageError: for unknown views, or if the data set does not allow `all_images`.
        UserError: if artefact or data are missing or damaged, their classes differ, or the
            network cannot be asked about these views.
    """
    predictor = open_predictor(path)
    check_views(predictor, views)
    data = load_test_set(predictor, dataset, data_dir, all_images, skip_corrupt)
    tally = Tally(len(data.class_names))
    for given, true in answers(predictor, data.test, views):
        tally.add(given, true)
    return evaluation_of(predictor, data, views, tally.measurement())


def evaluation_of(
    predictor: Predictor, data: Dataset, views: str, measured: Measurement
) -> Evaluation:
    """Puts together what was measured of one network."""
    name = predictor.description.name
    return Evaluation(
        predictor.path, name, data.name, data.class_names, views, measured, data.notes
    )


def _percent(value):
    return f"{value:9.2f} %" if value is not None else "          –"
