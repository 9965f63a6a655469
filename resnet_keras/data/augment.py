"""The augmentation of section 4.2, a whole batch at a time and decided by (seed, step) alone."""

import tensorflow as tf

from resnet_keras.data.share import Share

# Each use of randomness has a tag of its own, so that no two of them draw the same numbers.
_AUGMENT_TAG = 2
_MIRROR_TAG = 3


def flip_and_crop(
    images, seed: int, step, pad: int, flip: bool, mirrored=None, share: Share | None = None
):
    """Mirrors half of the images, pads all with zeros and cuts the old size out at random.

    Args:
        images: `(N, H, W, C)`, mean already subtracted: the zeros are the mean image.
        seed: of the run.
        step: int64 scalar, the training step the batch is for.
        pad: pixels on each side; 0 does not crop.
        flip: whether to mirror.
        mirrored: bool `(N,)`, which images to mirror where that is not left to chance.
        share: which images of the step's batch these are; `None` for all of them.

    Returns:
        Images of the same shape and dtype. Each image is, independently of the others, one of
        the `(2 pad + 1)²` crops of itself or of its mirror image, all equally likely.
    """
    count, height, width, channels = (int(side) for side in images.shape)
    share = share or Share.all(count)
    by_chance, top, left = (
        share.of(drawn) for drawn in _choices(share.batch_size, seed, step, pad, flip)
    )
    mirrored = by_chance if mirrored is None else mirrored
    padded = tf.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    # One gather does it all: for each pixel of the result, the pixel of the padded original.
    # In the padded mirror image, column x holds what column (width - 1 - x) of the padded
    # original does, counted over the padded width.
    rows = top[:, None] + tf.range(height)
    columns = left[:, None] + tf.range(width)
    padded_width = width + 2 * pad
    columns = tf.where(mirrored[:, None], padded_width - 1 - columns, columns)
    first = tf.range(count) * (height + 2 * pad)
    pixels = (first[:, None, None] + rows[:, :, None]) * padded_width + columns[:, None, :]
    return tf.gather(tf.reshape(padded, (-1, channels)), pixels)


def alternately_mirrored(seed: int, batch_size: int, examples: int):
    """Returns a function that says which images of a batch are mirrored: half of all in the first
    epoch, by chance, the others in the second, and so on. No image is seen the same way round
    twice in a row (as in K. Jordan, *94% on CIFAR-10 in 3.29 Seconds*, arXiv:2404.00498).

    Args:
        seed: of the run.
        batch_size: images a step.
        examples: images in the training set.

    Returns:
        A function of the step, int64 scalar, and its images' indices, int64 `(batch_size,)`, to
        bool `(batch_size,)`.
    """
    key = tf.constant([_MIRROR_TAG * 2**32 + seed, 0], tf.int64)
    first = tf.random.stateless_uniform(
        (examples,), seed=key, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )
    first = tf.cast(first % 2, tf.int64)

    def mirrored(step, indices):
        places = tf.cast(step, tf.int64) * batch_size + tf.range(batch_size, dtype=tf.int64)
        return (tf.gather(first, indices) + places // examples) % 2 == 1

    return mirrored


def _choices(count, seed, step, pad, flip):
    draws = tf.random.stateless_uniform(
        (3, count),
        seed=tf.stack(
            [tf.constant(_AUGMENT_TAG * 2**32 + seed, tf.int64), tf.cast(step, tf.int64)]
        ),
        minval=None,
        maxval=None,
        dtype=tf.uint32,
        alg="philox",  # the same numbers on every device
    )
    # 2^32 is no multiple of 9; the excess of some offsets is a four-hundred-millionth.
    draws = tf.cast(tf.cast(draws, tf.int64) % [[2], [2 * pad + 1], [2 * pad + 1]], tf.int32)
    mirrored = tf.logical_and(draws[0] == 1, flip)
    return mirrored, draws[1], draws[2]
