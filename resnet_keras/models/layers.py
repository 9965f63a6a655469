"""The layers of all networks, with the settings that they share."""

import keras

from resnet_keras.architectures import CLASSIFIER
from resnet_keras.models.batch_norm import BatchNormalization

BN_MOMENTUM = 0.9
BN_EPSILON = 1e-5


def he_normal() -> keras.initializers.Initializer:
    """Returns the initializer of section 3.4: Gaussian with standard deviation sqrt(2 / fan-in).

    `keras.initializers.HeNormal` has the same variance, but truncates the Gaussian at two standard
    deviations.

    Example:

    >>> kernel = he_normal()((3, 3, 16, 1000))
    >>> round(float(keras.ops.std(kernel)) * (3 * 3 * 16 / 2) ** 0.5, 1)
    1.0
    """
    return keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal")


def convolution(
    x: keras.KerasTensor,
    filters: int,
    kernel_size: int,
    stride: int,
    name: str,
    use_bias: bool = False,
) -> keras.KerasTensor:
    """Applies a convolution with a square kernel, padded so that stride 1 keeps height and width.

    With a stride, `padding="same"` pads only on the right and at the bottom, and the centres of the
    kernel miss the pixels 0, 2, 4, … that the shortcut of option A samples by one. Therefore all
    four sides are padded equally.

    Args:
        x: `(N, H, W, C)`.
        filters: the number of filters.
        kernel_size: the side of the kernel in pixels, an odd number.
        stride: the stride in both directions.
        name: the name of the layer.
        use_bias: whether the layer has a bias. Batch normalization makes it redundant.

    Returns:
        `(N, ceil(H / stride), ceil(W / stride), filters)`.

    Example:

    >>> convolution(keras.Input((32, 32, 3)), 16, 3, 2, name="conv1").shape
    (None, 16, 16, 16)
    """
    padding = "same"
    if stride > 1 and kernel_size > 1:
        x = keras.layers.ZeroPadding2D(
            (kernel_size - 1) // 2, data_format="channels_last", name=f"{name}_pad"
        )(x)
        padding = "valid"
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        strides=stride,
        padding=padding,
        use_bias=use_bias,
        kernel_initializer=he_normal(),
        data_format="channels_last",
        name=name,
    )(x)


def batch_norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Applies batch normalization, which follows every convolution (section 3.4).

    Args:
        x: `(N, H, W, C)`.
        name: the name of the layer.

    Returns:
        A tensor of the same shape.

    Example:

    >>> batch_norm(keras.Input((32, 32, 16)), name="bn1").shape
    (None, 32, 32, 16)
    """
    return BatchNormalization(momentum=BN_MOMENTUM, epsilon=BN_EPSILON, name=name)(x)


def relu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Applies a rectified linear unit.

    Args:
        x: a tensor of any shape.
        name: the name of the layer.

    Returns:
        A tensor of the same shape.

    Example:

    >>> relu(keras.Input((32, 32, 16)), name="relu1").shape
    (None, 32, 32, 16)
    """
    return keras.layers.ReLU(name=name)(x)


def global_average_pool(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Averages over height and width, in float32 also under mixed precision.

    A mean in bfloat16 would cost accuracy and save almost no time.

    Args:
        x: `(N, H, W, C)`.
        name: the name of the layer.

    Returns:
        `(N, C)`, float32.

    Example:

    >>> global_average_pool(keras.Input((8, 8, 64)), name="pool").shape
    (None, 64)
    """
    return keras.layers.GlobalAveragePooling2D(
        data_format="channels_last", dtype="float32", name=name
    )(x)


def logits(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """Applies the dense layer that ends every network, in float32 also under mixed precision.

    Args:
        x: features `(N, C)`.
        classes: the number of classes.

    Returns:
        Logits `(N, classes)`, float32.

    Example:

    >>> logits(keras.Input((64,)), classes=10).shape
    (None, 10)
    """
    return keras.layers.Dense(
        classes, kernel_initializer=he_normal(), dtype="float32", name=CLASSIFIER
    )(x)
