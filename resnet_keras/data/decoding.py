"""Reading and decoding the images of a data set, from files or from memory, for evaluation."""

import os
import re
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from resnet_keras.data.dataset import Files, Images
from resnet_keras.data.transforms import decode, resize
from resnet_keras.errors import UserError
from resnet_keras.preprocessing import Preprocessing

# The message of the assertion in `transforms.decode`, without TensorFlow's words around it.
_ASSERTION = re.compile(r"(the image (?:is|has) [^'\]\n]*)")


def evaluation_batches(
    source: Images | Files, preprocessing: Preprocessing, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields all images in order, resized to the network's input, and their labels.

    Args:
        source: the images.
        preprocessing: gives the size, and how to resize.
        batch_size: the number of images per batch. The last batch may have fewer.

    Yields:
        uint8 `(n, *preprocessing.size, 3)` and int32 `(n,)`.

    Raises:
        UserError: if a file is missing or cannot be decoded. The message names it.

    Example:

    >>> images = Images(np.zeros((5, 8, 8, 3), np.uint8), np.arange(5, dtype=np.int32))
    >>> rule = Preprocessing((4, 4), "stretch", 1 / 255, (0, 0, 0), (1, 1, 1), tuple("abcde"))
    >>> [(batch.shape, labels.tolist()) for batch, labels in evaluation_batches(images, rule, 3)]
    [((3, 4, 4, 3), [0, 1, 2]), ((2, 4, 4, 3), [3, 4])]
    """
    if preprocessing.resize == "stretch" and source.size == preprocessing.size:
        # These images have the right size already, and slices of an array cost nothing.
        for start in range(0, len(source), batch_size):
            part = source.take(slice(start, start + batch_size))
            yield part.images, part.labels
        return
    images = _decoded(source, lambda image: resize(image, preprocessing)).batch(batch_size)
    for index, batch in enumerate(_with_errors_explained(images, source, batch_size)):
        yield batch, source.labels[index * batch_size :][:batch_size]


def decoded_images(source: Images | Files) -> Iterator[np.ndarray]:
    """Yields each image decoded, upright and in its own size.

    Args:
        source: the images.

    Yields:
        uint8 `(H, W, 3)`.

    Raises:
        UserError: if a file is missing or cannot be decoded. The message names it.

    Example:

    >>> images = Images(np.zeros((2, 8, 8, 3), np.uint8), np.zeros(2, np.int32))
    >>> [image.shape for image in decoded_images(images)]
    [(8, 8, 3), (8, 8, 3)]
    """
    if isinstance(source, Images):
        yield from source.images
        return
    yield from _with_errors_explained(_decoded(source, lambda image: image), source, 1)


def _decoded(
    source: Images | Files, transform: Callable[[tf.Tensor], tf.Tensor]
) -> tf.data.Dataset:
    """Returns a dataset of the decoded and transformed images, computed on all cores, in order."""

    @tf.autograph.experimental.do_not_convert
    def prepare(element: tf.Tensor | dict[str, tf.Tensor]) -> tf.Tensor:
        return transform(
            element if isinstance(source, Images) else decode(read_image_bytes(element))
        )

    elements = source.images if isinstance(source, Images) else image_locations(source)
    return tf.data.Dataset.from_tensor_slices(elements).map(
        prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )


def _with_errors_explained(
    dataset: tf.data.Dataset, source: Images | Files, batch_size: int
) -> Iterator[np.ndarray]:
    """Yields the arrays of a dataset, and turns an error into one that names the file.

    Args:
        dataset: elements computed from `batch_size` images each, in the order of `source`.
        source: the images.
        batch_size: the number of images per element.
    """
    batches = iter(dataset.prefetch(2))
    start = 0
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except tf.errors.OpError as error:
            message = None
            if isinstance(source, Files):
                # The order is kept, so the file is one of those that this batch is made of.
                message = first_decoding_error(source.take(slice(start, start + batch_size)))
            raise corrupt_file_error(message or _reason(error)) from error
        yield batch.numpy()
        start += batch_size


def first_decoding_error(files: Files) -> str | None:
    """Decodes files one by one until one fails.

    Args:
        files: the images.

    Returns:
        The name of the first file that cannot be decoded and the reason, or `None` if all can.

    Example:

    >>> with open("empty.jpg", "wb"):
    ...     pass
    >>> first_decoding_error(Files(("empty.jpg",), np.zeros(1, np.int32)))
    'empty.jpg: the image is empty'
    """
    locations = image_locations(files)
    for index, name in enumerate(files.names()):
        try:
            decode(read_image_bytes(select_locations(locations, index)))
        except tf.errors.OpError as error:
            return f"{name}: {_reason(error)}"
    return None


def corrupt_file_error(message: str) -> UserError:
    """Returns the error for a file that cannot be decoded.

    Args:
        message: from `first_decoding_error`.

    Returns:
        The error, which says what the user can do.

    Example:

    >>> print(corrupt_file_error("cat.jpg: the image is empty"))
    cat.jpg: the image is empty; repair or remove the file, or use --skip-corrupt ...
    """
    return UserError(
        f"{message}; repair or remove the file, or use --skip-corrupt to skip all such files"
    )


def _reason(error: tf.errors.OpError) -> str:
    """Returns the reason of an error, without TensorFlow's names of operations."""
    if isinstance(error, tf.errors.NotFoundError) or "FileNotFoundError" in error.message:
        return "the file does not exist"
    if isinstance(error, tf.errors.PermissionDeniedError):
        return "no permission to read the file"
    assertion = _ASSERTION.search(error.message)
    return assertion.group(1) if assertion else "the image is damaged or cut short"


def image_locations(files: Files) -> dict[str, tf.Tensor]:
    """Returns where each encoded image is stored; `read_image_bytes` takes one location.

    Args:
        files: N images.

    Returns:
        `path`: string `(N,)`. If files hold several images, also `range`: int64 `(N, 2)`, offset
        and length in bytes.

    Example:

    >>> files = Files(("a.jpg", "b.jpg"), np.zeros(2, np.int32))
    >>> image_locations(files)["path"].numpy().tolist()
    [b'a.jpg', b'b.jpg']
    """
    # The name of a file is bytes, which need not be valid UTF-8.
    paths = [os.fsencode(path) for path in files.paths]
    locations = {"path": tf.constant(paths, tf.string, (len(files),))}
    if files.ranges is not None:
        locations["range"] = tf.constant(files.ranges)
    return locations


def select_locations(locations: dict[str, tf.Tensor], indices: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns some of the locations.

    Args:
        locations: from `image_locations`.
        indices: integers, `(n,)` or a scalar.

    Returns:
        A dict of the same keys.

    Example:

    >>> locations = image_locations(Files(("a.jpg", "b.jpg"), np.zeros(2, np.int32)))
    >>> select_locations(locations, 1)["path"].numpy()
    b'b.jpg'
    """
    return {key: tf.gather(values, indices) for key, values in locations.items()}


def read_image_bytes(location: dict[str, tf.Tensor]) -> tf.Tensor:
    """Reads one encoded image.

    Args:
        location: one of `image_locations`, without the leading axis.

    Returns:
        String scalar.

    Raises:
        OpError: when run, if the file does not exist or cannot be read.

    Example:

    >>> with open("two.records", "wb") as file:
    ...     _ = file.write(b"firstsecond")
    >>> files = Files(("two.records",), np.zeros(1, np.int32), np.array([[5, 6]]))
    >>> read_image_bytes(select_locations(image_locations(files), 0)).numpy()
    b'second'
    """
    if "range" not in location:
        return tf.io.read_file(location["path"])
    # Python reads the range, because TensorFlow has no fast operation to read a part of a file.
    inputs = [location["path"], location["range"]]
    return tf.ensure_shape(tf.numpy_function(_read_range, inputs, tf.string), ())


def _read_range(path: bytes | np.ndarray, offset_and_length: np.ndarray) -> bytes:
    # In eager mode, the scalar is an array.
    name: bytes = path.item() if isinstance(path, np.ndarray) else path
    offset, length = offset_and_length.tolist()
    with open(name, "rb") as file:
        file.seek(offset)
        return file.read(length)
