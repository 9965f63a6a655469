"""The common layout of CIFAR networks in PyTorch, `pytorch_resnet_cifar10`'s.

As torchvision's, but for `shortcut` and `linear`. Its option A pads the new channels with zeros
on both sides of the old ones, ours behind them: the same function once the channels of each stage
are put into another order, in every array that reads or writes them.
"""

from collections.abc import Mapping

import numpy as np

from resnet_keras.architectures import Architecture
from resnet_keras.errors import UsageError
from resnet_keras.importers import torchvision
from resnet_keras.importers.layers import norm_name, refuse_average, weighted_layers
from resnet_keras.preprocessing import Preprocessing

NAME = "cifar"
CLASSIFIER = ("linear.weight", 0)
# In the order of the labels in CIFAR-10's official files.
CIFAR10_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

_SPELLING = torchvision.Spelling(projection="shortcut", classifier="linear")


def check(arch: Architecture) -> None:
    """Raises `UsageError` for a network that this layout has no names for."""
    refuse_average(arch, NAME)
    if arch.family != "cifar":
        raise UsageError(
            f"the {NAME} layout is for networks of 6n+2 layers, such as resnet20. "
            f"Received: {arch.label}"
        )


def expected(arch: Architecture, classes: int) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of all arrays of a network in this layout, by name."""
    return torchvision.expected(arch, classes, _SPELLING)


def converted(
    arch: Architecture, weights: Mapping[str, np.ndarray], classes: int
) -> dict[str, np.ndarray]:
    """Returns our arrays, by `layer/variable`, from theirs, which are as `expected`."""
    ours = torchvision.converted(arch, weights, classes, _SPELLING)
    if arch.option == "A":
        _reorder(ours, arch, classes)
    return ours


def preprocessing(class_names: tuple[str, ...]) -> Preprocessing:
    """Returns what that repository trains with: ImageNet's mean and deviation, a channel each."""
    return Preprocessing(
        size=(32, 32),
        resize="stretch",
        scale=1 / 255,
        mean=torchvision.MEAN,
        std=torchvision.STD,
        class_names=class_names,
    )


def channel_orders(filters: tuple[int, ...]) -> list[np.ndarray]:
    """Returns for every stage which channel of theirs our channels 0, 1, 2, … are.

    Their shortcut into a stage of n channels puts n // 4 zeros before the old channels.
    """
    orders = [np.arange(filters[0])]
    for channels in filters[1:]:
        old = channels // 4 + orders[-1]
        orders.append(np.concatenate([old, np.setdiff1d(np.arange(channels), old)]))
    return orders


def _reorder(ours, arch, classes):
    """Puts into our order, in place, the channels that blocks hand on.

    Those between the two convolutions of a block stay as they are: no shortcut sees them.
    """
    orders = channel_orders(arch.filters)
    handed_on = orders[0]
    for layer in weighted_layers(arch, classes):
        kernel = f"{layer.name}/kernel"
        if layer.kind == "dense":
            ours[kernel] = ours[kernel][handed_on]
        elif layer.name.endswith("_conv1"):
            ours[kernel] = ours[kernel][:, :, handed_on]
        elif layer.name.endswith("_conv2"):
            handed_on = orders[int(layer.stage[-1]) - 1]
            ours[kernel] = ours[kernel][..., handed_on]
            for variable in ("gamma", "beta", "moving_mean", "moving_variance"):
                name = f"{norm_name(layer)}/{variable}"
                ours[name] = ours[name][handed_on]
