"""A SavedModel's folder, asked like a server."""

from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from resnet_keras.errors import UserError
from resnet_keras.serving.errors import Refused, WrongModel, plain_message
from resnet_keras.serving.predictions import Answer


def open_local(path: Path | str) -> Callable[[list[bytes]], list[Answer]]:
    """Loads `saved_models/NAME` (its newest version) or `saved_models/NAME/1`.

    Returns:
        A function from encoded images to an answer each, which raises `Refused` where the graph
        refuses them.

    Raises:
        UserError: if it is no SavedModel, is damaged, or lacks the signature.
    """
    folder = _version_folder(Path(path))
    try:
        signature = tf.saved_model.load(str(folder)).signatures["classify_bytes"]
    except KeyError as error:
        raise WrongModel(f"{folder} is no export of this program: no classify_bytes") from error
    except Exception as error:  # TensorFlow raises whatever the damaged part happens to break
        first = next(iter(str(error).strip().splitlines()), repr(error))
        raise UserError(f"cannot load the SavedModel {folder}: {first}") from error

    def predict(images):
        try:
            found = signature(image_bytes=tf.constant(images, tf.string))
        except tf.errors.InvalidArgumentError as error:
            raise Refused(plain_message(error.message)) from error
        names, numbers = found["top_classes"].numpy(), found["top_probabilities"].numpy()
        return [
            Answer(tuple((n.decode("utf-8"), float(p)) for n, p in zip(*row, strict=True)))
            for row in zip(names, numbers, strict=True)
        ]

    return predict


def _version_folder(path):
    if not path.exists():
        raise UserError(f"there is no {path}; give a SavedModel's folder or a model's URL")
    if (path / "saved_model.pb").is_file():
        return path
    if path.is_dir():
        numbers = [int(entry.name) for entry in path.iterdir() if entry.name.isdecimal()]
        if numbers:
            return path / str(max(numbers))
    raise UserError(
        f"{path} is no SavedModel: it holds neither saved_model.pb nor version folders (1, 2, …)"
    )
