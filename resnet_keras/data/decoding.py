"""The bytes of encoded images: of whole files, or of a part of each, as TensorFlow operations."""

import os
import re
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from resnet_keras.data.dataset import Files, Images
from resnet_keras.data.transforms import decode, resize
from resnet_keras.errors import UserError
from resnet_keras.preprocessing import Preprocessing


def image_locations(files: Files) -> dict[str, tf.Tensor]:
    """Returns where each image lies; `read_image_bytes` takes one of them.

    Returns:
        `path`, string `(N,)`, whatever bytes their names are made of; where files hold several
        images also `range`, int64 `(N, 2)`: first byte and how many.
    """
    paths = [os.fsencode(path) for path in files.paths]
    found = {"path": tf.constant(paths, tf.string, (len(files),))}
    return found if files.ranges is None else {**found, "range": tf.constant(files.ranges)}


def select_locations(places: dict[str, tf.Tensor], indices) -> dict[str, tf.Tensor]:
    """Returns those of the `places` that lie at `indices`, int64 `(n,)` or scalar."""
    return {key: tf.gather(values, indices) for key, values in places.items()}


def read_image_bytes(place: dict[str, tf.Tensor]):
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


# What `headers.refusal` said, in the words around it.
_ASSERTED = re.compile(r"(the image is [^'\n]*)")


def evaluation_batches(
    source: Images | Files, preprocessing: Preprocessing, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields `(images, labels)` in order, each image exactly once.

    Args:
        source: N images.
        preprocessing: says the size that images are brought to.
        batch_size: images a batch; the last may have fewer.

    Yields:
        uint8 `(n, H, W, 3)` of `preprocessing.size`, and int32 `(n,)`.

    Raises:
        UserError: if a file is missing, no image, or damaged; names it.
    """
    ready = preprocessing.resize == "stretch" and source.size == preprocessing.size
    if ready:
        # Nothing is to be done to these, and slices of an array cost nothing.
        for start in range(0, len(source), batch_size):
            part = source.take(slice(start, start + batch_size))
            yield part.images, part.labels
        return
    images = _each(source, lambda image: resize(image, preprocessing)).batch(batch_size)
    for index, batch in enumerate(_blamed(images, source, batch_size)):
        yield batch, source.labels[index * batch_size :][:batch_size]


def originals(source: Images | Files) -> Iterator[np.ndarray]:
    """Yields each image, uint8 `(H, W, 3)`, decoded, the right way up and in its own size.

    Raises:
        UserError: if a file is missing, no image, or damaged; names it.
    """
    if isinstance(source, Images):
        yield from source.images
        return
    yield from _blamed(_each(source, lambda image: image), source, 1)


def first_bad(files: Files) -> str | None:
    """Returns what is wrong with the first file that cannot be decoded, its path in front; `None`
    if all can."""
    places = image_locations(files)
    for index, name in enumerate(files.names()):
        try:
            decode(read_image_bytes(select_locations(places, index)))
        except tf.errors.OpError as error:
            return f"{name}: {_reason(error)}"
    return None


def bad_file(why: str) -> UserError:
    """Returns the error for what `first_bad` found."""
    return UserError(
        f"{why}; mend or remove the file, or leave out all such files with --skip-corrupt"
    )


def _each(source, change):
    """Decodes and changes one image after the other, on all cores, in order."""

    @tf.autograph.experimental.do_not_convert
    def prepared(one):
        return change(one if isinstance(source, Images) else decode(read_image_bytes(one)))

    given = source.images if isinstance(source, Images) else image_locations(source)
    return tf.data.Dataset.from_tensor_slices(given).map(
        prepared, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )


def _blamed(dataset, source, batch_size):
    """Yields a data set's arrays; names the file where reading breaks off."""
    stream = iter(dataset.prefetch(2))
    start = 0
    while True:
        try:
            batch = next(stream)
        except StopIteration:
            return
        except tf.errors.OpError as error:
            why = None
            if isinstance(source, Files):
                # Order is kept, so that it is one of those that were to come now.
                why = first_bad(source.take(slice(start, start + batch_size)))
            raise bad_file(why or _reason(error)) from error
        yield batch.numpy()
        start += batch_size


def _reason(error):
    """Returns what TensorFlow said, without the names of operations around it."""
    if isinstance(error, tf.errors.NotFoundError) or "FileNotFoundError" in error.message:
        return "there is no such file"
    if isinstance(error, tf.errors.PermissionDeniedError):
        return "it may not be read"
    found = _ASSERTED.search(error.message)
    return found.group(1) if found else "the image is damaged or cut short"
