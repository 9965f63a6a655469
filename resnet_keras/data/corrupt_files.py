"""Leaves files out that cannot be decoded: before a run, so that the batches stay what they are.

Were a bad file skipped when its turn comes, the batches behind it would shift, and a step's batch
would depend on all before it.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from resnet_keras.data import decoding, random
from resnet_keras.data.dataset import Dataset, Files, Images
from resnet_keras.data.decoding import bad_file, first_bad
from resnet_keras.data.transforms import decode
from resnet_keras.errors import UserError
from resnet_keras.recipe import Recipe

NAMED = 5


def without_corrupt(dataset: Dataset) -> Dataset:
    """Returns the data set without the files that cannot be decoded, named in its notes and
    counted. Every file is decoded, as fast as all cores can.

    Raises:
        UserError: if a class has no image to train on any more.
    """
    train_bad, test_bad = find_corrupt(dataset.train), find_corrupt(dataset.test)
    if not len(train_bad) + len(test_bad):
        return dataclasses.replace(
            dataset, notes=(*dataset.notes, "all files can be decoded, none is skipped")
        )
    train, test = without_files(dataset.train, train_bad), without_files(dataset.test, test_bad)
    left = np.bincount(train.labels, minlength=len(dataset.class_names))
    if not (left.all() and len(test)):
        gone = [name for name, count in zip(dataset.class_names, left, strict=True) if not count]
        some = ", ".join(gone[:NAMED]) + (f" and {len(gone) - NAMED} more" if gone[NAMED:] else "")
        where = f"train on in {some}" if gone else "test on"
        raise UserError(
            f"without the {len(train_bad) + len(test_bad)} files that cannot be decoded there are "
            f"no images to {where}"
        )
    bad = dataset.train.take(train_bad), dataset.test.take(test_bad)
    note = f"skipped {sum(map(len, bad))} files that cannot be decoded: {reasons(*bad)}"
    return dataclasses.replace(dataset, train=train, test=test, notes=(*dataset.notes, note))


def find_corrupt(files: Files) -> np.ndarray:
    """Returns which files cannot be decoded: int64 `(n,)`, ascending."""

    @tf.autograph.experimental.do_not_convert
    def tried(index, place):
        # The size of what came out, so that decoding is not optimized away.
        return index, tf.size(decode(decoding.read_image_bytes(place)))

    each = tf.data.Dataset.from_tensor_slices(
        (np.arange(len(files)), decoding.image_locations(files))
    )
    sound = each.map(tried, num_parallel_calls=tf.data.AUTOTUNE).ignore_errors()
    indices = np.fromiter((index for index, _ in sound.as_numpy_iterator()), np.int64)
    return np.setdiff1d(np.arange(len(files)), indices, assume_unique=True)


def without_files(files: Files, bad: np.ndarray) -> Files:
    """Returns all files but those at the indices `bad`, in their order."""
    return files.take(np.setdiff1d(np.arange(len(files)), bad, assume_unique=True))


def reasons(*bad: Files) -> str:
    """Says what is wrong with the first of files that cannot be decoded, and names some more."""
    names = [name for files in bad for name in files.names()]
    first = next(files for files in bad if len(files))
    more = f"; then {', '.join(names[1:NAMED])}" if len(names) > 1 else ""
    more += f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{first_bad(first.take(slice(1)))}{more}"


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
    """
    try:
        yield
    except tf.errors.OpError as error:
        step = steps_done()
        reason = _first_corrupt(train, recipe, step) if isinstance(train, Files) else None
        if not reason:
            raise
        raise bad_file(f"step {step + 1}: {reason}") from error


def _first_corrupt(train: Files, recipe: Recipe, step: int) -> str | None:
    batches = random.index_batches(recipe.seed, recipe.batch_size, len(train), step)
    for indices in batches.take(1).as_numpy_iterator():
        return first_bad(train.take(np.asarray(indices)))
    return None
