"""Helpers that all weight layouts share."""

from collections.abc import Mapping

import numpy as np

from resnet_keras import accounting
from resnet_keras.accounting import Layer
from resnet_keras.architectures import Architecture
from resnet_keras.errors import UsageError

CONVOLUTIONS = ("conv", "projection")


def weighted_layers(arch: Architecture, classes: int) -> tuple[Layer, ...]:
    """Returns the convolutions, the projections and the classifier of a network, in order.

    Args:
        arch: the network.
        classes: the number of classes.

    Example:

    >>> from resnet_keras.architectures import parse
    >>> [layer.name for layer in weighted_layers(parse("resnet8"), 10)][-2:]
    ['stage3_block1_conv2', 'logits']
    """
    return tuple(
        layer
        for layer in accounting.layers(arch, classes)
        if layer.kind in (*CONVOLUTIONS, "dense")
    )


def batch_norm_name(layer: Layer) -> str:
    """Returns the name of the batch normalization that follows a convolution in our networks.

    Args:
        layer: a convolution or a projection.

    Example:

    >>> from resnet_keras.architectures import parse
    >>> batch_norm_name(weighted_layers(parse("resnet8"), 10)[1])
    'stage1_block1_bn1'
    """
    if layer.kind == "projection":
        return f"{layer.name}_bn"
    return layer.name.replace("conv", "bn")


def count_classes(
    weights: Mapping[str, np.ndarray], classifier_kernel: str, axis: int
) -> int | None:
    """Returns the number of classes of a classifier.

    Args:
        weights: the arrays by name.
        classifier_kernel: the name of the classifier's kernel.
        axis: the axis of the kernel along which the classes are.

    Returns:
        The number of classes, or `None` if there is no such matrix.

    Example:

    >>> count_classes({"fc.weight": np.zeros((1000, 512))}, "fc.weight", axis=0)
    1000
    """
    kernel = weights.get(classifier_kernel)
    return int(kernel.shape[axis]) if kernel is not None and kernel.ndim == 2 else None


def check_projection(arch: Architecture, layout: str) -> None:
    """Checks that a network does not have the projections that only this program implements.

    Args:
        arch: the network.
        layout: the name of the layout, for the error message.

    Raises:
        UsageError: if the network has `average` projections.

    Example:

    >>> from resnet_keras.architectures import parse
    >>> check_projection(parse("resnet20", "B", "average"), "cifar")
    Traceback (most recent call last):
    resnet_keras.errors.UsageError: the cifar layout does not support the projection 'average'
    """
    if arch.projection != "conv_bn":
        raise UsageError(f"the {layout} layout does not support the projection {arch.projection!r}")
