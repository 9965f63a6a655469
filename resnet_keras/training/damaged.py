"""Names the file that broke a run: which one it was, seed and step tell."""

import contextlib

import numpy as np
import tensorflow as tf

from resnet_keras.data import order
from resnet_keras.data.dataset import Images
from resnet_keras.data.image_files import Files
from resnet_keras.data.reading import bad_file, first_bad
from resnet_keras.recipe import Recipe
from resnet_keras.training.callbacks import Journey


@contextlib.contextmanager
def damaged_files_named(train: Images | Files, journey: Journey, steps_at_once: int):
    """Turns TensorFlow's error about a file, in the block, into one that names it.

    Args:
        train: the images trained on.
        journey: knows the step.
        steps_at_once: steps a call into the backend.

    Raises:
        UserError: if a file of the next steps cannot be decoded.
    """
    try:
        yield
    except tf.errors.OpError as error:
        why = isinstance(train, Files) and _first_bad(train, journey, steps_at_once)
        if not why:
            raise
        raise bad_file(f"step {journey.step + 1}: {why}") from error


def _first_bad(train, journey, steps_at_once):
    recipe: Recipe = journey.recipe
    batches = order.index_batches(recipe.seed, recipe.batch_size, len(train), journey.step)
    for indices in batches.take(steps_at_once).as_numpy_iterator():
        why = first_bad(train.take(np.asarray(indices)))
        if why:
            return why
    return None
