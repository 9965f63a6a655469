"""torchvision's names and shapes, which the PyTorch world builds its other layouts after.

A convolution's kernel is OIHW, a dense layer's (outputs, inputs); ours are HWIO and
(inputs, outputs). `downsample` is the projection of option B. Its ResNet-50 to 152 stride in the
3x3 convolution ("v1.5").
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from resnet_keras.accounting import Layer
from resnet_keras.architectures import Architecture
from resnet_keras.errors import UsageError
from resnet_keras.importers.layers import CONVOLUTIONS, norm_name, refuse_average, weighted_layers
from resnet_keras.preprocessing import Preprocessing

NAME = "torchvision"
CLASSIFIER = ("fc.weight", 0)
# Over ImageNet's training images, of values in [0, 1].
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

_NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


@dataclass(frozen=True)
class Spelling:
    """What a layout calls the `projection` inside a block, and the `classifier`."""

    projection: str = "downsample"
    classifier: str = "fc"


def check(arch: Architecture) -> None:
    """Raises `UsageError` for a network that this layout has no names for."""
    refuse_average(arch, NAME)
    if arch.family != "imagenet" or arch.option == "A":
        raise UsageError(
            f"the {NAME} layout is for ResNet-18 to 152 with projections (option B). "
            f"Received: {arch.label}"
        )


def expected(
    arch: Architecture, classes: int, spelling: Spelling | None = None
) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of all arrays of a network in this layout, by name."""
    shapes = {}
    for layer in weighted_layers(arch, classes):
        weighted, norm = _modules(layer, spelling or Spelling())
        shape = (layer.out_channels, layer.in_channels)
        if layer.kind in CONVOLUTIONS:
            shapes[f"{weighted}.weight"] = (*shape, layer.kernel, layer.kernel)
            shapes |= {f"{norm}.{name}": shape[:1] for name in _NORM}
        else:
            shapes[f"{weighted}.weight"] = shape
            shapes[f"{weighted}.bias"] = shape[:1]
    return shapes


def converted(
    arch: Architecture,
    weights: Mapping[str, np.ndarray],
    classes: int,
    spelling: Spelling | None = None,
) -> dict[str, np.ndarray]:
    """Returns our arrays, by `layer/variable`, from theirs, which are as `expected`."""
    ours = {}
    for layer in weighted_layers(arch, classes):
        weighted, norm = _modules(layer, spelling or Spelling())
        kernel = weights[f"{weighted}.weight"]
        if layer.kind in CONVOLUTIONS:
            ours[f"{layer.name}/kernel"] = kernel.transpose(2, 3, 1, 0)
            for theirs, variable in _NORM.items():
                ours[f"{norm_name(layer)}/{variable}"] = weights[f"{norm}.{theirs}"]
        else:
            ours[f"{layer.name}/kernel"] = kernel.T
            ours[f"{layer.name}/bias"] = weights[f"{weighted}.bias"]
    return ours


def preprocessing(class_names: tuple[str, ...]) -> Preprocessing:
    """Returns what torchvision's networks were trained with: 224 pixels out of 256."""
    return Preprocessing(
        size=(224, 224),
        resize="crop",
        shorter_side=256,
        scale=1 / 255,
        mean=MEAN,
        std=STD,
        class_names=class_names,
    )


def _modules(layer: Layer, spelling: Spelling) -> tuple[str, str]:
    """Returns the modules of a layer and of its batch normalization; the latter may not exist."""
    if layer.kind == "dense":
        return spelling.classifier, ""
    block = "" if layer.block is None else f"layer{layer.stage[-1]}.{layer.block - 1}."
    if layer.kind == "projection":
        return f"{block}{spelling.projection}.0", f"{block}{spelling.projection}.1"
    number = layer.name[-1]
    return f"{block}conv{number}", f"{block}bn{number}"
