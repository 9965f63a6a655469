"""Image files that cannot be decoded: finds them before a run, and names them during a run.

They are removed before a run, not skipped when their turn comes. Otherwise all later batches would
shift, and the batch of a step would depend on all batches before it.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from resnet_keras.data import decoding, random
from resnet_keras.data.dataset import Dataset, Files, Images
from resnet_keras.data.decoding import corrupt_file_error, first_decoding_error
from resnet_keras.data.transforms import decode
from resnet_keras.errors import UserError
from resnet_keras.recipe import Recipe

# Messages name at most this many files.
_MAX_NAMES = 5


def without_corrupt_files(dataset: Dataset) -> Dataset:
    """Returns a data set without the files that cannot be decoded.

    Every file is decoded once, on all cores.

    Args:
        dataset: a data set. One in memory is returned as it is.

    Returns:
        The data set, with a note that counts the removed files and names some of them.

    Raises:
        UserError: if a class has no training images left, or no test images are left.

    Example:

    >>> for name in ("a.png", "b.png"):
    ...     tf.io.write_file(name, tf.io.encode_png(np.zeros((4, 4, 3), np.uint8)))
    >>> tf.io.write_file("empty.png", "")
    >>> train = Files(("a.png", "empty.png"), np.zeros(2, np.int32))
    >>> test = Files(("b.png",), np.zeros(1, np.int32))
    >>> dataset = without_corrupt_files(Dataset("toy", ("cat",), train, test))
    >>> dataset.train.paths, dataset.notes
    (('a.png',), ('skipped 1 files that cannot be decoded: empty.png: the image is empty',))
    """
    if not (isinstance(dataset.train, Files) and isinstance(dataset.test, Files)):
        return dataset
    corrupt_train = find_corrupt_files(dataset.train)
    corrupt_test = find_corrupt_files(dataset.test)
    count = len(corrupt_train) + len(corrupt_test)
    if not count:
        note = "every file can be decoded; none is skipped"
        return dataclasses.replace(dataset, notes=(*dataset.notes, note))
    train = remove_files(dataset.train, corrupt_train)
    test = remove_files(dataset.test, corrupt_test)
    per_class = np.bincount(train.labels, minlength=len(dataset.class_names))
    if not (per_class.all() and len(test)):
        empty = [
            name for name, left in zip(dataset.class_names, per_class, strict=True) if not left
        ]
        purpose = f"train on in {_some_names(empty)}" if empty else "test on"
        raise UserError(
            f"without the {count} files that cannot be decoded, there are no images to {purpose}"
        )
    corrupt = dataset.train.take(corrupt_train), dataset.test.take(corrupt_test)
    note = f"skipped {count} files that cannot be decoded: {describe_corrupt_files(*corrupt)}"
    return dataclasses.replace(dataset, train=train, test=test, notes=(*dataset.notes, note))


def find_corrupt_files(files: Files) -> np.ndarray:
    """Returns the indices of the files that cannot be decoded.

    Every file is decoded once, on all cores.

    Args:
        files: N images.

    Returns:
        int64 `(n,)`, in ascending order.

    Example:

    >>> tf.io.write_file("gray.png", tf.io.encode_png(np.zeros((4, 4, 3), np.uint8)))
    >>> tf.io.write_file("text.png", "not an image")
    >>> find_corrupt_files(Files(("gray.png", "text.png"), np.zeros(2, np.int32))).tolist()
    [1]
    """

    @tf.autograph.experimental.do_not_convert
    def try_to_decode(
        index: tf.Tensor, location: dict[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        # The size of the result is returned, so that the decoding is not optimized away.
        return index, tf.size(decode(decoding.read_image_bytes(location)))

    everything = np.arange(len(files))
    elements = tf.data.Dataset.from_tensor_slices((everything, decoding.image_locations(files)))
    decoded = elements.map(try_to_decode, num_parallel_calls=tf.data.AUTOTUNE).ignore_errors()
    good = np.fromiter((index for index, _ in decoded.as_numpy_iterator()), np.int64)
    return np.setdiff1d(everything, good, assume_unique=True)


def remove_files(files: Files, indices: np.ndarray) -> Files:
    """Returns all files except those at `indices`, in the same order.

    Args:
        files: N images.
        indices: int64 `(n,)`.

    Returns:
        N - n images.

    Example:

    >>> files = Files(("a.jpg", "b.jpg", "c.jpg"), np.zeros(3, np.int32))
    >>> remove_files(files, np.array([1])).paths
    ('a.jpg', 'c.jpg')
    """
    return files.take(np.setdiff1d(np.arange(len(files)), indices, assume_unique=True))


def describe_corrupt_files(*corrupt: Files) -> str:
    """Returns what is wrong with the first of some corrupt files, and the names of some others.

    Args:
        *corrupt: files that cannot be decoded; at least one of the sets is not empty.

    Returns:
        A phrase for messages.

    Example:

    >>> tf.io.write_file("a.jpg", "")
    >>> tf.io.write_file("b.jpg", "")
    >>> describe_corrupt_files(Files(("a.jpg", "b.jpg"), np.zeros(2, np.int32)))
    'a.jpg: the image is empty; also b.jpg'
    """
    names = [name for files in corrupt for name in files.names()]
    first = next(files for files in corrupt if len(files))
    others = f"; also {_some_names(names[1:], _MAX_NAMES - 1)}" if len(names) > 1 else ""
    return f"{first_decoding_error(first.take(slice(1)))}{others}"


def _some_names(names: list[str], most: int = _MAX_NAMES) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


@contextlib.contextmanager
def corrupt_files_reported(
    train: Images | Files, recipe: Recipe, steps_done: Callable[[], int]
) -> Iterator[None]:
    """Within the block, turns TensorFlow's error about a training file into one that names it.

    Args:
        train: the training images.
        recipe: the recipe, whose seed and batch size determine which files a step reads.
        steps_done: returns the number of steps that are done.

    Raises:
        UserError: if a file of the next step cannot be decoded.

    Example:

    >>> tf.io.write_file("empty.jpg", "")
    >>> train = Files(("empty.jpg",), np.zeros(1, np.int32))
    >>> with corrupt_files_reported(train, Recipe("resnet8", batch_size=1), lambda: 41):
    ...     _ = decode("")
    Traceback (most recent call last):
        ...
    resnet_keras.errors.UserError: step 42: empty.jpg: the image is empty; repair or remove ...
    """
    try:
        yield
    except tf.errors.OpError as error:
        step = steps_done()
        message = _first_decoding_error_of_step(train, recipe, step)
        if not message:
            raise
        raise corrupt_file_error(f"step {step + 1}: {message}") from error


def _first_decoding_error_of_step(train: Images | Files, recipe: Recipe, step: int) -> str | None:
    if not isinstance(train, Files):
        return None
    batches = random.index_batches(recipe.seed, recipe.batch_size, len(train), step)
    indices = next(batches.as_numpy_iterator())
    return first_decoding_error(train.take(indices))
