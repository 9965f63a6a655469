"""The layout of `keras.applications.ResNet50`, `ResNet101` and `ResNet152`.

They differ from our networks in the names, and in these respects:

- Their convolutions have biases. The batch normalization that follows can absorb them.
- The epsilon of their batch normalization differs. The moving variance can absorb the difference.
- They take BGR images and ours take RGB, so the input channels of the first kernel are reversed.

As in the paper, the first 1x1 convolution of a bottleneck block has the stride.
"""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import h5py
import keras
import numpy as np

from resnet_keras.accounting import Layer
from resnet_keras.architectures import Architecture
from resnet_keras.errors import UsageError, UserError, first_line
from resnet_keras.importers import KERAS_APPLICATIONS
from resnet_keras.importers.layers import (
    CONVOLUTIONS,
    batch_norm_name,
    check_projection,
    weighted_layers,
)
from resnet_keras.models.layers import BN_EPSILON
from resnet_keras.preprocessing import Preprocessing

NAME = KERAS_APPLICATIONS
# The kernel of the classifier, and its axis of classes.
CLASSIFIER_KERNEL, CLASSES_AXIS = "predictions/kernel", 1
SUFFIXES = (".h5", ".hdf5", ".keras")
NETWORKS = {"resnet50": "ResNet50", "resnet101": "ResNet101", "resnet152": "ResNet152"}

_EPSILON = 1.001e-5
_BATCH_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
_FEATURES = 2048


def check(arch: Architecture) -> None:
    """Checks that `keras.applications` has a network.

    Args:
        arch: the network.

    Raises:
        UsageError: if `keras.applications` does not have it.

    Example:

    >>> from resnet_keras.architectures import parse
    >>> check(parse("resnet50"))
    """
    check_projection(arch, NAME)
    if arch.name not in NETWORKS or arch.option != "B" or arch.bottleneck_stride != "1x1":
        raise UsageError(
            f"keras.applications has {', '.join(NETWORKS)} with option B and the stride in the "
            f"first 1x1 convolution. Received: {arch.label}"
        )


def expected_shapes(arch: Architecture, classes: int) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of all variables of a network in this layout.

    Args:
        arch: the network.
        classes: the number of classes.

    Returns:
        The shapes by `layer/variable`.

    Example:

    >>> from resnet_keras.architectures import parse
    >>> expected_shapes(parse("resnet50"), classes=1000)["predictions/kernel"]
    (2048, 1000)
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in weighted_layers(arch, classes):
        weighted, norm = _layer_names(layer)
        channels = (layer.in_channels, layer.out_channels)
        if layer.kind in CONVOLUTIONS:
            shapes |= {f"{norm}/{name}": (layer.out_channels,) for name in _BATCH_NORM}
            shapes[f"{weighted}/kernel"] = (layer.kernel, layer.kernel, *channels)
        else:
            shapes[f"{weighted}/kernel"] = channels
        shapes[f"{weighted}/bias"] = (layer.out_channels,)
    return shapes


def convert(
    arch: Architecture, weights: Mapping[str, np.ndarray], classes: int
) -> dict[str, np.ndarray]:
    """Converts the variables of this layout to those of our networks.

    Args:
        arch: the network.
        weights: arrays with the names and shapes of `expected_shapes`.
        classes: the number of classes.

    Returns:
        The variables by `layer/variable` of our networks.

    Example:

    >>> from resnet_keras.architectures import parse
    >>> arch = parse("resnet50")
    >>> shapes = expected_shapes(arch, classes=10)
    >>> weights = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    >>> convert(arch, weights, classes=10)["logits/kernel"].shape
    (2048, 10)
    """
    variables = {}
    for layer in weighted_layers(arch, classes):
        weighted, norm = _layer_names(layer)
        kernel, bias = weights[f"{weighted}/kernel"], weights[f"{weighted}/bias"]
        variables[f"{layer.name}/kernel"] = kernel[:, :, ::-1] if layer.name == "conv1" else kernel
        if layer.kind == "dense":
            variables[f"{layer.name}/bias"] = bias
            continue
        values = {name: weights[f"{norm}/{name}"].astype(np.float64) for name in _BATCH_NORM}
        # gamma * (x + bias - mean) / sqrt(variance + epsilon) + beta, with our epsilon.
        values["moving_mean"] -= bias
        values["moving_variance"] += _EPSILON - BN_EPSILON
        for name, value in values.items():
            variables[f"{batch_norm_name(layer)}/{name}"] = value.astype(np.float32)
    return variables


