"""The batches that a network is trained on: `training_batches`.

A batch is a pure function of (seed, step). It is built in this order:

1. `random.index_batches` decides which images belong to the step.
2. Random numbers are drawn for the whole batch; see `resnet_keras.data.random`.
3. The images are read, augmented and normalized: `_batches_from_memory` for `Images`,
   `_batches_from_files` for `Files`.
"""

import tensorflow as tf

from resnet_keras.data import augmentation, decoding, random
from resnet_keras.data.dataset import BatchShare, Files, Images
from resnet_keras.data.transforms import decode, normalize, resize
from resnet_keras.errors import UsageError
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe

_PREFETCHED_BATCHES = 4


def training_batches(
    train: Images | Files,
    preprocessing: Preprocessing,
    recipe: Recipe,
    start: int = 0,
    share: BatchShare | None = None,
) -> tf.data.Dataset:
    """Returns the batches of the steps `start`, …, `recipe.steps - 1`, one element per step.

    The batch of a step depends only on the seed and the step. A run can therefore stop and resume
    at any step, and any batch of any run can be computed again.

    Args:
        train: the training images.
        preprocessing: how images become the network's input.
        recipe: gives batch size, steps, seed and augmentation. It has to be resolved: `flip` is
            true or false.
        start: the first step.
        share: the part of each batch to return; `None` returns all of it. Images of other parts
            are neither read nor computed.

    Returns:
        A dataset of `(images, labels)`: float32 `(share.count, H, W, 3)` and int32
        `(share.count,)`.

    Raises:
        UsageError: if the recipe leaves `flip` open.

    Example:

    >>> import numpy as np
    >>> train = Images(np.zeros((10, 8, 8, 3), np.uint8), np.zeros(10, np.int32))
    >>> preprocessing = Preprocessing((8, 8), "stretch", 1 / 255, (0, 0, 0), (1, 1, 1), ("cat",))
    >>> recipe = Recipe("resnet8", batch_size=4, steps=3, drops=(), flip=True)
    >>> [images.shape for images, labels in training_batches(train, preprocessing, recipe, start=1)]
    [TensorShape([4, 8, 8, 3]), TensorShape([4, 8, 8, 3])]
    """
    if recipe.flip is None:
        raise UsageError(
            "training_batches needs a resolved recipe, in which flip is true or false: pass the "
            "result of resnet_keras.training.resolve, or set flip. Received: flip=None"
        )
    share = share or BatchShare.full(recipe.batch_size)
    steps = tf.data.Dataset.range(start, recipe.steps)
    indices = random.index_batches(recipe.seed, recipe.batch_size, len(train), start)
    steps_and_indices = tf.data.Dataset.zip(steps, indices)
    if isinstance(train, Files):
        batches = _batches_from_files(steps_and_indices, train, preprocessing, recipe, share)
    else:
        batches = _batches_from_memory(steps_and_indices, train, preprocessing, recipe, share)
    # The transformations lose the number of batches. Without it, Keras would ask for one batch
    # too many, and count a step that found none.
    cardinality = tf.data.experimental.assert_cardinality(recipe.steps - start)
    return batches.apply(cardinality).prefetch(_PREFETCHED_BATCHES)


def _batches_from_memory(
    steps_and_indices: tf.data.Dataset,
    train: Images,
    preprocessing: Preprocessing,
    recipe: Recipe,
    share: BatchShare,
) -> tf.data.Dataset:
    """Augments whole batches."""
    all_images, all_labels = tf.constant(train.images), tf.constant(train.labels)
    alternate = recipe.flip and recipe.alternate_flip
    flip_mask_of = augmentation.alternate_flip(recipe.seed, recipe.batch_size, len(train))

    @tf.autograph.experimental.do_not_convert
    def batch(step: tf.Tensor, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        flip_mask = share.take(flip_mask_of(step, indices)) if alternate else None
        indices = share.take(indices)
        images = normalize(tf.gather(all_images, indices), preprocessing)
        if recipe.lighting:
            lighting = augmentation.random_lighting(
                recipe.batch_size, recipe.seed, step, recipe.lighting
            )
            images = augmentation.add_lighting(images, share.take(lighting), preprocessing)
        images = augmentation.flip_and_crop(
            images, recipe.seed, step, recipe.pad, bool(recipe.flip), flip_mask, share
        )
        return images, tf.gather(all_labels, indices)

    # Two parallel calls suffice: these batches are cheap, and training needs the cores.
    return steps_and_indices.map(batch, num_parallel_calls=2, deterministic=True)


def _batches_from_files(
    steps_and_indices: tf.data.Dataset,
    train: Files,
    preprocessing: Preprocessing,
    recipe: Recipe,
    share: BatchShare,
) -> tf.data.Dataset:
    """Reads, decodes and augments the images one by one, on all cores.

    Functions are not converted by AutoGraph, which would take seconds at every start.
    """
    locations, all_labels = decoding.image_locations(train), tf.constant(train.labels)
    batch_size, seed = recipe.batch_size, recipe.seed
    pads = recipe.augmentation == "pad"
    alternate = recipe.flip and recipe.alternate_flip
    flip_mask_of = augmentation.alternate_flip(seed, batch_size, len(train))

    @tf.autograph.experimental.do_not_convert
    def plan(step: tf.Tensor, indices: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns what to do with each image of this share: one row per image."""
        draws = augmentation.crop_draws(batch_size, seed, step)
        random_flips = tf.logical_and(draws[:, 3] % 2 == 1, bool(recipe.flip))
        batch = {
            "step": tf.fill((batch_size,), step),
            "location": decoding.select_locations(locations, indices),
            "label": tf.gather(all_labels, indices),
            "draw": draws,
            "flip": flip_mask_of(step, indices) if alternate else random_flips,
            "lighting": augmentation.random_lighting(batch_size, seed, step, recipe.lighting),
        }
        return tf.nest.map_structure(share.take, batch)

    @tf.autograph.experimental.do_not_convert
    def image(row: dict[str, tf.Tensor]) -> tuple[tf.Tensor, ...]:
        """Returns one image, with what is still needed once the images are batched."""
        image_bytes = decoding.read_image_bytes(row["location"])
        if pads:
            pixels = resize(decode(image_bytes), preprocessing)
        else:
            size = preprocessing.size[0]
            pixels = augmentation.decode_and_crop(image_bytes, row["draw"], size, row["flip"])
        pixels = augmentation.normalize_with_lighting(pixels, row["lighting"], preprocessing)
        return pixels, row["label"], row["step"], row["flip"]

    @tf.autograph.experimental.do_not_convert
    def batch(
        images: tf.Tensor, labels: tf.Tensor, steps: tf.Tensor, flip_mask: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Applies the augmentation that works on whole batches."""
        if pads:
            images = augmentation.flip_and_crop(
                images, seed, steps[0], recipe.pad, bool(recipe.flip), flip_mask, share
            )
        return images, labels

    rows = steps_and_indices.map(plan).unbatch()
    images = rows.map(image, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return images.batch(share.count, drop_remainder=True).map(batch)
