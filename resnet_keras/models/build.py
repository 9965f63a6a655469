"""Builds a `keras.Model` from the name of an architecture."""

import sys
from numbers import Integral

import keras

from resnet_keras import architectures
from resnet_keras.architectures import Architecture
from resnet_keras.errors import UsageError
from resnet_keras.models.resnet import resnet
from resnet_keras.models.vgg import vgg

# Keras traverses a functional graph recursively, and the graph of ResNet-1202 is deeper than
# Python's default limit of 1,000 calls. Loading, cloning and exporting need the higher limit too.
RECURSION_LIMIT = 20_000


def build(
    arch: str | Architecture,
    option: str | None = None,
    classes: int | None = None,
    input_shape: tuple[int | None, int | None, int] | None = None,
    projection: str = "conv_bn",
    include_top: bool = True,
    bottleneck_stride: str = "1x1",
) -> keras.Model:
    """Builds one of the paper's networks with the Keras functional API.

    Args:
        arch: `plain20` … `plain110`, `resnet20` … `resnet1202` or another depth of 6n+2 (section
            4.2); `plain18`, `plain34`, `resnet18` … `resnet152`, `vgg19` (Table 1); or an
            `Architecture`, which replaces `option`, `projection` and `bottleneck_stride`.
        option: the shortcut option of section 4.1, `"A"`, `"B"` or `"C"`. `None` selects the
            paper's option for `arch`.
        classes: the number of classes. `None` selects 10 for CIFAR networks and 1000 for the
            others.
        input_shape: `(height, width, 3)`. Height and width may be `None`, for images of any size.
            `None` selects `(32, 32, 3)` for CIFAR networks and `(224, 224, 3)` for the others.
        projection: `"conv_bn"` or `"average"`, see `Architecture`.
        include_top: if `False`, the model returns the feature maps of the last stage.
        bottleneck_stride: `"1x1"` or `"3x3"`, see `Architecture`.

    Returns:
        A model from preprocessed images `(N, height, width, 3)` to logits `(N, classes)`, which are
        float32 also under mixed precision. The weights are initialized as in the paper. The model
        contains nothing that belongs to training, such as weight decay.

    Raises:
        UsageError: if a name or a value is unknown, or if they cannot be combined.

    Example:

    >>> model = build("resnet8", option="A", classes=7)
    >>> model.name, model.input_shape, model.output_shape
    ('resnet8_a', (None, 32, 32, 3), (None, 7))
    >>> build("plain8", input_shape=(None, None, 3), include_top=False).output_shape
    (None, None, None, 64)
    """
    if isinstance(arch, Architecture):
        if (option, projection, bottleneck_stride) != (None, "conv_bn", "1x1"):
            raise UsageError(
                "an Architecture already has option, projection and bottleneck_stride: leave out "
                f"these arguments for {arch.label}. Received: option={option!r}, "
                f"projection={projection!r}, bottleneck_stride={bottleneck_stride!r}"
            )
    else:
        arch = architectures.parse(arch, option, projection, bottleneck_stride)
    classes = arch.classes if classes is None else classes
    input_shape = _check_input_shape(input_shape, arch)
    if isinstance(classes, bool) or not isinstance(classes, Integral) or classes < 1:
        raise UsageError(f"classes must be a positive integer. Received: {classes!r}")
    allow_deep_networks()
    inputs = keras.Input(input_shape, name="images")
    network = vgg if arch.family == "vgg" else resnet
    outputs = network(inputs, arch, classes if include_top else None)
    return keras.Model(inputs, outputs, name=_model_name(arch))


def allow_deep_networks() -> None:
    """Raises Python's recursion limit so that Keras can handle a network of 1,202 layers.

    Example:

    >>> allow_deep_networks()
    >>> sys.getrecursionlimit() >= RECURSION_LIMIT
    True
    """
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))


def _model_name(arch: Architecture) -> str:
    return arch.label.replace("-", "_").replace(".", "_").lower()


def _check_input_shape(shape: object, arch: Architecture) -> tuple[int | None, int | None, int]:
    """Returns the shape, or the default one for `None`, if the network can take such images."""
    if shape is None:
        shape = (arch.image_size, arch.image_size, 3)
    if not isinstance(shape, list | tuple) or len(shape) != 3 or shape[2] != 3:
        raise _invalid_input_shape(shape)
    height, width = shape[:2]
    for side in (height, width):
        if side is not None and (not isinstance(side, Integral) or side < 1):
            raise _invalid_input_shape(shape)
    if arch.family == "vgg" and (height is None or width is None or min(height, width) < 32):
        raise UsageError(
            "vgg19 needs a fixed input_shape with a height and width of at least 32 pixels. "
            f"Received: {tuple(shape)}"
        )
    return height, width, 3


def _invalid_input_shape(shape: object) -> UsageError:
    return UsageError(
        "input_shape must be (height, width, 3), where height and width are positive integers, or "
        f"None for images of any size. Received: {shape}"
    )
