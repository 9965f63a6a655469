"""Reads images as they are, without augmentation, from memory and from files alike.

What evaluation sees of a file is computed by the very operations that the SavedModel's
`classify_bytes` is made of.
"""

import re
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from resnet_keras.data import contents
from resnet_keras.data.dataset import Images
from resnet_keras.data.image_files import Files
from resnet_keras.data.transforms import decode, resize
from resnet_keras.errors import UserError
from resnet_keras.preprocessing import Preprocessing

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
    places = contents.places(files)
    for index, name in enumerate(files.names()):
        try:
            decode(contents.read(contents.gather(places, index)))
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
        return change(one if isinstance(source, Images) else decode(contents.read(one)))

    given = source.images if isinstance(source, Images) else contents.places(source)
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
