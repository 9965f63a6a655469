"""The description that belongs to a trained network in every file format.

It can be read from a `.keras` file without Keras, which takes seconds to import.
"""

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resnet_keras.artefact import MODEL_FILE
from resnet_keras.errors import UserError
from resnet_keras.files import path_component
from resnet_keras.preprocessing import Preprocessing

# The files of the description in a SavedModel. TensorFlow Serving ignores `assets.extra`.
EXTRA_FOLDER = "assets.extra"
PREPROCESSING_FILE = "preprocessing.json"
CARD_FILE = "model_card.json"
# The member of the zip archive of a `.keras` file that holds the description.
KERAS_FILE_MEMBER = "resnet_keras.json"

_ARCHITECTURE_FIELDS = ("arch", "option", "projection", "bottleneck_stride")


@dataclass(frozen=True)
class Description:
    """The preprocessing and the model card of a network, in every `.keras` file and SavedModel.

    Attributes:
        preprocessing: how images become the network's input. It also names the classes.
        card: JSON values for people and programs: `name`, `arch`, `option`, `dataset`, `recipe`,
            `precision`, `versions`, `command`, and measurements. All are optional.

    Example:

    >>> rule = Preprocessing((32, 32), "stretch", 1 / 255, (0, 0, 0), (1, 1, 1), ("cat", "dog"))
    >>> description = Description(rule, {"name": "pets"})
    >>> description.name, description.preprocessing.class_names
    ('pets', ('cat', 'dog'))
    """

    preprocessing: Preprocessing
    card: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the network's exports, such as `resnet32-A`."""
        return self.card.get("name", "model")

    @property
    def dataset(self) -> str | None:
        """The data set that the network was trained on, if it is known."""
        return self.card.get("dataset")

    def to_json(self) -> dict[str, Any]:
        """Returns a dictionary of JSON values from which `from_json` creates an equal object."""
        return {"preprocessing": self.preprocessing.to_json(), "card": self.card}

    @classmethod
    def from_json(cls, values: dict[str, Any], source: Path | str) -> "Description":
        """Creates a description from what `to_json` returned.

        Args:
            values: the JSON values.
            source: where they come from, for error messages.

        Returns:
            An object equal to the original one.

        Raises:
            UserError: if a value is missing or invalid.
        """
        try:
            preprocessing, card = values["preprocessing"], values.get("card", {})
            if not (isinstance(preprocessing, dict) and isinstance(card, dict)):
                raise UserError("preprocessing and card must be JSON objects")
            if not isinstance(card.get("dataset"), str | None):
                raise UserError(f"dataset must be a string. Received: {card['dataset']!r}")
            path_component(card.get("name", "model"), "the network's name")
            return cls(Preprocessing.from_json(preprocessing), card)
        except (KeyError, TypeError, AttributeError, UserError) as error:
            raise UserError(
                f"{source}: the description of the network is missing or damaged: {error}"
            ) from error


def read_description(path: Path | str) -> Description:
    """Returns the description in a `.keras` file without loading the network.

    Args:
        path: the file.

    Raises:
        UserError: if the file is missing or damaged, or has no description.

    Example:

    >>> read_description("absent.keras")
    Traceback (most recent call last):
    resnet_keras.errors.UserError: there is no file absent.keras
    """
    path = Path(path)
    try:
        if not path.is_file():
            if path.is_dir():
                inside = path / MODEL_FILE
                hint = f"; did you mean {inside}?" if inside.is_file() else ""
                raise UserError(f"{path} is a folder; a .keras file is needed{hint}")
            raise UserError(f"there is no file {path}")
        with zipfile.ZipFile(path) as archive:
            values = json.loads(archive.read(KERAS_FILE_MEMBER))
    except KeyError:
        raise UserError(
            f"{path} has no description of the preprocessing: this program did not write it"
        ) from None
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is not a valid .keras file: {error}") from error
    return Description.from_json(values, path)


def architecture_fields(description: Description, path: Path | str) -> dict[str, Any]:
    """Returns the fields of a recipe that determine the architecture of a trained network.

    Args:
        description: the description of the network.
        path: its file, for error messages.

    Returns:
        `arch`, and `option`, `projection` and `bottleneck_stride` if the description has them.

    Raises:
        UserError: if the description does not name the architecture.

    Example:

    >>> rule = Preprocessing((8, 8), "stretch", 1 / 255, (0, 0, 0), (1, 1, 1), ("cat",))
    >>> card = {"arch": "resnet20", "option": "A", "steps": 64000}
    >>> architecture_fields(Description(rule, card), "model.keras")
    {'arch': 'resnet20', 'option': 'A'}
    """
    card = description.card
    if not isinstance(card.get("arch"), str):
        raise UserError(f"{path} does not name the architecture of its network")
    recipe = card.get("recipe")
    known = {**(recipe if isinstance(recipe, dict) else {}), **card}
    return {name: known[name] for name in _ARCHITECTURE_FIELDS if name in known}
