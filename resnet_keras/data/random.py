"""Which images a step sees: a pure function of (seed, step)."""

import tensorflow as tf

# Each use of randomness has a tag of its own, so that no two of them draw the same numbers.
_ORDER_TAG = 1
_FOREVER = 2**62


def permutation(seed: int, epoch, examples: int):
    """Returns the order of one epoch: int64 `(examples,)`, every index once.

    Args:
        seed: of the run.
        epoch: int64 scalar, from 0 on.
        examples: images in the training set.
    """
    key = tf.stack([tf.constant(_ORDER_TAG * 2**32 + seed, tf.int64), tf.cast(epoch, tf.int64)])
    # Made whole, once an epoch. `RandomIndexShuffle` would give any single place without the
    # rest, but its cipher favours some places visibly where `examples` is no power of two.
    return tf.random.experimental.stateless_shuffle(
        tf.range(examples, dtype=tf.int64), seed=key, alg="philox"
    )


def index_batches(seed: int, batch_size: int, examples: int, start: int = 0) -> tf.data.Dataset:
    """Yields the indices of the images in each step's batch, from the step `start` on, endlessly.

    The steps' batches, laid end to end, run through one random order of all images after the
    other: epoch 0's, epoch 1's, … A batch may hold the end of one and the beginning of the next.

    Returns:
        A dataset of int64 `(batch_size,)`, each in `[0, examples)`.
    """
    first = start * batch_size

    @tf.autograph.experimental.do_not_convert
    def epoch_indices(epoch):
        return tf.data.Dataset.from_tensor_slices(permutation(seed, epoch, examples))

    stream = tf.data.Dataset.range(first // examples, _FOREVER).flat_map(epoch_indices)
    return stream.skip(first % examples).batch(batch_size, drop_remainder=True)
