"""Measures an artefact on the test set of a data set."""

from dataclasses import dataclass
from pathlib import Path

from resnet_keras.artefact import Description
from resnet_keras.data.load import KNOWN, load
from resnet_keras.errors import UserError
from resnet_keras.evaluation.measure import Measurement, measure
from resnet_keras.evaluation.predictors import open_predictor


@dataclass(frozen=True)
class Evaluation:
    """What was measured, of what, on what.

    Attributes:
        path: the artefact.
        name: its name.
        dataset: the data set's name.
        class_names: in the order of the network's outputs.
        measurement: the counts.
    """

    path: Path
    name: str
    dataset: str
    class_names: tuple[str, ...]
    measurement: Measurement

    def to_json(self) -> dict:
        """Returns the figures as plain JSON values; errors in percent."""
        return {
            "path": str(self.path),
            "name": self.name,
            "dataset": self.dataset,
            "examples": self.measurement.examples,
            "top1_error": self.measurement.top1_error,
            "top5_error": self.measurement.top5_error,
            "loss": self.measurement.loss,
            "per_class": self.measurement.per_class(self.class_names),
        }

    def table(self) -> str:
        """Returns the figures as text."""
        measured = self.measurement
        lines = [
            f"{self.path} on {self.dataset} ({measured.examples} test images)",
            f"top-1 error {measured.top1_error:.2f} %   top-5 error {measured.top5_error:.2f} %   "
            f"loss {measured.loss:.4f}",
            "",
        ]
        width = max(5, *(len(name) for name in self.class_names))
        lines.append(f"{'class':{width}}  images  top-1 error  top-5 error")
        for row in measured.per_class(self.class_names):
            lines.append(
                f"{row['class']:{width}}  {row['examples']:6}  {_percent(row['top1_error'])}  "
                f"{_percent(row['top5_error'])}"
            )
        return "\n".join(lines)


def evaluate(path: Path | str, dataset: str | None, data_dir: str | None) -> Evaluation:
    """Measures the artefact at `path` on a data set's test images, one view an image.

    Args:
        path: see `open_predictor`.
        dataset: its name; `None` takes the one the network was trained for.
        data_dir: where it is.

    Raises:
        UserError: if artefact or data are missing or damaged, or their classes differ.
    """
    predictor = open_predictor(path)
    preprocessing = predictor.description.preprocessing
    name = dataset or predictor.description.dataset
    if name is None:
        raise UserError(f"{path} does not say what it was trained for: give --dataset")
    data = load(name, data_dir, **_as_trained(predictor.description, name))
    if data.class_names != preprocessing.class_names:
        raise UserError(
            f"{path} answers with other classes than {name} has: "
            f"{_difference(preprocessing.class_names, data.class_names)}"
        )
    if data.test.size not in (None, preprocessing.size):
        raise UserError(
            f"{path} takes images of {preprocessing.size[0]}x{preprocessing.size[1]} pixels, "
            f"those of {name} have {data.test.size[0]}x{data.test.size[1]}"
        )
    measured = measure(predictor.probabilities, data.test, preprocessing)
    return Evaluation(predictor.path, predictor.description.name, name, data.class_names, measured)


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
