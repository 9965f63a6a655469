"""What all layouts of foreign weights share: our layers, and how theirs are asked for."""

from collections.abc import Mapping

import numpy as np

from resnet_keras import accounting
from resnet_keras.accounting import Layer
from resnet_keras.architectures import Architecture
from resnet_keras.errors import UsageError

CONVOLUTIONS = ("conv", "projection")


def weighted_layers(arch: Architecture, classes: int) -> tuple[Layer, ...]:
    """Returns the convolutions, projections and the classifier of a network, in order."""
    return tuple(
        layer
        for layer in accounting.layers(arch, classes)
        if layer.kind in (*CONVOLUTIONS, "dense")
    )


def norm_name(layer: Layer) -> str:
    """Returns the name of the batch normalization behind a convolution of ours."""
    if layer.kind == "projection":
        return f"{layer.name}_bn"
    return layer.name.replace("conv", "bn")


def classes_of(weights: Mapping[str, np.ndarray], classifier: tuple[str, int]) -> int | None:
    """Returns how many classes a classifier has.

    Args:
        weights: the arrays, by name.
        classifier: the name of its kernel, and the axis of the classes.

    Returns:
        The number; `None` where there is no such matrix.
    """
    name, axis = classifier
    kernel = weights.get(name)
    return int(kernel.shape[axis]) if kernel is not None and kernel.ndim == 2 else None


def refuse_average(arch: Architecture, layout: str) -> None:
    """Raises `UsageError` for projections that only this program has."""
    if arch.projection != "conv_bn":
        raise UsageError(f"the {layout} layout has no projection {arch.projection!r}: leave it out")
