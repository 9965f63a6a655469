"""The random numbers of training batches: every one is a function of (seed, step).

There is no random state. Each draw is a stateless Philox draw with a key of its own::

    key = (stream * 2**32 + seed, counter)

`stream` is a `RandomStream`, one for each use of randomness, so that no two uses draw the same
numbers. `seed` is the recipe's, below 2**31. `counter` is the step, or the epoch that the step
belongs to; see `RandomStream`. Philox gives the same numbers on every device.

A batch is always drawn as a whole, even where several processes each make a part of it
(`BatchShare`), so it does not depend on the number of processes.
"""

import enum

import tensorflow as tf

_MAX_EPOCHS = 2**62


@enum.unique
class RandomStream(enum.IntEnum):
    """What random numbers are used for. The values are part of the key; never change them.

    Attributes:
        ORDER: the order of the images in an epoch; see `permutation`. The counter is the epoch.
        FLIP_AND_CROP: for each image of a batch, whether it is flipped, and the offset of its
            crop from the padded image; see `augmentation.flip_and_crop`. The counter is the step.
        FIRST_FLIP: for each image of the training set, whether it is flipped in the first epoch;
            see `augmentation.alternate_flip`. It is drawn once per run; the counter is 0.
        SCALE_AND_CROP: for each image file of a batch, its scale, the offset of its crop, and
            whether it is flipped; see `augmentation.crop_draws`. The counter is the step.
        LIGHTING: for each image of a batch, the factor of each principal component of color;
            see `augmentation.random_lighting`. The counter is the step.

    Example:

    >>> RandomStream.ORDER.value, RandomStream.LIGHTING.value
    (1, 5)
    """

    ORDER = 1
    FLIP_AND_CROP = 2
    FIRST_FLIP = 3
    SCALE_AND_CROP = 4
    LIGHTING = 5


def random_key(stream: RandomStream, seed: int, counter: tf.Tensor) -> tf.Tensor:
    """Returns the key of one draw.

    Args:
        stream: what the numbers are used for.
        seed: the seed of the run, at least 0 and below 2**31.
        counter: integer scalar, usually the step.

    Returns:
        int64 `(2,)`, for the argument `seed` of TensorFlow's stateless operations.

    Example:

    >>> random_key(RandomStream.LIGHTING, seed=7, counter=1000).numpy().tolist()
    [21474836487, 1000]
    """
    return tf.stack([tf.constant(int(stream) * 2**32 + seed, tf.int64), tf.cast(counter, tf.int64)])


def random_bits(
    stream: RandomStream, seed: int, counter: tf.Tensor, shape: tuple[int, ...]
) -> tf.Tensor:
    """Returns uniform random integers from 0 to 2**32 - 1.

    Args:
        stream: what the numbers are used for.
        seed: the seed of the run.
        counter: integer scalar, usually the step.
        shape: the shape of the result.

    Returns:
        int64 of shape `shape`. Take them modulo n for integers below n: for the small n of
        augmentation, the bias is below one part in a million.

    Example:

    >>> bits = random_bits(RandomStream.FLIP_AND_CROP, seed=0, counter=3, shape=(2, 4))
    >>> bits.shape.as_list(), bool(tf.reduce_all((bits >= 0) & (bits < 2**32)))
    ([2, 4], True)
    """
    bits = tf.random.stateless_uniform(
        shape,
        seed=random_key(stream, seed, counter),
        minval=None,
        maxval=None,
        dtype=tf.uint32,
        alg="philox",
    )
    return tf.cast(bits, tf.int64)


def random_normal(
    stream: RandomStream, seed: int, counter: tf.Tensor, shape: tuple[int, ...], stddev: float
) -> tf.Tensor:
    """Returns normally distributed random numbers with mean 0.

    Args:
        stream: what the numbers are used for.
        seed: the seed of the run.
        counter: integer scalar, usually the step.
        shape: the shape of the result.
        stddev: the standard deviation.

    Returns:
        float32 of shape `shape`.

    Example:

    >>> random_normal(RandomStream.LIGHTING, seed=0, counter=3, shape=(2, 3), stddev=0.1).shape
    TensorShape([2, 3])
    """
    key = random_key(stream, seed, counter)
    return tf.random.stateless_normal(shape, seed=key, stddev=stddev, alg="philox")


def permutation(seed: int, epoch: tf.Tensor, examples: int) -> tf.Tensor:
    """Returns the order of the images in one epoch.

    Args:
        seed: the seed of the run.
        epoch: integer scalar, counted from 0.
        examples: the number of images in the training set.

    Returns:
        int64 `(examples,)`, every index once.

    Example:

    >>> sorted(permutation(seed=0, epoch=2, examples=5).numpy().tolist())
    [0, 1, 2, 3, 4]
    """
    # The order is computed as a whole, once per epoch. `RandomIndexShuffle` would give single
    # elements without the rest, but its cipher visibly favors some positions if `examples` is
    # not a power of two.
    return tf.random.experimental.stateless_shuffle(
        tf.range(examples, dtype=tf.int64),
        seed=random_key(RandomStream.ORDER, seed, epoch),
        alg="philox",
    )


def index_batches(seed: int, batch_size: int, examples: int, start: int = 0) -> tf.data.Dataset:
    """Returns an infinite dataset of the indices of the images in each step's batch.

    The batches are consecutive slices of one sequence: the random order of epoch 0, then that of
    epoch 1, and so on. A batch may contain the end of one epoch and the beginning of the next.

    Args:
        seed: the seed of the run.
        batch_size: the number of images per step.
        examples: the number of images in the training set.
        start: the first step.

    Returns:
        A dataset of int64 `(batch_size,)`, each in `[0, examples)`.

    Example:

    >>> first, second = index_batches(seed=0, batch_size=3, examples=6).take(2)
    >>> sorted([*first.numpy().tolist(), *second.numpy().tolist()])
    [0, 1, 2, 3, 4, 5]
    >>> (again,) = index_batches(seed=0, batch_size=3, examples=6, start=1).take(1)
    >>> bool(tf.reduce_all(again == second))
    True
    """
    first = start * batch_size

    @tf.autograph.experimental.do_not_convert
    def epoch_indices(epoch: tf.Tensor) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(permutation(seed, epoch, examples))

    epochs = tf.data.Dataset.range(first // examples, _MAX_EPOCHS)
    indices = epochs.flat_map(epoch_indices).skip(first % examples)
    return indices.batch(batch_size, drop_remainder=True)
