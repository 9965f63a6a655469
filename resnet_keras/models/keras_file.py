"""`.keras` files that know their preprocessing."""

import json
import shutil
import zipfile
from pathlib import Path

import keras

from resnet_keras.artefact import Description
from resnet_keras.errors import UserError
from resnet_keras.files import written_whole
from resnet_keras.models import shortcuts
from resnet_keras.models.batch_norm import BatchNormalization
from resnet_keras.models.build import allow_deep_networks

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


# What a file may name beside Keras' own layers. Loading needs them registered, which importing
# their modules does.
_REGISTERED = (BatchNormalization, shortcuts.zero_padding_shortcut)


def save_keras_file(model: keras.Model, path: Path, description: Description) -> None:
    """Writes a model and its description to one `.keras` file, whole or not at all.

    Raises:
        UserError: if the file cannot be written.
    """
    allow_deep_networks()
    with written_whole(path) as beside:
        keras_path = beside.with_name(f"{beside.name}.keras")
        try:
            model.save(keras_path)
            with zipfile.ZipFile(keras_path, "a") as archive:
                archive.writestr(MEMBER, json.dumps(description.to_json()))
            shutil.move(keras_path, beside)
        finally:
            keras_path.unlink(missing_ok=True)


def load_keras_file(path: Path) -> tuple[keras.Model, Description]:
    """Returns the model, not compiled, and its description.

    Files are data here: Keras' `safe_mode` refuses any that bring code along.

    Raises:
        UserError: if the file is missing, damaged, of another program, or has code in it.
    """
    description = read_description(path)
    allow_deep_networks()
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever the damaged part happens to break
        first = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise UserError(f"cannot load the network in {path}: {first}") from error
    _check_fit(model, description, path)
    return model, description


def _check_fit(model, description, path):
    size, names = description.preprocessing.size, description.preprocessing.class_names
    sides = zip(model.input_shape[1:3], size, strict=True)
    if any(side not in (None, given) for side, given in sides):
        raise UserError(
            f"{path}: the network takes images of {model.input_shape[1:3]} pixels, its "
            f"preprocessing makes {size}"
        )
    if model.output_shape != (None, len(names)):
        raise UserError(
            f"{path}: the network puts out {model.output_shape}, its preprocessing names "
            f"{len(names)} classes"
        )
