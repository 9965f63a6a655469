"""Networks of this program with weights that another library trained."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import keras
import numpy as np

from resnet_keras import architectures
from resnet_keras.architectures import Architecture
from resnet_keras.errors import UserError, unknown
from resnet_keras.importers import cifar_repositories, keras_applications, torchvision
from resnet_keras.importers.layers import classes_of
from resnet_keras.models.build import build
from resnet_keras.preprocessing import Preprocessing

_LAYOUTS = {layout.NAME: layout for layout in (torchvision, cifar_repositories, keras_applications)}
LAYOUTS = tuple(_LAYOUTS)

# What data-parallel training puts before every name.
_PREFIX = "module."
# Counts training steps; no batch normalization here asks for it.
_IGNORED = "num_batches_tracked"
_VARIANCES = (".running_var", "/moving_variance")
# Names that a message lists before it says how many more there are.
_NAMED = 5


def import_weights(
    arch: Architecture,
    weights: Mapping[str, np.ndarray],
    layout: str | None = None,
    input_shape: tuple[int | None, int | None, int] | None = None,
    source: Path | str = "the weights",
) -> keras.Model:
    """Builds a network and gives it weights of another library.

    Args:
        arch: the network; see `architecture_of` for the variant that a layout stands for.
        weights: floating-point arrays by their name in `layout`, with or without `module.`
            before all of them. For `"keras-applications"` the names are `layer/variable`.
        layout: one of `LAYOUTS`; `None` recognises it by the names.
        input_shape: see `build`.
        source: what to call the weights in messages.

    Returns:
        A model from images preprocessed as `preprocessing_of(layout, …)` says, float32
        `(N, height, width, 3)` in RGB order, to logits `(N, classes)`. The number of classes is
        that of the classifier in `weights`.

    Raises:
        UsageError: if `layout` does not exist or has no such network.
        UserError: if names are missing or left over, or arrays have another shape, are not
            numbers, not finite, or negative where they are variances.
    """
    layout = recognise(weights, source) if layout is None else layout
    module = _module(layout)
    module.check(arch)
    weights = {name: np.asarray(array) for name, array in _named_plainly(weights).items()}
    classes = classes_of(weights, module.CLASSIFIER)
    _check_shapes(weights, module.expected(arch, classes or arch.classes), arch, layout, source)
    _check_values(weights, source)
    weights = {name: array.astype(np.float32, copy=False) for name, array in weights.items()}
    ours = module.converted(arch, weights, classes)
    model = build(arch, classes=classes, input_shape=input_shape)
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([ours.pop(f"{layer.name}/{v.name}") for v in layer.weights])
    if ours:
        raise AssertionError(f"arrays without a layer: {sorted(ours)}")
    return model


def recognise(names: Iterable[str], source: Path | str = "the weights") -> str:
    """Returns the layout that has such names, by its classifier's.

    Raises:
        UserError: if none has.
    """
    names = set(_named_plainly(dict.fromkeys(names)))
    for name, module in _LAYOUTS.items():
        if module.CLASSIFIER[0] in names:
            return name
    wanted = ", ".join(f"{module.CLASSIFIER[0]} ({name})" for name, module in _LAYOUTS.items())
    raise UserError(
        f"{source}: no layout known here has such names; looked for the classifier {wanted}. "
        f"Received: {_listed(sorted(names)) or 'no arrays at all'}"
    )


def architecture_of(
    arch: str,
    layout: str,
    names: Iterable[str],
    option: str | None = None,
    bottleneck_stride: str | None = None,
) -> Architecture:
    """Returns the variant of a network that weights are of.

    Args:
        arch: see `architectures.parse`.
        layout: one of `LAYOUTS`.
        names: of the arrays. A CIFAR network with projections among them has option B.
        option: as given by the user; `None` takes what layout and names say.
        bottleneck_stride: as given by the user; `None` takes the layout's.

    Raises:
        UsageError: for an unknown name or value, or those that do not go together.
    """
    network = architectures.parse(arch)
    if option is None and network.residual:
        projects = layout != "cifar" or any(".shortcut." in name for name in names)
        option = "B" if projects else "A"
    if bottleneck_stride is None:
        later = layout == "torchvision" and network.block == "bottleneck"
        bottleneck_stride = "3x3" if later else "1x1"
    return architectures.parse(arch, option, bottleneck_stride=bottleneck_stride)


def preprocessing_of(layout: str, class_names: Iterable[str]) -> Preprocessing:
    """Returns how networks of a layout were given their images.

    Raises:
        UsageError: if there is no such layout.
    """
    return _module(layout).preprocessing(tuple(class_names))


def _module(layout):
    if layout not in _LAYOUTS:
        raise unknown("layout", layout, LAYOUTS)
    return _LAYOUTS[layout]


def _named_plainly(weights):
    prefixed = all(name.startswith(_PREFIX) for name in weights)
    start = len(_PREFIX) if prefixed else 0
    return {name[start:]: weights[name] for name in weights if not name.endswith(_IGNORED)}


def _check_shapes(weights, expected, arch, layout, source):
    missing = [name for name in expected if name not in weights]
    left = [name for name in weights if name not in expected]
    misshaped = [
        f"{name} {weights[name].shape} instead of {shape}"
        for name, shape in expected.items()
        if name in weights and weights[name].shape != shape
    ]
    kinds = (("missing", missing), ("left over", left), ("of another shape", misshaped))
    found = [f"{len(names)} {kind}: {_listed(names)}" for kind, names in kinds if names]
    if found:
        raise UserError(
            f"{source}: this is no {arch.label} in the {layout} layout. "
            f"Of {len(expected)} arrays {'; '.join(found)}"
        )


def _check_values(weights, source):
    for name, array in weights.items():
        if not np.issubdtype(array.dtype, np.floating):
            raise UserError(f"{source}: {name} is {array.dtype}, no floating-point numbers")
        if not np.isfinite(array).all():
            raise UserError(f"{source}: {name} has values that are not finite")
        if name.endswith(_VARIANCES) and (array < 0).any():
            raise UserError(f"{source}: {name} has negative values, and is a variance")


def _listed(names):
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
