"""`model_card.json`: what a SavedModel says of itself to people and programs."""

import json
import math
from pathlib import Path

import keras

from resnet_keras.artefact import CARD_FILE, EXTRA_FOLDER, Description
from resnet_keras.errors import UserError
from resnet_keras.files import written_whole
from resnet_keras.recipe import Recipe
from resnet_keras.runs import provenance

# In every card, null where it is not known (an imported network has no recipe).
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


def model_card(name: str, recipe: Recipe, model: keras.Model) -> dict:
    """Returns the card that goes with the network; see `resnet_keras.artefact.Description`."""
    architecture = recipe.architecture
    return {
        "name": name,
        "arch": architecture.name,
        "option": architecture.option,
        "projection": architecture.projection,
        "dataset": recipe.dataset,
        "parameters": parameters(model),
        "precision": recipe.precision,
        "recipe": recipe.to_json(),
        **provenance.made_with(keras.backend.backend()),
    }


def parameters(model: keras.Model) -> int:
    """Returns the number of trainable parameters, of frozen layers too."""
    averages = ("moving_mean", "moving_variance")
    return sum(
        math.prod(variable.shape) for variable in model.weights if variable.name not in averages
    )


def complete_card(description: Description, fold: bool, precision: str) -> dict:
    """Returns the card of an export: all of `KEYS`, and whatever else the network's card has.

    `test_error` is null until `record_test_error`: it is measured on the export itself.

    Args:
        description: of the network.
        fold: whether batch normalization was folded.
        precision: of the exported weights and activations.
    """
    known = {
        **description.card,
        "name": description.name,
        "class_names": list(description.preprocessing.class_names),
        "serving": {"folded": fold, "precision": precision},
        "test_error": None,
    }
    rest = {key: value for key, value in known.items() if key not in KEYS}
    return {**{key: known.get(key) for key in KEYS}, **rest}


def record_test_error(
    version_folder: Path | str,
    error: float,
    top5_error: float | None = None,
    examples: int | None = None,
    dataset: str | None = None,
) -> None:
    """Writes what an export was measured at into its card, which is replaced as a whole.

    Args:
        version_folder: the SavedModel's, such as `saved_models/resnet32-A/1`.
        error: top-1 error in percent.
        top5_error: in percent.
        examples: how many test images it was measured on.
        dataset: what they are of; `None` for the data set of the card.

    Raises:
        UserError: if there is no card, it is damaged, or it cannot be written.
    """
    path = Path(version_folder, EXTRA_FOLDER, CARD_FILE)
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise UserError(f"cannot read {path}: {problem}") from problem
    if not isinstance(card, dict):
        raise UserError(f"cannot read {path}: it holds no JSON object")
    card["test_error"] = {
        "top1_percent": round(float(error), 4),
        "top5_percent": None if top5_error is None else round(float(top5_error), 4),
        "examples": examples,
        "dataset": dataset or card.get("dataset"),
    }
    with written_whole(path) as beside:
        beside.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")
