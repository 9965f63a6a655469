"""The layers before the first stage."""

import keras

from resnet_keras.architectures import Architecture
from resnet_keras.models.layers import batch_norm, convolution, relu
from resnet_keras.models.shortcuts import shortcut


def cifar_stem(x):
    """3x3 convolution with 16 filters (section 4.2)."""
    x = convolution(x, 16, 3, 1, name="conv1")
    x = batch_norm(x, name="bn1")
    return relu(x, name="relu1")


def imagenet_stem(x):
    """7x7 convolution with 64 filters and 3x3 max pooling, both of stride 2 (Table 1)."""
    x = convolution(x, 64, 7, 2, name="conv1")
    x = batch_norm(x, name="bn1")
    x = relu(x, name="relu1")
    # Zeros pad as well as minus infinity would: what ReLU puts out is never below them.
    x = keras.layers.ZeroPadding2D(1, data_format="channels_last", name="pool1_pad")(x)
    return keras.layers.MaxPooling2D(3, strides=2, data_format="channels_last", name="pool1")(x)


def basic_block(x, filters: int, stride: int, arch: Architecture, name: str):
    """Two 3x3 convolutions (Fig. 5, left); in a residual network the shortcut is added before
    the last ReLU."""
    y = convolution(x, filters, 3, stride, name=f"{name}_conv1")
    y = batch_norm(y, name=f"{name}_bn1")
    y = relu(y, name=f"{name}_relu1")
    y = convolution(y, filters, 3, 1, name=f"{name}_conv2")
    y = batch_norm(y, name=f"{name}_bn2")
    return _close(x, y, stride, arch, name, last=2)


def bottleneck_block(x, filters: int, stride: int, arch: Architecture, name: str):
    """1x1, 3x3 and 1x1 convolutions (Fig. 5, right), the last with four times the channels.

    The paper's first 1x1 convolution has the block's stride.
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
    return _close(x, y, stride, arch, name, last=3)


def _close(x, y, stride, arch, name, last):
    if arch.residual:
        y = keras.layers.Add(name=f"{name}_add")([y, shortcut(x, y.shape[-1], stride, arch, name)])
    return relu(y, name=f"{name}_relu{last}")


def stages(x, arch: Architecture):
    """Stacks all blocks. The first block of every stage but the first has stride 2."""
    block = bottleneck_block if arch.block == "bottleneck" else basic_block
    for stage, (count, filters) in enumerate(zip(arch.blocks, arch.filters, strict=True), 1):
        for index in range(1, count + 1):
            stride = 2 if stage > 1 and index == 1 else 1
            x = block(x, filters, stride, arch, name=f"stage{stage}_block{index}")
    return x
