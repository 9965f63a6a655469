"""The description that belongs to a trained network in every file format."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resnet_keras.errors import UserError
from resnet_keras.files import path_component
from resnet_keras.preprocessing import Preprocessing

# The files of the description in a SavedModel. TensorFlow Serving ignores `assets.extra`.
EXTRA_FOLDER = "assets.extra"
PREPROCESSING_FILE = "preprocessing.json"
CARD_FILE = "model_card.json"


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
