"""The plain and residual networks for CIFAR-10 (section 4.2) and ImageNet (Table 1)."""

import keras

from resnet_keras.architectures import Architecture
from resnet_keras.models.layers import (
    batch_norm,
    convolution,
    global_average_pool,
    logits,
    relu,
)
from resnet_keras.models.shortcuts import shortcut


def resnet(x: keras.KerasTensor, arch: Architecture, classes: int | None) -> keras.KerasTensor:
    """Applies a plain or residual network: stem, stages of blocks, global pooling, classifier.

    The first block of every stage but the first one halves the feature maps with stride 2.

    Args:
        x: preprocessed images, `(N, H, W, 3)`.
        arch: the network. Its `option` is `None` for a plain network.
        classes: the number of classes; `None` leaves out pooling and classifier.

    Returns:
        Logits `(N, classes)`, float32, or the feature maps of the last stage.

    Example:

    >>> from resnet_keras.architectures import parse
    >>> resnet(keras.Input((32, 32, 3)), parse("resnet8"), classes=10).shape
    (None, 10)
    >>> resnet(keras.Input((32, 32, 3)), parse("resnet8"), classes=None).shape
    (None, 8, 8, 64)
    """
    x = _cifar_stem(x) if arch.family == "cifar" else _imagenet_stem(x)
    block = _bottleneck_block if arch.block == "bottleneck" else _basic_block
    for stage, (count, filters) in enumerate(zip(arch.blocks, arch.filters, strict=True), 1):
        for index in range(1, count + 1):
            stride = 2 if stage > 1 and index == 1 else 1
            x = block(x, filters, stride, arch, name=f"stage{stage}_block{index}")
    if classes is None:
        return x
    x = global_average_pool(x, name="pool")
    return logits(x, classes)


def _cifar_stem(x: keras.KerasTensor) -> keras.KerasTensor:
    """A 3x3 convolution with 16 filters (section 4.2)."""
    x = convolution(x, 16, 3, 1, name="conv1")
    x = batch_norm(x, name="bn1")
    return relu(x, name="relu1")


def _imagenet_stem(x: keras.KerasTensor) -> keras.KerasTensor:
    """A 7x7 convolution with 64 filters and 3x3 max pooling, both with stride 2 (Table 1)."""
    x = convolution(x, 64, 7, 2, name="conv1")
    x = batch_norm(x, name="bn1")
    x = relu(x, name="relu1")
    # Zero padding is equivalent to padding with minus infinity: ReLU outputs are never negative.
    x = keras.layers.ZeroPadding2D(1, data_format="channels_last", name="pool1_pad")(x)
    return keras.layers.MaxPooling2D(3, strides=2, data_format="channels_last", name="pool1")(x)


def _basic_block(
    x: keras.KerasTensor, filters: int, stride: int, arch: Architecture, name: str
) -> keras.KerasTensor:
    """Two 3x3 convolutions (Fig. 5, left)."""
    y = convolution(x, filters, 3, stride, name=f"{name}_conv1")
    y = batch_norm(y, name=f"{name}_bn1")
    y = relu(y, name=f"{name}_relu1")
    y = convolution(y, filters, 3, 1, name=f"{name}_conv2")
    y = batch_norm(y, name=f"{name}_bn2")
    y = _add_shortcut(x, y, stride, arch, name)
    return relu(y, name=f"{name}_relu2")


def _bottleneck_block(
    x: keras.KerasTensor, filters: int, stride: int, arch: Architecture, name: str
) -> keras.KerasTensor:
    """1x1, 3x3 and 1x1 convolutions (Fig. 5, right). The last one has four times the channels.

    In the paper, the first 1x1 convolution has the stride of the block.
    """
    first, second = (stride, 1) if arch.bottleneck_stride == "1x1" else (1, stride)
    y = convolution(x, filters, 1, first, name=f"{name}_conv1")
    y = batch_norm(y, name=f"{name}_bn1")
    y = relu(y, name=f"{name}_relu1")
    y = convolution(y, filters, 3, second, name=f"{name}_conv2")
    y = batch_norm(y, name=f"{name}_bn2")
    y = relu(y, name=f"{name}_relu2")
    y = convolution(y, arch.expansion * filters, 1, 1, name=f"{name}_conv3")
    y = batch_norm(y, name=f"{name}_bn3")
    y = _add_shortcut(x, y, stride, arch, name)
    return relu(y, name=f"{name}_relu3")


def _add_shortcut(
    x: keras.KerasTensor, y: keras.KerasTensor, stride: int, arch: Architecture, name: str
) -> keras.KerasTensor:
    """Adds the shortcut before the last ReLU (Fig. 2), unless the network is plain."""
    if not arch.residual:
        return y
    return keras.layers.Add(name=f"{name}_add")([y, shortcut(x, y.shape[-1], stride, arch, name)])
