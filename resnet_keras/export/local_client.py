"""Classifies encoded images with a SavedModel on disk, in the same way as with a server."""

from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from resnet_keras.artefact import Format, resolve_artefact
from resnet_keras.errors import UserError, first_line
from resnet_keras.serving.errors import Refused, WrongModel, plain_message
from resnet_keras.serving.predictions import Prediction


def load_predict_function(path: Path | str) -> Callable[[list[bytes]], list[Prediction]]:
    """Loads a SavedModel for the classification of encoded images.

    Args:
        path: an export folder such as `saved_models/NAME` (its newest version), or a version folder
            such as `saved_models/NAME/1`.

    Returns:
        A function from the bytes of image files to one prediction per image. It raises `Refused`
        if an image cannot be decoded.

    Raises:
        WrongModel: if the SavedModel was not written by this program.
        UserError: if `path` is not a SavedModel, or is damaged.

    Example:

    >>> from resnet_keras.export.signatures import build_signatures
    >>> from resnet_keras.preprocessing import Preprocessing
    >>> from resnet_keras.serving.predictions import sample_image
    >>> rule = Preprocessing((4, 4), "stretch", 1.0, (0, 0, 0), (1, 1, 1), ("a", "b", "c"))
    >>> signatures = build_signatures(lambda x: tf.reduce_mean(x, (1, 2)), rule, (4, 4))
    >>> tf.saved_model.save(tf.Module(), "net/1", signatures=signatures)
    >>> predict = load_predict_function("net")
    >>> [len(prediction.top) for prediction in predict([sample_image(8, 8)])]
    [3]
    """
    version = resolve_artefact(path, Format.SAVED_MODEL, alternative="a model's URL").path
    try:
        signature = tf.saved_model.load(str(version)).signatures["classify_bytes"]
    except KeyError as error:
        raise WrongModel(
            f"{version} was not exported by this program: it has no signature classify_bytes"
        ) from error
    except Exception as error:  # TensorFlow's error depends on which part of the file is damaged.
        raise UserError(f"cannot load the SavedModel {version}: {first_line(error)}") from error

    def predict(images: list[bytes]) -> list[Prediction]:
        try:
            outputs = signature(image_bytes=tf.constant(images, tf.string))
        except tf.errors.InvalidArgumentError as error:
            raise Refused(plain_message(error.message)) from error
        names = outputs["top_classes"].numpy()
        probabilities = outputs["top_probabilities"].numpy()
        return [
            Prediction(
                tuple((name.decode("utf-8"), float(p)) for name, p in zip(*row, strict=True))
            )
            for row in zip(names, probabilities, strict=True)
        ]

    return predict
