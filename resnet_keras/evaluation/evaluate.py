"""Measures an artefact on the test set of a data set."""

from dataclasses import dataclass, replace
from pathlib import Path

from resnet_keras.artefact import Description
from resnet_keras.data.dataset import Dataset
from resnet_keras.data.load import KNOWN, load
from resnet_keras.errors import UserError
from resnet_keras.evaluation.answers import answers, check_views
from resnet_keras.evaluation.measure import Measurement, Tally
from resnet_keras.evaluation.predictors import Predictor, open_predictor


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
    """

    path: Path
    name: str
    dataset: str
    class_names: tuple[str, ...]
    views: str
    measurement: Measurement

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
    path: Path | str, dataset: str | None, data_dir: str | None, views: str = "center"
) -> Evaluation:
    """Measures the artefact at `path` on a data set's test images.

    Args:
        path: see `open_predictor`.
        dataset: its name; `None` takes the one the network was trained for.
        data_dir: where it is.
        views: see `answers`.

    Raises:
        UsageError: for unknown views.
        UserError: if artefact or data are missing or damaged, their classes differ, or the
            network cannot be asked about these views.
    """
    predictor = open_predictor(path)
    check_views(predictor, views)
    data = load_test_set(predictor, dataset, data_dir)
    preprocessing = predictor.description.preprocessing
    if data.test.size not in (None, preprocessing.size):
        raise UserError(
            f"{path} takes images of {preprocessing.size[0]}x{preprocessing.size[1]} pixels, "
            f"those of {data.name} have {data.test.size[0]}x{data.test.size[1]}"
        )
    tally = Tally(len(data.class_names))
    for given, true in answers(predictor, data.test, views):
        tally.add(given, true)
    return evaluation_of(predictor, data, views, tally.measurement())


def load_test_set(predictor: Predictor, dataset: str | None, data_dir: str | None) -> Dataset:
    """Loads the data set to measure a network on, named as the user spelled it.

    Raises:
        UserError: if it is not known which, cannot be loaded, or has other classes.
    """
    path, description = predictor.path, predictor.description
    name = dataset or description.dataset
    if name is None:
        raise UserError(f"{path} does not say what it was trained for: give --dataset")
    data = replace(load(name, data_dir, **_as_trained(description, name)), name=name)
    if data.class_names != description.preprocessing.class_names:
        raise UserError(
            f"{path} answers with other classes than {name} has: "
            f"{_difference(description.preprocessing.class_names, data.class_names)}"
        )
    return data


def evaluation_of(
    predictor: Predictor, data: Dataset, views: str, measured: Measurement
) -> Evaluation:
    """Puts together what was measured of one network."""
    name = predictor.description.name
    return Evaluation(predictor.path, name, data.name, data.class_names, views, measured)


def _as_trained(description: Description, dataset: str) -> dict:
    """Returns what `load` needs to give the images that the run left for the test, or, of another
    data set, to bring images of many sizes to the network's."""
    if dataset == description.dataset:
        recipe = description.card.get("recipe") or {}
        names = ("image_size", "validation_fraction", "skip_corrupt")
        return {name: recipe[name] for name in names if name in recipe}
    height, width = description.preprocessing.size
    return {"image_size": height if height == width and dataset not in KNOWN else None}


def _difference(mine, theirs):
    if len(mine) != len(theirs):
        return f"{len(mine)} classes ({mine[0]!r}, …), the data {len(theirs)} ({theirs[0]!r}, …)"
    index = next(i for i, (a, b) in enumerate(zip(mine, theirs, strict=True)) if a != b)
    return f"class {index} is {mine[index]!r}, in the data {theirs[index]!r}"


def _percent(value):
    return f"{value:9.2f} %" if value is not None else "          –"
