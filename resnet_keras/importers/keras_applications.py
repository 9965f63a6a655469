"""`keras.applications.ResNet50`, `101` and `152`: their names, biases, epsilon and channel order.

Their convolutions have biases, which the batch normalization behind them can take over, and their
first 1x1 convolution strides, as in the paper. They were trained on BGR images; ours take RGB, so
the first kernel's input channels are turned around.
"""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import h5py
import keras
import numpy as np

from resnet_keras.architectures import Architecture
from resnet_keras.errors import UsageError, UserError
from resnet_keras.importers.layers import CONVOLUTIONS, norm_name, refuse_average, weighted_layers
from resnet_keras.models.layers import BN_EPSILON
from resnet_keras.preprocessing import Preprocessing

NAME = "keras-applications"
CLASSIFIER = ("predictions/kernel", 1)
SUFFIXES = (".h5", ".hdf5", ".keras")
NETWORKS = {"resnet50": "ResNet50", "resnet101": "ResNet101", "resnet152": "ResNet152"}

_EPSILON = 1.001e-5
_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
_FEATURES = 2048


def check(arch: Architecture) -> None:
    """Raises `UsageError` for a network that `keras.applications` does not have."""
    refuse_average(arch, NAME)
    if arch.name not in NETWORKS or arch.option != "B" or arch.bottleneck_stride != "1x1":
        raise UsageError(
            f"keras.applications has {', '.join(NETWORKS)} with option B and the stride in the "
            f"first 1x1 convolution. Received: {arch.label}"
        )


def expected(arch: Architecture, classes: int) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of all arrays of a network, by `layer/variable` of theirs."""
    shapes = {}
    for layer in weighted_layers(arch, classes):
        weighted, norm = _layers(layer)
        shape = (layer.in_channels, layer.out_channels)
        if layer.kind in CONVOLUTIONS:
            shapes |= {f"{norm}/{name}": shape[1:] for name in _NORM}
            shape = (layer.kernel, layer.kernel, *shape)
        shapes[f"{weighted}/kernel"] = shape
        shapes[f"{weighted}/bias"] = shape[-1:]
    return shapes


def converted(
    arch: Architecture, weights: Mapping[str, np.ndarray], classes: int
) -> dict[str, np.ndarray]:
    """Returns our arrays, by `layer/variable`, from theirs, which are as `expected`."""
    ours = {}
    for layer in weighted_layers(arch, classes):
        weighted, norm = _layers(layer)
        kernel, bias = weights[f"{weighted}/kernel"], weights[f"{weighted}/bias"]
        ours[f"{layer.name}/kernel"] = kernel[:, :, ::-1] if layer.name == "conv1" else kernel
        if layer.kind == "dense":
            ours[f"{layer.name}/bias"] = bias
            continue
        values = {name: weights[f"{norm}/{name}"].astype(np.float64) for name in _NORM}
        # gamma * (x + bias - mean) / sqrt(variance + epsilon) + beta, with our epsilon.
        values["moving_mean"] -= bias
        values["moving_variance"] += _EPSILON - BN_EPSILON
        for name, value in values.items():
            ours[f"{norm_name(layer)}/{name}"] = value.astype(np.float32)
    return ours


def preprocessing(class_names: tuple[str, ...]) -> Preprocessing:
    """Returns Caffe's: grey levels from 0 to 255 less a mean a channel, here in RGB order."""
    return Preprocessing(
        size=(224, 224),
        resize="crop",
        shorter_side=256,
        scale=1.0,
        mean=(123.68, 116.779, 103.939),
        std=(1.0, 1.0, 1.0),
        class_names=class_names,
    )


def read(path: Path, arch: Architecture) -> dict[str, np.ndarray]:
    """Reads a file that `keras.applications` or its networks' `save`, `save_weights` wrote.

    Args:
        path: `.h5`, `.weights.h5`, or `.keras`, of which the weights alone are read.
        arch: one of `NETWORKS`.

    Returns:
        float32 arrays, by `layer/variable`.

    Raises:
        UserError: if it is damaged, or holds another network or none with a classifier.
    """
    check(arch)
    try:
        classes, arrays = _look_into(path)
        network = getattr(keras.applications, NETWORKS[arch.name])(weights=None, classes=classes)
        # Keras' own format takes what it looks for and passes over whatever else there is.
        if arrays not in (None, len(network.weights)):
            raise UserError(f"it holds {arrays} arrays, {arch.name} has {len(network.weights)}")
        network.load_weights(path)
    except Exception as error:  # h5py and Keras raise whatever the damaged part breaks
        first = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise UserError(
            f"{path}: these are no weights of keras.applications.{NETWORKS[arch.name]}: {first}"
        ) from error
    return {
        f"{layer.name}/{variable.name}": np.asarray(variable)
        for layer in network.layers
        for variable in layer.weights
    }


def _look_into(path):
    """Returns the number of classes, and of arrays where the file is in Keras 3's own format."""
    file = path
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            file = io.BytesIO(archive.read("model.weights.h5"))
    shapes = {}

    def note(name, found):  # of links nothing is told: they are not followed
        if isinstance(found, h5py.Dataset) and not name.startswith("optimizer"):
            shapes[name] = found.shape

    with h5py.File(file, "r") as opened:
        opened.visititems(note)
    widths = {shape[1] for shape in shapes.values() if len(shape) == 2 and shape[0] == _FEATURES}
    if len(widths) != 1:
        raise UserError("it holds no classifier of 2048 features (a file without the top?)")
    arrays = sum(name.startswith("layers/") for name in shapes)
    return widths.pop(), arrays or None


def _layers(layer):
    """Returns the names of their layer and of its batch normalization, if it has one."""
    if layer.kind == "dense":
        return "predictions", ""
    if layer.block is None:
        return "conv1_conv", "conv1_bn"
    number = 0 if layer.kind == "projection" else layer.name[-1]
    block = f"conv{int(layer.stage[-1]) + 1}_block{layer.block}_{number}"
    return f"{block}_conv", f"{block}_bn"
