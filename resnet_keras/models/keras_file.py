"""`.keras` files that contain the preprocessing of the network next to the network itself.

They are ordinary Keras files with stock Keras layers, apart from the function of option A, which
`import resnet_keras` registers. Keras ignores the additional member.
"""

import json
import shutil
import zipfile
from pathlib import Path

import keras

from resnet_keras.description import KERAS_FILE_MEMBER, Description, read_description
from resnet_keras.errors import UserError, first_line
from resnet_keras.files import atomic_write
from resnet_keras.models.batch_norm import save_as_stock, use_fused_kernel
from resnet_keras.models.build import allow_deep_networks


def save_keras_file(model: keras.Model, path: Path | str, description: Description) -> None:
    """Writes a model and its description to one `.keras` file, completely or not at all.

    Args:
        model: the network. If it is compiled, the file contains its optimizer too.
        path: the file to write. Its folder must exist.
        description: the preprocessing of the network, and its model card.

    Raises:
        UserError: if the file cannot be written.

    Example:

    >>> from resnet_keras.models.build import build
    >>> from resnet_keras.preprocessing import Preprocessing
    >>> rule = Preprocessing((8, 8), "stretch", 1 / 255, (0, 0, 0), (1, 1, 1), ("cat", "dog"))
    >>> model = build("plain8", classes=2, input_shape=(8, 8, 3))
    >>> save_keras_file(model, "model.keras", Description(rule, {"arch": "plain8"}))
    >>> read_description("model.keras").preprocessing.class_names
    ('cat', 'dog')
    """
    allow_deep_networks()
    with atomic_write(path) as temporary:
        # Keras insists on the suffix.
        keras_path = temporary.with_name(f"{temporary.name}.keras")
        try:
            with save_as_stock(model):
                model.save(keras_path)
            with zipfile.ZipFile(keras_path, "a") as archive:
                archive.writestr(KERAS_FILE_MEMBER, json.dumps(description.to_json()))
            shutil.move(keras_path, temporary)
        finally:
            keras_path.unlink(missing_ok=True)


def load_keras_file(path: Path | str) -> tuple[keras.Model, Description]:
    """Loads a trained network and its description from a `.keras` file of this program.

    The model takes preprocessed images and returns logits. There are three ways to probabilities:

    - `keras.ops.softmax(model(images))` for preprocessed images.
    - `resnet_keras.evaluation.predictors.model_probabilities(model, description.preprocessing)`
      returns a function from uint8 images to probabilities.
    - The SavedModel of the run takes uint8 or encoded images and returns probabilities.

    The file is treated as data: Keras' `safe_mode` rejects files that contain code.

    Args:
        path: the file, such as `runs/NAME/model.keras`.

    Returns:
        The model, not compiled, and its description.

    Raises:
        UserError: if the file is missing or damaged, was written by another program, or contains
            code.

    Example:

    >>> from resnet_keras.models.build import build
    >>> from resnet_keras.preprocessing import Preprocessing
    >>> rule = Preprocessing((8, 8), "stretch", 1 / 255, (0, 0, 0), (1, 1, 1), ("cat", "dog"))
    >>> model = build("plain8", classes=2, input_shape=(8, 8, 3))
    >>> save_keras_file(model, "model.keras", Description(rule))
    >>> model, description = load_keras_file("model.keras")
    >>> probabilities = keras.ops.softmax(model(keras.ops.zeros((1, 8, 8, 3))))
    >>> round(float(keras.ops.sum(probabilities)), 3)
    1.0
    """
    description = read_description(path)
    allow_deep_networks()
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # what Keras raises depends on the damaged part
        raise UserError(f"cannot load the network in {path}: {first_line(error)}") from error
    use_fused_kernel(model)
    _check_shapes(model, description, path)
    return model, description


def _check_shapes(model: keras.Model, description: Description, path: Path | str) -> None:
    """Checks that the model fits its preprocessing."""
    size, names = description.preprocessing.size, description.preprocessing.class_names
    sides = zip(model.input_shape[1:3], size, strict=True)
    if any(side not in (None, expected) for side, expected in sides):
        raise UserError(
            f"{path}: the network takes images of {model.input_shape[1:3]} pixels, but the "
            f"preprocessing returns images of {size} pixels"
        )
    if model.output_shape != (None, len(names)):
        raise UserError(
            f"{path}: the network has outputs of shape {model.output_shape}, but the preprocessing "
            f"names {len(names)} classes"
        )
