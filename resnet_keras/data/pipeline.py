"""Batches for training and for evaluation, as `tf.data` pipelines."""

import numpy as np
import tensorflow as tf

from resnet_keras.data import augmentation, decoding, random
from resnet_keras.data.augmentation import light, lit, normalize_lit
from resnet_keras.data.dataset import Files, Images, Share
from resnet_keras.data.transforms import decode, normalize, resize
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe


def file_batches(
    train: Files, preprocessing: Preprocessing, recipe: Recipe, start: int, share: Share
) -> tf.data.Dataset:
    """Yields the steps' batches; see `pipeline.training_batches`.

    Images are read, cut and coloured one by one, on all cores; what is random about them is
    drawn for the whole batch before, from the seed and the step. All is written in TensorFlow's own
    operations: looking for Python to convert would take seconds at every start.
    """
    places, labels = decoding.image_locations(train), tf.constant(train.labels)
    count, seed = recipe.batch_size, recipe.seed
    by_scale = recipe.augmentation != "pad"
    alternate = recipe.flip and recipe.alternate_flip
    turns = augmentation.alternately_mirrored(seed, count, len(train))

    @tf.autograph.experimental.do_not_convert
    def plan(step, indices):
        """What is to be done to each image of a step."""
        draws = augmentation.draws(count, seed, step)
        by_chance = tf.logical_and(draws[:, 3] % 2 == 1, bool(recipe.flip))
        whole = {
            "step": tf.fill((count,), step),
            "place": decoding.select_locations(places, indices),
            "label": tf.gather(labels, indices),
            "draw": draws,
            "mirrored": turns(step, indices) if alternate else by_chance,
            "light": light(count, seed, step, recipe.lighting),
        }
        return tf.nest.map_structure(share.of, whole)

    @tf.autograph.experimental.do_not_convert
    def picture(one):
        """One image as the network takes it."""
        data = decoding.read_image_bytes(one["place"])
        if by_scale:
            image = augmentation.crop(data, one["draw"], preprocessing.size[0], one["mirrored"])
        else:
            image = resize(decode(data), preprocessing)
        image = normalize_lit(image, one["light"], preprocessing)
        return image, one["label"], one["step"], one["mirrored"]

    @tf.autograph.experimental.do_not_convert
    def finish(images, labels, steps, mirrored):
        if not by_scale:
            images = augmentation.flip_and_crop(
                images, seed, steps[0], recipe.pad, bool(recipe.flip), mirrored, share
            )
        return images, labels

    steps = tf.data.Dataset.range(start, recipe.steps)
    indices = random.index_batches(seed, count, len(train), start)
    each = tf.data.Dataset.zip(steps, indices).map(plan).unbatch()
    pictures = each.map(picture, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return pictures.batch(share.count, drop_remainder=True).map(finish)


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
    turns = augmentation.alternately_mirrored(recipe.seed, recipe.batch_size, len(train))

    @tf.autograph.experimental.do_not_convert
    def batch(step, indices):
        mirrored = share.of(turns(step, indices)) if alternate else None
        indices = share.of(indices)
        chosen = normalize(tf.gather(images, indices), preprocessing)
        if recipe.lighting:
            colours = light(recipe.batch_size, recipe.seed, step, recipe.lighting)
            chosen = lit(chosen, share.of(colours), preprocessing)
        chosen = augmentation.flip_and_crop(
            chosen, recipe.seed, step, recipe.pad, bool(recipe.flip), mirrored, share
        )
        return chosen, tf.gather(labels, indices)

    steps = tf.data.Dataset.range(start, recipe.steps)
    indices = random.index_batches(recipe.seed, recipe.batch_size, len(train), start)
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
