"""VGG-19, the reference in section 3.3 and Fig. 3 (Simonyan and Zisserman, 2014, model E)."""

import keras

from resnet_keras.architectures import Architecture
from resnet_keras.models.layers import convolution, he_normal, logits, relu


def vgg(x: keras.KerasTensor, arch: Architecture, classes: int | None) -> keras.KerasTensor:
    """Applies VGG: stages of 3x3 convolutions that end in max pooling, then three dense layers.

    The convolutions have biases and no batch normalization.

    Args:
        x: preprocessed images `(N, H, W, 3)`. H and W are fixed, because the first dense layer
            takes the flattened feature maps.
        arch: the network, which has the number of convolutions and filters of each stage.
        classes: the number of classes; `None` leaves out the dense layers.

    Returns:
        Logits `(N, classes)`, float32, or the feature maps of the last stage.

    Example:

    >>> from resnet_keras.architectures import parse
    >>> vgg(keras.Input((64, 64, 3)), parse("vgg19"), classes=None).shape
    (None, 2, 2, 512)
    """
    for stage, (count, filters) in enumerate(zip(arch.blocks, arch.filters, strict=True), 1):
        for index in range(1, count + 1):
            name = f"stage{stage}_conv{index}"
            x = convolution(x, filters, 3, 1, name=name, use_bias=True)
            x = relu(x, name=f"{name}_relu")
        x = keras.layers.MaxPooling2D(
            2, strides=2, data_format="channels_last", name=f"stage{stage}_pool"
        )(x)
    if classes is None:
        return x
    x = keras.layers.Flatten(data_format="channels_last", name="flatten")(x)
    for index in (1, 2):
        x = keras.layers.Dense(4096, kernel_initializer=he_normal(), name=f"dense{index}")(x)
        x = relu(x, name=f"dense{index}_relu")
    return logits(x, classes)
