"""Builds networks with weights that were trained with another library."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import keras
import numpy as np

from resnet_keras import architectures
from resnet_keras.architectures import Architecture
from resnet_keras.errors import UserError, unknown
from resnet_keras.importers import (
    CIFAR,
    LAYOUTS,
    TORCHVISION,
    cifar_repositories,
    keras_applications,
    torchvision,
)
from resnet_keras.importers.layers import count_classes
from resnet_keras.models.build import build
from resnet_keras.preprocessing import Preprocessing

_T = TypeVar("_T")


class _Layout(Protocol):
    """What the module of each layout defines."""

    NAME: str
    CLASSIFIER_KERNEL: str
    CLASSES_AXIS: int

    def check(self, arch: Architecture) -> None: ...

    def expected_shapes(self, arch: Architecture, classes: int) -> dict[str, tuple[int, ...]]: ...

    def convert(
        self, arch: Architecture, weights: Mapping[str, np.ndarray], classes: int
    ) -> dict[str, np.ndarray]: ...

    def preprocessing(self, class_names: tuple[str, ...]) -> Preprocessing: ...


_MODULES: tuple[_Layout, ...] = (torchvision, cifar_repositories, keras_applications)
_LAYOUTS = {module.NAME: module for module in _MODULES}

# PyTorch's data-parallel training adds this prefix to every name.
_PREFIX = "module."
# A counter of training steps, which batch normalization does not need.
_IGNORED_SUFFIX = "num_batches_tracked"
_VARIANCE_SUFFIXES = (".running_var", "/moving_variance")
# The number of names that an error message lists.
_MAX_LISTED = 5


def import_weights(
    arch: Architecture,
    weights: Mapping[str, np.ndarray],
    layout: str | None = None,
    input_shape: tuple[int | None, int | None, int] | None = None,
    source: Path | str = "the weights",
) -> keras.Model:
    """Builds a network with the weights of another library.

    Args:
        arch: the network. `infer_architecture` returns the variant that a layout uses.
        weights: floating-point arrays by their names in `layout`. All names may start with
            `module.`. The names of `"keras-applications"` are `layer/variable`.
        layout: one of `LAYOUTS`; `None` detects it from the names.
        input_shape: see `build`.
        source: where the weights come from, for error messages.

    Returns:
        A model from images `(N, height, width, 3)`, float32, RGB, preprocessed with
        `layout_preprocessing(layout, …)`, to logits `(N, classes)`. The number of classes is that
        of the classifier in `weights`.

    Raises:
        UsageError: if `layout` is unknown or does not have the network.
        UserError: if arrays are missing, unknown, of a wrong shape, not floating-point or not
            finite, or if a variance is negative.

    Example:

    >>> arch = architectures.parse("resnet8")
    >>> shapes = cifar_repositories.expected_shapes(arch, classes=7)
    >>> weights = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    >>> import_weights(arch, weights, layout="cifar").output_shape
    (None, 7)
    """
    layout = detect_layout(weights, source) if layout is None else layout
    module = _layout_module(layout)
    module.check(arch)
    weights = {name: np.asarray(array) for name, array in _with_plain_names(weights).items()}
    classes = count_classes(weights, module.CLASSIFIER_KERNEL, module.CLASSES_AXIS)
    classes = classes or arch.classes
    _check_shapes(weights, module.expected_shapes(arch, classes), arch, layout, source)
    _check_values(weights, source)
    weights = {name: array.astype(np.float32, copy=False) for name, array in weights.items()}
    variables = module.convert(arch, weights, classes)
    model = build(arch, classes=classes, input_shape=input_shape)
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([variables.pop(f"{layer.name}/{v.name}") for v in layer.weights])
    if variables:
        raise AssertionError(f"arrays without a layer: {sorted(variables)}")
    return model


def detect_layout(names: Iterable[str], source: Path | str = "the weights") -> str:
    """Returns the layout that the names of arrays belong to. The classifier's name decides.

    Args:
        names: the names of all arrays.
        source: where they come from, for error messages.

    Returns:
        One of `LAYOUTS`.

    Raises:
        UserError: if no layout has these names.

    Example:

    >>> detect_layout(["module.conv1.weight", "module.fc.weight", "module.fc.bias"])
    'torchvision'
    """
    plain_names = set(_with_plain_names(dict.fromkeys(names)))
    for name, module in _LAYOUTS.items():
        if module.CLASSIFIER_KERNEL in plain_names:
            return name
    classifiers = ", ".join(
        f"{module.CLASSIFIER_KERNEL} ({name})" for name, module in _LAYOUTS.items()
    )
    raise UserError(
        f"{source}: unknown layout: expected a classifier named {classifiers}. "
        f"Received: {_listed(sorted(plain_names)) or 'no arrays'}"
    )


def infer_architecture(
    arch: str,
    layout: str,
    names: Iterable[str],
    option: str | None = None,
    bottleneck_stride: str | None = None,
) -> Architecture:
    """Returns the variant of a network that its weights belong to.

    Args:
        arch: the name of the network, see `architectures.parse`.
        layout: one of `LAYOUTS`.
        names: the names of the arrays. A CIFAR network whose names contain projections has
            option B.
        option: the user's choice; `None` infers it from the layout and the names.
        bottleneck_stride: the user's choice; `None` selects that of the layout.

    Returns:
        The architecture with its option and bottleneck stride.

    Raises:
        UsageError: if a name or a value is unknown, or if they cannot be combined.

    Example:

    >>> infer_architecture("resnet50", "torchvision", []).label
    'resnet50-B-v1.5'
    >>> infer_architecture("resnet20", "cifar", ["layer2.0.conv1.weight"]).label
    'resnet20-A'
    """
    network = architectures.parse(arch)
    if option is None and network.residual:
        has_projections = layout != CIFAR or any(".shortcut." in name for name in names)
        option = "B" if has_projections else "A"
    if bottleneck_stride is None:
        is_v1_5 = layout == TORCHVISION and network.block == "bottleneck"
        bottleneck_stride = "3x3" if is_v1_5 else "1x1"
    return architectures.parse(arch, option, bottleneck_stride=bottleneck_stride)


def layout_preprocessing(layout: str, class_names: Iterable[str]) -> Preprocessing:
    """Returns the preprocessing with which the networks of a layout were trained.

    Args:
        layout: one of `LAYOUTS`.
        class_names: the names of the classes, in the order of the network's outputs.

    Raises:
        UsageError: if the layout is unknown.

    Example:

    >>> layout_preprocessing("torchvision", ["cat", "dog"]).shorter_side
    256
    """
    return _layout_module(layout).preprocessing(tuple(class_names))


def _layout_module(layout: str) -> _Layout:
    if layout not in _LAYOUTS:
        raise unknown("layout", layout, LAYOUTS)
    return _LAYOUTS[layout]


def _with_plain_names(weights: Mapping[str, _T]) -> dict[str, _T]:
    """Removes the prefix of data-parallel training from the names, and drops the counters."""
    prefixed = all(name.startswith(_PREFIX) for name in weights)
    start = len(_PREFIX) if prefixed else 0
    return {
        name[start:]: array for name, array in weights.items() if not name.endswith(_IGNORED_SUFFIX)
    }


def _check_shapes(
    weights: Mapping[str, np.ndarray],
    expected: Mapping[str, tuple[int, ...]],
    arch: Architecture,
    layout: str,
    source: Path | str,
) -> None:
    missing = [name for name in expected if name not in weights]
    unexpected = [name for name in weights if name not in expected]
    misshaped = [
        f"{name} {weights[name].shape} instead of {shape}"
        for name, shape in expected.items()
        if name in weights and weights[name].shape != shape
    ]
    kinds = (("missing", missing), ("unexpected", unexpected), ("of a wrong shape", misshaped))
    errors = [f"{len(names)} {kind}: {_listed(names)}" for kind, names in kinds if names]
    if errors:
        raise UserError(
            f"{source}: not the weights of {arch.label} in the {layout} layout, which has "
            f"{len(expected)} arrays: {'; '.join(errors)}"
        )


def _check_values(weights: Mapping[str, np.ndarray], source: Path | str) -> None:
    for name, array in weights.items():
        if not np.issubdtype(array.dtype, np.floating):
            raise UserError(f"{source}: {name} must be floating-point. Received: {array.dtype}")
        if not np.isfinite(array).all():
            raise UserError(f"{source}: {name} has values that are not finite")
        if name.endswith(_VARIANCE_SUFFIXES) and (array < 0).any():
            raise UserError(f"{source}: the variance {name} has negative values")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return ", ".join(names[:_MAX_LISTED]) + more
