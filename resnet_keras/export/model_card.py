"""`model_card.json`: the description of a SavedModel for people and programs."""

import math
from pathlib import Path
from typing import Any

import keras

from resnet_keras.description import CARD_FILE, EXTRA_FOLDER, Description
from resnet_keras.files import read_json, write_json
from resnet_keras.recipe import Recipe
from resnet_keras.runs import provenance

# Every card has these keys. Values that are not known are null: an imported network has no recipe.
KEYS = (
    "name",
    "arch",
    "option",
    "projection",
    "dataset",
    "test_error",
    "class_names",
    "parameters",
    "precision",
    "serving",
    "recipe",
    "versions",
    "git_commit",
    "command",
)


def model_card(name: str, recipe: Recipe, model: keras.Model) -> dict[str, Any]:
    """Returns the card of a network that has been trained.

    Args:
        name: the name of its exports.
        recipe: what it was trained with.
        model: the network.

    Returns:
        A JSON object; see `resnet_keras.description.Description`.

    Example:

    >>> from resnet_keras.models.build import build
    >>> card = model_card("net", Recipe(arch="resnet8"), build("resnet8"))
    >>> card["arch"], card["dataset"], card["parameters"]
    ('resnet8', 'cifar10', 75290)
    """
    architecture = recipe.architecture
    return {
        "name": name,
        "arch": architecture.name,
        "option": architecture.option,
        "projection": architecture.projection,
        "dataset": recipe.dataset,
        "parameters": count_parameters(model),
        "precision": recipe.precision,
        "recipe": recipe.to_json(),
        **provenance.collect(keras.backend.backend()),
    }


def count_parameters(model: keras.Model) -> int:
    """Returns the number of trainable parameters, including those of frozen layers.

    Example:

    >>> count_parameters(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]))
    8
    """
    averages = ("moving_mean", "moving_variance")
    return sum(
        math.prod(variable.shape) for variable in model.weights if variable.name not in averages
    )


def export_card(description: Description, fold: bool, precision: str) -> dict[str, Any]:
    """Returns the card of an export.

    Args:
        description: of the network.
        fold: whether batch normalization was folded.
        precision: of the exported weights and activations.

    Returns:
        A JSON object with all of `KEYS` and whatever else the network's card contains.
        `test_error` is null until `record_test_error`, because it is measured on the export.

    Example:

    >>> from resnet_keras.preprocessing import Preprocessing
    >>> preprocessing = Preprocessing((8, 8), "stretch", 1.0, (0, 0, 0), (1, 1, 1), ("a", "b"))
    >>> card = export_card(Description(preprocessing, {"arch": "resnet8"}), True, "float32")
    >>> card["arch"], card["class_names"], card["test_error"]
    ('resnet8', ['a', 'b'], None)
    """
    values = {
        **description.card,
        "name": description.name,
        "class_names": list(description.preprocessing.class_names),
        "serving": {"folded": fold, "precision": precision},
        "test_error": None,
    }
    others = {key: value for key, value in values.items() if key not in KEYS}
    return {**{key: values.get(key) for key in KEYS}, **others}


def record_test_error(
    version_folder: Path | str,
    error: float,
    top5_error: float | None = None,
    examples: int | None = None,
    dataset: str | None = None,
) -> None:
    """Writes the test error of an export into its card.

    Args:
        version_folder: the folder of the SavedModel, such as `saved_models/resnet32-A/1`.
        error: top-1 error in percent.
        top5_error: in percent.
        examples: number of test images.
        dataset: the data set of the test images; `None` for that of the card.

    Raises:
        UserError: if there is no card, or it is damaged or cannot be written.

    Example:

    >>> path = Path("net/1/assets.extra/model_card.json")
    >>> path.parent.mkdir(parents=True)
    >>> write_json(path, {"dataset": "cifar10"})
    >>> record_test_error("net/1", 8.75, examples=10_000)
    >>> test_error = read_json(path)["test_error"]
    >>> test_error["top1_percent"], test_error["dataset"]
    (8.75, 'cifar10')
    """
    path = Path(version_folder, EXTRA_FOLDER, CARD_FILE)
    card = read_json(path)
    card["test_error"] = {
        "top1_percent": round(float(error), 4),
        "top5_percent": None if top5_error is None else round(float(top5_error), 4),
        "examples": examples,
        "dataset": dataset or card.get("dataset"),
    }
    write_json(path, card)
