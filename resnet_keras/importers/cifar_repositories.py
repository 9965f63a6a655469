"""The layout of CIFAR networks in most PyTorch repositories, such as `pytorch_resnet_cifar10`.

It is torchvision's layout with other names for the projection and the classifier. Its option A pads
the new channels with zeros on both sides of the old ones, while ours pads them behind the old ones.
Both are the same function if the channels of each stage are permuted in all arrays that read or
write them.
"""

from collections.abc import Mapping

import numpy as np

from resnet_keras.architectures import Architecture
from resnet_keras.errors import UsageError
from resnet_keras.importers import CIFAR, torchvision
from resnet_keras.importers.layers import batch_norm_name, check_projection, weighted_layers
from resnet_keras.preprocessing import Preprocessing

NAME = CIFAR
# The kernel of the classifier, and its axis of classes.
CLASSIFIER_KERNEL, CLASSES_AXIS = "linear.weight", 0
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

_MODULE_NAMES = torchvision.ModuleNames(projection="shortcut", classifier="linear")


def check(arch: Architecture) -> None:
    """Checks that this layout has names for a network.

    Args:
        arch: the network.

    Raises:
        UsageError: if it is not a CIFAR network.

    Example:

    >>> from resnet_keras.architectures import parse
    >>> check(parse("resnet20"))
    """
    check_projection(arch, NAME)
    if arch.family != "cifar":
        raise UsageError(
            f"the {NAME} layout supports networks of 6n+2 layers, such as resnet20. "
            f"Received: {arch.label}"
        )


def expected_shapes(arch: Architecture, classes: int) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of all arrays of a network in this layout.

    Args:
        arch: the network.
        classes: the number of classes.

    Returns:
        The shapes by name.

    Example:

    >>> from resnet_keras.architectures import parse
    >>> expected_shapes(parse("resnet20"), classes=10)["linear.weight"]
    (10, 64)
    """
    return torchvision.expected_shapes(arch, classes, _MODULE_NAMES)


def convert(
    arch: Architecture, weights: Mapping[str, np.ndarray], classes: int
) -> dict[str, np.ndarray]:
    """Converts the arrays of this layout to the variables of our networks.

    Args:
        arch: the network.
        weights: arrays with the names and shapes of `expected_shapes`.
        classes: the number of classes.

    Returns:
        The variables by `layer/variable`.

    Example:

    >>> from resnet_keras.architectures import parse
    >>> shapes = expected_shapes(parse("resnet8"), classes=10)
    >>> weights = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    >>> convert(parse("resnet8"), weights, classes=10)["conv1/kernel"].shape
    (3, 3, 3, 16)
    """
    variables = torchvision.convert(arch, weights, classes, _MODULE_NAMES)
    if arch.option == "A":
        _permute_channels(variables, arch, classes)
    return variables


def preprocessing(class_names: tuple[str, ...]) -> Preprocessing:
    """Returns the preprocessing of these repositories: ImageNet's channel means and deviations.

    Args:
        class_names: the names of the classes.

    Example:

    >>> preprocessing(CIFAR10_NAMES).size
    (32, 32)
    """
    return Preprocessing(
        size=(32, 32),
        resize="stretch",
        scale=1 / 255,
        mean=np.array(torchvision.MEAN, np.float32),
        std=torchvision.STD,
        class_names=class_names,
    )


def channel_orders(filters: tuple[int, ...]) -> list[np.ndarray]:
    """Returns the permutation from the channels of this layout to ours, for every stage.

    The shortcut of this layout into a stage of n channels puts n // 4 zeros before the old
    channels.

    Args:
        filters: the number of channels of each stage.

    Returns:
        One array per stage. Entry i is the channel of this layout that is our channel i.

    Example:

    >>> [order.tolist() for order in channel_orders((4, 8))]
    [[0, 1, 2, 3], [2, 3, 4, 5, 0, 1, 6, 7]]
    """
    orders = [np.arange(filters[0])]
    for channels in filters[1:]:
        old = channels // 4 + orders[-1]
        orders.append(np.concatenate([old, np.setdiff1d(np.arange(channels), old)]))
    return orders


def _permute_channels(variables: dict[str, np.ndarray], arch: Architecture, classes: int) -> None:
    """Permutes, in place, the channels of the outputs of blocks.

    The channels between the two convolutions of a block keep their order, because no shortcut
    reads or writes them.
    """
    orders = channel_orders(arch.filters)
    order = orders[0]
    for layer in weighted_layers(arch, classes):
        kernel = f"{layer.name}/kernel"
        if layer.kind == "dense":
            variables[kernel] = variables[kernel][order]
        elif layer.name.endswith("_conv1"):
            variables[kernel] = variables[kernel][:, :, order]
        elif layer.name.endswith("_conv2"):
            order = orders[int(layer.stage[-1]) - 1]
            variables[kernel] = variables[kernel][..., order]
            for variable in ("gamma", "beta", "moving_mean", "moving_variance"):
                name = f"{batch_norm_name(layer)}/{variable}"
                variables[name] = variables[name][order]
