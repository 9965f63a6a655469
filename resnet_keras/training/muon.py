"""Muon's step for the kernel of a convolution: along the momentum, made orthogonal.

Keller Jordan et al., *Muon: An optimizer for hidden layers in neural networks*, 2024,
https://kellerjordan.github.io/posts/muon. `keras.optimizers.Muon` takes Adam for everything that
is no matrix, a convolution's kernel included.
"""

import keras

# The quintic of Jordan et al.: a few rounds take every singular value of a matrix of unit length
# that is not tiny to about 1 (0.7 to 1.2), which is all the step needs.
_FIRST, _THIRD, _FIFTH = 3.4445, -4.7750, 2.0315
_ROUNDS = 5
# Keeps 0 from being divided by 0.
_TINY = 1e-12


def orthogonalized(kernel):
    """Returns the direction of Muon's step: all singular values of the kernel set to about 1.

    A kernel of shape `(height, width, channels in, filters)` is a matrix here, a filter a column.
    If its singular value decomposition is `U S V^T`, this is `U V^T`, over its length: the step
    moves alike along directions in which the gradients are large and those in which they are
    small. How large they are does not count: where there is no gradient any more, the momentum of
    old ones still is a direction.

    Args:
        kernel: a tensor; its last axis counts the filters.

    Returns:
        A tensor of the same shape and dtype, its Frobenius norm 1; 0 where `kernel` is 0.
    """
    x = keras.ops.reshape(kernel, (-1, kernel.shape[-1]))
    tall = x.shape[0] > x.shape[1]
    # The products are squares of the shorter side.
    x = _of_unit_length(keras.ops.transpose(x) if tall else x)
    for _ in range(_ROUNDS):
        square = x @ keras.ops.transpose(x)
        x = _FIRST * x + (_THIRD * square + _FIFTH * (square @ square)) @ x
    x = _of_unit_length(x)
    return keras.ops.reshape(keras.ops.transpose(x) if tall else x, kernel.shape)


def frobenius_norm(x):
    """Returns the length of a tensor, the root of the sum of its squares: a scalar.

    `keras.ops.norm` takes no more than two axes.
    """
    return keras.ops.sqrt(keras.ops.sum(keras.ops.square(x)))


def _of_unit_length(x):
    return x / (frobenius_norm(x) + _TINY)
