"""The bytes of encoded images: of whole files, or of a part of each, as TensorFlow operations."""

import os

import numpy as np
import tensorflow as tf

from resnet_keras.data.image_files import Files


def places(files: Files) -> dict[str, tf.Tensor]:
    """Returns where each image lies; `read` takes one of them.

    Returns:
        `path`, string `(N,)`, whatever bytes their names are made of; where files hold several
        images also `range`, int64 `(N, 2)`: first byte and how many.
    """
    paths = [os.fsencode(path) for path in files.paths]
    found = {"path": tf.constant(paths, tf.string, (len(files),))}
    return found if files.ranges is None else {**found, "range": tf.constant(files.ranges)}


def gather(places: dict[str, tf.Tensor], indices) -> dict[str, tf.Tensor]:
    """Returns those of the `places` that lie at `indices`, int64 `(n,)` or scalar."""
    return {key: tf.gather(values, indices) for key, values in places.items()}


def read(place: dict[str, tf.Tensor]):
    """Returns the bytes of one image, a string scalar.

    Raises:
        OpError: when run, if there is no such file or it may not be read.
    """
    if "range" not in place:
        return tf.io.read_file(place["path"])
    # Python reads, for TensorFlow has no operation that reads a part of a file at a fair price.
    return tf.ensure_shape(tf.numpy_function(_part, [place["path"], place["range"]], tf.string), ())


def _part(path, place: np.ndarray) -> bytes:
    if isinstance(path, np.ndarray):  # Outside of a graph it comes in an array without axes.
        path = path.item()
    begin, length = place.tolist()
    with open(path, "rb") as stream:
        stream.seek(begin)
        return stream.read(length)
