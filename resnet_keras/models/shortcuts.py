"""The shortcut connections of section 4.1: options A, B and C."""

import keras

from resnet_keras.architectures import Architecture
from resnet_keras.models.layers import batch_norm, convolution


def shortcut(
    x: keras.KerasTensor, channels: int, stride: int, arch: Architecture, name: str
) -> keras.KerasTensor:
    """Returns what a block adds to its residual function: `H(x) = F(x) + shortcut(x)`.

    - Option A: identity shortcuts. Where the shape changes, the shortcut subsamples and pads the
      new channels with zeros, so that no shortcut has parameters.
    - Option B: projections where the shape changes, identity shortcuts elsewhere.
    - Option C: projections everywhere.

    Args:
        x: the input of the block, `(N, H, W, C)`.
        channels: the channels of the block's output.
        stride: the stride of the block.
        arch: the network, which has the option and the kind of projection.
        name: the name of the block. The layers of the shortcut are named after it.

    Returns:
        `(N, ceil(H / stride), ceil(W / stride), channels)`.

    Example:

    >>> from resnet_keras.architectures import parse
    >>> x = keras.Input((32, 32, 16))
    >>> shortcut(x, 32, 2, parse("resnet20", "A"), "stage2_block1").shape
    (None, 16, 16, 32)
    >>> shortcut(x, 16, 1, parse("resnet20", "B"), "stage1_block1") is x
    True
    """
    changes_shape = stride != 1 or x.shape[-1] != channels
    if arch.option == "A":
        return _zero_padding(x, channels, stride, name) if changes_shape else x
    if arch.option == "B":
        return _projection(x, channels, stride, arch, name) if changes_shape else x
    return _projection(x, channels, stride, arch, name)


def _zero_padding(x: keras.KerasTensor, channels: int, stride: int, name: str) -> keras.KerasTensor:
    sides = (None if side is None else -(-side // stride) for side in x.shape[1:3])
    return keras.layers.Lambda(
        zero_padding_shortcut,
        output_shape=(*sides, channels),
        arguments={"stride": stride, "channels": channels},
        name=f"{name}_shortcut",
    )(x)


@keras.saving.register_keras_serializable(package="resnet_keras")
def zero_padding_shortcut(x: keras.KerasTensor, stride: int, channels: int) -> keras.KerasTensor:
    """Takes every `stride`-th pixel and pads the channels with zeros. It has no parameters.

    Args:
        x: `(N, H, W, C)`.
        stride: the step in both directions, starting at pixel 0.
        channels: the channels of the result, at least C. The new ones come last.

    Returns:
        `(N, ceil(H / stride), ceil(W / stride), channels)`, of the dtype of `x`.

    Example:

    >>> x = keras.ops.ones((1, 4, 4, 2))
    >>> [int(value) for value in zero_padding_shortcut(x, stride=2, channels=3)[0, 1, 1]]
    [1, 1, 0]
    """
    x = x[:, ::stride, ::stride, :]
    return keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, channels - x.shape[-1])))


def _projection(
    x: keras.KerasTensor, channels: int, stride: int, arch: Architecture, name: str
) -> keras.KerasTensor:
    if arch.projection == "average":
        # At initialization, each output channel is the mean of the input channels.
        return keras.layers.Conv2D(
            channels,
            1,
            strides=stride,
            kernel_initializer=keras.initializers.Constant(1.0 / x.shape[-1]),
            bias_initializer="zeros",
            data_format="channels_last",
            name=f"{name}_projection",
        )(x)
    x = convolution(x, channels, 1, stride, name=f"{name}_projection")
    return batch_norm(x, name=f"{name}_projection_bn")
