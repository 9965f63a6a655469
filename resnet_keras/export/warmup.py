"""Warm-up requests, which TensorFlow Serving answers before it reports a model as available.

Without them, the first requests of clients wait while TensorFlow loads kernels, starts thread pools
and optimizes graphs.
"""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from resnet_keras.description import EXTRA_FOLDER
from resnet_keras.preprocessing import Preprocessing

WARMUP_FILE = "tf_serving_warmup_requests"
BATCH_SIZES = (1, 8, 32)
GREY = 128


def write_warmup_requests(folder: Path, name: str, preprocessing: Preprocessing) -> bool:
    """Writes `assets.extra/tf_serving_warmup_requests`: each signature at each of `BATCH_SIZES`.

    If the package `tensorflow-serving-api` is not installed, nothing is written and a note is
    printed to standard error. Such a model can be served, but its first answers are slow.

    Args:
        folder: the version folder of the SavedModel.
        name: the name that the model is served under.
        preprocessing: determines the size of the images.

    Returns:
        Whether the file was written.

    Example:

    >>> preprocessing = Preprocessing((8, 8), "stretch", 1.0, (0, 0, 0), (1, 1, 1), ("a", "b"))
    >>> version = Path("saved_models/net/1")
    >>> version.mkdir(parents=True)
    >>> written = write_warmup_requests(version, "net", preprocessing)
    >>> written == (version / "assets.extra" / "tf_serving_warmup_requests").exists()
    True
    """
    if importlib.util.find_spec("tensorflow_serving") is None:
        print(
            "note: exporting without warm-up requests, because tensorflow-serving-api is not "
            "installed (pip install tensorflow-serving-api)",
            file=sys.stderr,
        )
        return False
    extra = Path(folder, EXTRA_FOLDER)
    extra.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(extra / WARMUP_FILE)) as writer:
        for record in _records(name, preprocessing):
            writer.write(record.SerializeToString())
    return True


def _records(name: str, preprocessing: Preprocessing) -> Iterator[Any]:
    """Yields one `PredictionLog` message per signature and batch size."""
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    # One pixel larger in both directions, so that resizing is warmed up too.
    height, width = (side + 1 for side in preprocessing.size)
    encoded = tf.io.encode_jpeg(np.full((height, width, 3), GREY, np.uint8)).numpy()
    for batch_size in BATCH_SIZES:
        for signature, key, tensor in (
            ("serving_default", "images", _grey_images(batch_size, preprocessing.size)),
            ("classify_bytes", "image_bytes", tf.make_tensor_proto([encoded] * batch_size)),
        ):
            request = predict_pb2.PredictRequest()
            request.model_spec.name = name
            request.model_spec.signature_name = signature
            request.inputs[key].CopyFrom(tensor)
            yield prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )


def _grey_images(count: int, size: tuple[int, int]) -> Any:
    """Returns uint8 `(count, *size, 3)` as a `TensorProto` that stores one value for all pixels.

    This keeps the file small.
    """
    tensor = tf.make_tensor_proto(GREY, dtype=tf.uint8)
    tensor.tensor_shape.CopyFrom(tf.TensorShape((count, *size, 3)).as_proto())
    return tensor
