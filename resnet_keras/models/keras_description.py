"""What a `.keras` file says of its network, read without Keras."""

import json
import zipfile
from pathlib import Path

from resnet_keras.artefact import Description
from resnet_keras.errors import UserError

# Keras reads the members it knows and leaves others alone, so stock Keras opens the file too.
MEMBER = "resnet_keras.json"
_NETWORK = ("arch", "option", "projection", "bottleneck_stride")


def read_description(path: Path) -> Description:
    """Returns the description inside a `.keras` file, without loading the network.

    Raises:
        UserError: if there is no such file, or it has no description.
    """
    path = Path(path)
    try:
        if not path.is_file():
            if path.is_dir():
                inside = path / "model.keras"
                hint = f"; there is {inside}" if inside.is_file() else ""
                raise UserError(f"{path} is a folder; a .keras file is needed{hint}")
            raise UserError(f"there is no file {path}")
        with zipfile.ZipFile(path) as archive:
            values = json.loads(archive.read(MEMBER))
    except KeyError:
        raise UserError(
            f"{path} holds no preprocessing: it was not written by this program"
        ) from None
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is not a whole .keras file: {error}") from error
    return Description.from_json(values, path)


def network_in(description: Description, path: Path | str) -> dict:
    """Returns which network it is: `arch`, `option`, `projection` and `bottleneck_stride`, as a
    recipe names them.

    Args:
        description: what a file says.
        path: the file, for messages.

    Raises:
        UserError: if it does not say.
    """
    card = description.card
    if not isinstance(card.get("arch"), str):
        raise UserError(f"{path} does not say which network it holds")
    recipe = card.get("recipe")
    known = {**(recipe if isinstance(recipe, dict) else {}), **card}
    return {name: known[name] for name in _NETWORK if name in known}
