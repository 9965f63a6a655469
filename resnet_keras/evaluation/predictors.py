"""Loads a trained network for prediction: a SavedModel, a `.keras` file or a finished run."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from resnet_keras.artefact import Format, resolve_artefact
from resnet_keras.data.transforms import normalize
from resnet_keras.description import CARD_FILE, EXTRA_FOLDER, PREPROCESSING_FILE, Description
from resnet_keras.errors import UserError, first_line
from resnet_keras.models.keras_file import load_keras_file
from resnet_keras.preprocessing import Preprocessing


@dataclass(frozen=True)
class Predictor:
    """A network that is ready for prediction.

    Attributes:
        path: the version folder or `.keras` file that it was loaded from.
        description: its preprocessing and its model card.
        probabilities: takes uint8 `(N, H, W, 3)` and returns float32 `(N, classes)`.
        input_size: height and width that `probabilities` takes, in pixels; `None` for any.
    """

    path: Path
    description: Description
    probabilities: Callable[[np.ndarray], np.ndarray]
    input_size: tuple[int | None, int | None]


def open_predictor(path: Path | str) -> Predictor:
    """Loads a trained network for prediction.

    Args:
        path: an export folder such as `saved_models/NAME` (its newest version), a version folder
            such as `saved_models/NAME/1`, a run folder, or a `.keras` file.

    Raises:
        UserError: if `path` is none of these, or the network is damaged.

    Example:

    >>> from resnet_keras.models.keras_file import save_keras_file
    >>> inputs = keras.Input((8, 8, 3))
    >>> outputs = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(inputs))
    >>> preprocessing = Preprocessing((8, 8), "stretch", 1.0, (0, 0, 0), (1, 1, 1), ("a", "b"))
    >>> save_keras_file(keras.Model(inputs, outputs), Path("net.keras"), Description(preprocessing))
    >>> predictor = open_predictor("net.keras")
    >>> predictor.probabilities(np.zeros((4, 8, 8, 3), np.uint8)).shape
    (4, 2)
    """
    artefact = resolve_artefact(path)
    if artefact.format is Format.SAVED_MODEL:
        return _open_saved_model(artefact.path)
    model, description = load_keras_file(artefact.path)
    preprocessing = description.preprocessing
    return Predictor(
        artefact.path,
        description,
        model_probabilities(model, preprocessing),
        accepted_size(model, preprocessing),
    )


def model_probabilities(
    model: keras.Model, preprocessing: Preprocessing
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function from raw images to probabilities.

    The function reads the model's weights at each call, so it can be reused during training.

    Args:
        model: takes preprocessed images and returns logits.
        preprocessing: the network's own.

    Returns:
        A function from uint8 `(N, H, W, 3)` to float32 `(N, classes)`.

    Example:

    >>> model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.GlobalAveragePooling2D()])
    >>> preprocessing = Preprocessing((4, 4), "stretch", 1.0, (0, 0, 0), (1, 1, 1), tuple("abc"))
    >>> predict = model_probabilities(model, preprocessing)
    >>> predict(np.zeros((1, 4, 4, 3), np.uint8)).round(3).tolist()
    [[0.333..., 0.333..., 0.333...]]
    """
    if keras.backend.backend() == "jax":
        from resnet_keras.models import jax_functions

        logits = jax_functions.make_predict_function(model)
        return lambda images: _softmax(logits(normalize(images, preprocessing).numpy()))

    spec = tf.TensorSpec((None, None, None, 3), tf.uint8)

    @tf.function(input_signature=[spec], autograph=False)
    def compute(images: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(model(normalize(images, preprocessing), training=False))

    return lambda images: compute(images).numpy()


def accepted_size(
    model: keras.Model, preprocessing: Preprocessing
) -> tuple[int | None, int | None]:
    """Returns the height and width of the images that a network accepts, `None` for any.

    A mean image ties even a fully convolutional network to one size.

    Args:
        model: takes preprocessed images.
        preprocessing: the network's own.

    Example:

    >>> model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.ReLU()])
    >>> for mean in (np.zeros(3), np.zeros((8, 8, 3))):
    ...     accepted_size(model, Preprocessing((8, 8), "stretch", 1.0, mean, (1, 1, 1), ("a",)))
    (None, None)
    (8, 8)
    """
    height, width = preprocessing.size if preprocessing.per_pixel else model.input_shape[1:3]
    return height, width


def _open_saved_model(path: Path) -> Predictor:
    description = _read_description(path)
    try:
        signature = tf.saved_model.load(str(path)).signatures["serving_default"]
    except Exception as error:  # TensorFlow's error depends on which part of the file is damaged.
        raise UserError(f"cannot load the SavedModel {path}: {first_line(error)}") from error
    height, width = signature.structured_input_signature[1]["images"].shape[1:3]
    return Predictor(
        path,
        description,
        lambda images: signature(images=tf.constant(images))["probabilities"].numpy(),
        (height, width),
    )


def _read_description(version: Path) -> Description:
    """Reads the description that `resnet_keras.export` writes next to the graph."""
    values = {}
    for key, name in (("preprocessing", PREPROCESSING_FILE), ("card", CARD_FILE)):
        file = version / EXTRA_FOLDER / name
        try:
            values[key] = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(
                f"{version} is not a SavedModel of this program: cannot read {file.name} ({error})"
            ) from error
    return Description.from_json(values, version)


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
