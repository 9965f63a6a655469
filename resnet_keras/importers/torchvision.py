"""The layout of torchvision's `state_dict`. Most other PyTorch layouts are variants of it.

The kernel of a convolution has the axes OIHW and that of a dense layer (outputs, inputs); in Keras
they are HWIO and (inputs, outputs). `downsample` is the projection of option B. ResNet-50 to 152
have their stride in the 3x3 convolution ("v1.5").
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from resnet_keras.accounting import Layer
from resnet_keras.architectures import Architecture
from resnet_keras.errors import UsageError
from resnet_keras.importers import TORCHVISION
from resnet_keras.importers.layers import (
    CONVOLUTIONS,
    batch_norm_name,
    check_projection,
    weighted_layers,
)
from resnet_keras.preprocessing import Preprocessing

NAME = TORCHVISION
# The kernel of the classifier, and its axis of classes.
CLASSIFIER_KERNEL, CLASSES_AXIS = "fc.weight", 0
# Of ImageNet's training images, with values in [0, 1].
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

# The arrays of batch normalization, and the Keras variables that they become.
_BATCH_NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


@dataclass(frozen=True)
class ModuleNames:
    """The names of the modules in which the PyTorch layouts differ.

    Attributes:
        projection: the shortcut of a block.
        classifier: the last layer.
    """

    projection: str = "downsample"
    classifier: str = "fc"


def check(arch: Architecture) -> None:
    """Checks that torchvision has a network.

    Args:
        arch: the network.

    Raises:
        UsageError: if torchvision does not have it.

    Example:

    >>> from resnet_keras.architectures import parse
    >>> check(parse("resnet50"))
    """
    check_projection(arch, NAME)
    if arch.family != "imagenet" or arch.option == "A":
        raise UsageError(
            f"the {NAME} layout supports ResNet-18 to ResNet-152 with projections (option B). "
            f"Received: {arch.label}"
        )


def expected_shapes(
    arch: Architecture, classes: int, names: ModuleNames | None = None
) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of all arrays of a network in this layout.

    Args:
        arch: the network.
        classes: the number of classes.
        names: the names of the layout's modules; `None` selects those of torchvision.

    Returns:
        The shapes by name.

    Example:

    >>> from resnet_keras.architectures import parse
    >>> shapes = expected_shapes(parse("resnet18", "B"), classes=1000)
    >>> shapes["conv1.weight"], shapes["fc.weight"]
    ((64, 3, 7, 7), (1000, 512))
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in weighted_layers(arch, classes):
        weighted, norm = _module_names(layer, names or ModuleNames())
        if layer.kind in CONVOLUTIONS:
            kernel = (layer.kernel, layer.kernel)
            shapes[f"{weighted}.weight"] = (layer.out_channels, layer.in_channels, *kernel)
            shapes |= {f"{norm}.{name}": (layer.out_channels,) for name in _BATCH_NORM}
        else:
            shapes[f"{weighted}.weight"] = (layer.out_channels, layer.in_channels)
            shapes[f"{weighted}.bias"] = (layer.out_channels,)
    return shapes


def convert(
    arch: Architecture,
    weights: Mapping[str, np.ndarray],
    classes: int,
    names: ModuleNames | None = None,
) -> dict[str, np.ndarray]:
    """Converts the arrays of this layout to the variables of our networks.

    Args:
        arch: the network.
        weights: arrays with the names and shapes of `expected_shapes`.
        classes: the number of classes.
        names: the names of the layout's modules; `None` selects those of torchvision.

    Returns:
        The variables by `layer/variable`.

    Example:

    >>> from resnet_keras.architectures import parse
    >>> arch = parse("resnet18", "B")
    >>> shapes = expected_shapes(arch, classes=1000)
    >>> weights = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    >>> convert(arch, weights, classes=1000)["conv1/kernel"].shape
    (7, 7, 3, 64)
    """
    variables = {}
    for layer in weighted_layers(arch, classes):
        weighted, norm = _module_names(layer, names or ModuleNames())
        kernel = weights[f"{weighted}.weight"]
        if layer.kind in CONVOLUTIONS:
            variables[f"{layer.name}/kernel"] = kernel.transpose(2, 3, 1, 0)
            for array, variable in _BATCH_NORM.items():
                variables[f"{batch_norm_name(layer)}/{variable}"] = weights[f"{norm}.{array}"]
        else:
            variables[f"{layer.name}/kernel"] = kernel.T
            variables[f"{layer.name}/bias"] = weights[f"{weighted}.bias"]
    return variables


def preprocessing(class_names: tuple[str, ...]) -> Preprocessing:
    """Returns the preprocessing of torchvision's networks: 224 pixels cropped from 256.

    Args:
        class_names: the names of the classes.

    Example:

    >>> preprocessing(("cat", "dog")).size
    (224, 224)
    """
    return Preprocessing(
        size=(224, 224),
        resize="crop",
        shorter_side=256,
        scale=1 / 255,
        mean=np.array(MEAN, np.float32),
        std=STD,
        class_names=class_names,
    )


def _module_names(layer: Layer, names: ModuleNames) -> tuple[str, str]:
    """Returns the module names of a layer and its batch normalization, empty if it has none."""
    if layer.kind == "dense":
        return names.classifier, ""
    block = "" if layer.block is None else f"layer{layer.stage[-1]}.{layer.block - 1}."
    if layer.kind == "projection":
        return f"{block}{names.projection}.0", f"{block}{names.projection}.1"
    number = layer.name[-1]
    return f"{block}conv{number}", f"{block}bn{number}"
