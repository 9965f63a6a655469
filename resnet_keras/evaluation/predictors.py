"""From a path to something that answers: a SavedModel, a `.keras` file or a finished run."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from resnet_keras.artefact import CARD_FILE, EXTRA_FOLDER, PREPROCESSING_FILE, Description
from resnet_keras.data.transforms import normalize
from resnet_keras.errors import UserError
from resnet_keras.models.keras_file import load_keras_file
from resnet_keras.preprocessing import Preprocessing


@dataclass(frozen=True)
class Predictor:
    """A network that answers.

    Attributes:
        path: the artefact itself: a version folder, or a `.keras` file.
        description: what it says of itself.
        probabilities: takes uint8 `(N, H, W, 3)`, returns float32 `(N, classes)`.
        sides: height and width that it takes, in pixels, `None` for any.
    """

    path: Path
    description: Description
    probabilities: Callable[[np.ndarray], np.ndarray]
    sides: tuple[int | None, int | None]


def open_predictor(path: Path | str) -> Predictor:
    """Opens `saved_models/NAME` (its newest version), `saved_models/NAME/1`, a `.keras` file or a
    run folder.

    Raises:
        UserError: if `path` is none of these, or damaged.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"there is no {path}; give a SavedModel's folder or a .keras file")
    if path.is_file():
        return _of_keras_file(path)
    if (path / "saved_model.pb").is_file():
        return _of_saved_model(path)
    versions = [folder for folder in path.iterdir() if folder.name.isdecimal() and folder.is_dir()]
    if versions:
        return _of_saved_model(max(versions, key=lambda folder: int(folder.name)))
    if (path / "model.keras").is_file():
        return _of_keras_file(path / "model.keras")
    if (path / "config.json").is_file():
        raise UserError(
            f"the run {path} is not finished: the command that began it goes on where it stopped"
        )
    raise UserError(
        f"{path} is no SavedModel: it holds neither saved_model.pb nor version folders (1, 2, …)"
    )


def model_probabilities(
    model: keras.Model, preprocessing: Preprocessing
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function from uint8 `(N, H, W, 3)` to float32 probabilities `(N, classes)`.

    It reads the model's weights anew at each call, so it can be kept during training.
    """
    if keras.backend.backend() == "jax":
        from resnet_keras.models import jax_functions

        logits = jax_functions.answers(model)
        return lambda images: _softmax(logits(normalize(images, preprocessing).numpy()))

    spec = tf.TensorSpec((None, None, None, 3), tf.uint8)

    @tf.function(input_signature=[spec], autograph=False)
    def compute(images):
        return tf.nn.softmax(model(normalize(images, preprocessing), training=False))

    return lambda images: compute(images).numpy()


def _of_keras_file(path):
    model, description = load_keras_file(path)
    preprocessing = description.preprocessing
    sides = preprocessing.size if preprocessing.per_pixel else tuple(model.input_shape[1:3])
    return Predictor(path, description, model_probabilities(model, preprocessing), sides)


def _of_saved_model(path):
    description = read_saved_description(path)
    try:
        signature = tf.saved_model.load(str(path)).signatures["serving_default"]
    except Exception as error:  # TensorFlow raises whatever the damaged part happens to break
        first = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise UserError(f"cannot load the SavedModel {path}: {first}") from error
    return Predictor(
        path,
        description,
        lambda images: signature(images=tf.constant(images))["probabilities"].numpy(),
        tuple(signature.structured_input_signature[1]["images"].shape[1:3]),
    )


def read_saved_description(path: Path) -> Description:
    """Returns the description beside a SavedModel's graph.

    Raises:
        UserError: if it is missing or damaged.
    """
    values = {}
    for key, name in (("preprocessing", PREPROCESSING_FILE), ("card", CARD_FILE)):
        file = Path(path, EXTRA_FOLDER, name)
        try:
            values[key] = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(
                f"{path} is no SavedModel of this program: cannot read {file.name} ({error})"
            ) from error
    return Description.from_json(values, path)


def _softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
