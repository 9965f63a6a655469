"""Batches for training and for evaluation, as `tf.data` pipelines."""

import numpy as np
import tensorflow as tf

from resnet_keras.data import augment, order
from resnet_keras.data.dataset import Images
from resnet_keras.data.file_pipeline import file_batches
from resnet_keras.data.image_files import Files
from resnet_keras.data.lighting import light, lit
from resnet_keras.data.share import Share
from resnet_keras.data.transforms import normalize
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe


def training_batches(
    train: Images | Files,
    preprocessing: Preprocessing,
    recipe: Recipe,
    start: int = 0,
    share: Share | None = None,
) -> tf.data.Dataset:
    """Yields `(images, labels)` for the steps `start` … `recipe.steps - 1`, one element a step.

    Any step's batch depends on the recipe's seed and that step alone, so a run can be broken off
    and taken up anywhere, and any batch of any run can be looked at again.

    Args:
        train: what to train on.
        preprocessing: how images become the network's input.
        recipe: says batch size, steps, seed and augmentation.
        start: the first step.
        share: the part of each batch that is wanted; `None` for all of it. The others' images
            are neither read nor computed.

    Returns:
        A dataset of float32 `(share.count, H, W, 3)`, augmented, and int32 `(share.count,)`.
    """
    make = file_batches if isinstance(train, Files) else _array_batches
    batches = make(train, preprocessing, recipe, start, share or Share.all(recipe.batch_size))
    # What lies between forgets how many there are. Keras would then ask for one batch too many,
    # and the step that finds none would still count its images and its iteration.
    count = tf.data.experimental.assert_cardinality(recipe.steps - start)
    return batches.apply(count).prefetch(4)


def _array_batches(train, preprocessing, recipe, start, share):
    images, labels = tf.constant(train.images), tf.constant(train.labels)
    alternate = recipe.flip and recipe.alternate_flip
    turns = augment.alternately_mirrored(recipe.seed, recipe.batch_size, len(train))

    @tf.autograph.experimental.do_not_convert
    def batch(step, indices):
        mirrored = share.of(turns(step, indices)) if alternate else None
        indices = share.of(indices)
        chosen = normalize(tf.gather(images, indices), preprocessing)
        if recipe.lighting:
            colours = light(recipe.batch_size, recipe.seed, step, recipe.lighting)
            chosen = lit(chosen, share.of(colours), preprocessing)
        chosen = augment.flip_and_crop(
            chosen, recipe.seed, step, recipe.pad, bool(recipe.flip), mirrored, share
        )
        return chosen, tf.gather(labels, indices)

    steps = tf.data.Dataset.range(start, recipe.steps)
    indices = order.index_batches(recipe.seed, recipe.batch_size, len(train), start)
    # Two calls at most: the batches are cheap, and training needs the cores. Order is kept.
    return tf.data.Dataset.zip(steps, indices).map(batch, num_parallel_calls=2, deterministic=True)


def image_batches(images: np.ndarray, batch_size: int):
    """Yields slices of at most `batch_size` of the images, in order, each exactly once."""
    for start in range(0, len(images), batch_size):
        yield images[start : start + batch_size]


def per_pixel_mean(images: np.ndarray, scale: float) -> np.ndarray:
    """Returns the mean image: float32 `(H, W, 3)` of `scale` times uint8 `(N, H, W, 3)`."""
    # Summed as whole numbers, a part at a time: exact, and no copy of the set in float64.
    total = sum(part.sum(axis=0, dtype=np.int64) for part in image_batches(images, batch_size=4096))
    return (total * (scale / len(images))).astype(np.float32)