def preprocessing(class_names: tuple[str, ...]) -> Preprocessing:
    """Returns Caffe's preprocessing: values from 0 to 255 minus channel means, here in RGB order.

    Args:
        class_names: the names of the classes.

    Example:

    >>> preprocessing(("cat", "dog")).scale
    1.0
    """
    return Preprocessing(
        size=(224, 224),
        resize="crop",
        shorter_side=256,
        scale=1.0,
        mean=np.array((123.68, 116.779, 103.939), np.float32),
        std=(1.0, 1.0, 1.0),
        class_names=class_names,
    )


def read(path: Path, arch: Architecture) -> dict[str, np.ndarray]:
    """Reads the weights of a `keras.applications` network from a file that Keras wrote.

    Args:
        path: `.h5`, `.weights.h5` or `.keras`. Only the weights are read.
        arch: one of `NETWORKS`.

    Returns:
        float32 arrays by `layer/variable`.

    Raises:
        UsageError: if `keras.applications` does not have the network.
        UserError: if the file is damaged, or contains another network or no classifier.

    Example:

    >>> from resnet_keras.architectures import parse
    >>> read(Path("resnet50.weights.h5"), parse("resnet50"))  # doctest: +SKIP
    {'conv1_conv/kernel': array(...), ...}
    """
    check(arch)
    try:
        classes, arrays = _inspect(path)
        network = getattr(keras.applications, NETWORKS[arch.name])(weights=None, classes=classes)
        # `load_weights` ignores additional arrays in Keras 3 files.
        if arrays not in (None, len(network.weights)):
            raise UserError(
                f"the file has {arrays} arrays, but {arch.name} has {len(network.weights)}"
            )
        network.load_weights(path)
    except Exception as error:  # what h5py and Keras raise depends on the damaged part
        raise UserError(
            f"{path}: not the weights of keras.applications.{NETWORKS[arch.name]}: "
            f"{first_line(error)}"
        ) from error
    return {
        f"{layer.name}/{variable.name}": np.asarray(variable)
        for layer in network.layers
        for variable in layer.weights
    }


def _inspect(path: Path) -> tuple[int, int | None]:
    """Returns the number of classes, and the number of arrays if it is a Keras 3 file."""
    file: Path | io.BytesIO = path
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            file = io.BytesIO(archive.read("model.weights.h5"))
    shapes: dict[str, tuple[int, ...]] = {}

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer"):
            shapes[name] = item.shape

    with h5py.File(file, "r") as opened:
        # Does not follow links, which could point to other files.
        opened.visititems(visit)
    widths = {shape[1] for shape in shapes.values() if len(shape) == 2 and shape[0] == _FEATURES}
    if len(widths) != 1:
        raise UserError(
            f"the file has no classifier with {_FEATURES} inputs; was the network saved with "
            "include_top=False?"
        )
    arrays = sum(name.startswith("layers/") for name in shapes)
    return widths.pop(), arrays or None


def _layer_names(layer: Layer) -> tuple[str, str]:
    """Returns their names of a layer and its batch normalization, empty if it has none."""
    if layer.kind == "dense":
        return "predictions", ""
    if layer.block is None:
        return "conv1_conv", "conv1_bn"
    number = "0" if layer.kind == "projection" else layer.name[-1]
    block = f"conv{int(layer.stage[-1]) + 1}_block{layer.block}_{number}"
    return f"{block}_conv", f"{block}_bn"
