"""From an architecture to a `keras.Model`."""

import sys
from numbers import Integral

import keras

from resnet_keras import architectures
from resnet_keras.architectures import Architecture
from resnet_keras.errors import UsageError
from resnet_keras.models.layers import classifier
from resnet_keras.models.resnet import cifar_stem, imagenet_stem, stages
from resnet_keras.models.vgg import vgg

# Keras walks a functional graph recursively; ResNet-1202's is deeper than Python's default of
# 1,000 calls. Also needed wherever such a network is loaded, cloned or exported.
RECURSION_LIMIT = 20_000


def allow_deep_networks() -> None:
    """Raises Python's recursion limit so that a network of 1,202 layers can be handled."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))


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
            `Architecture`, with which `option`, `projection` and `bottleneck_stride` are left out.
        option: shortcut `"A"`, `"B"` or `"C"` (section 4.1); `None` takes the paper's for `arch`.
        classes: number of outputs; `None` takes 10 for CIFAR networks, 1000 for the others.
        input_shape: `(height, width, 3)`; either side may be `None`, for any size. `None` takes
            (32, 32, 3) for CIFAR networks, (224, 224, 3) for the others.
        projection: `"conv_bn"` or `"average"`, see `Architecture`.
        include_top: without it the model ends in the last stage's feature maps.
        bottleneck_stride: `"1x1"` or `"3x3"`, see `Architecture`.

    Returns:
        A model from preprocessed images `(N, height, width, 3)` to logits `(N, classes)`, float32
        also under mixed precision, freshly initialized (He normal). Nothing of its training
        (decay, schedule, data) is inside.

    Raises:
        UsageError: for names and values that do not exist or do not go together.
    """
    if isinstance(arch, Architecture):
        if (option, projection, bottleneck_stride) != (None, "conv_bn", "1x1"):
            raise UsageError(
                f"an Architecture says all of {arch.label}: leave out option, projection and "
                f"bottleneck_stride. Received: {option!r}, {projection!r}, {bottleneck_stride!r}"
            )
    else:
        arch = architectures.parse(arch, option, projection, bottleneck_stride)
    classes = arch.classes if classes is None else classes
    input_shape = _check_shape(input_shape, arch)
    if isinstance(classes, bool) or not isinstance(classes, Integral) or classes < 1:
        raise UsageError(f"classes is a whole number from 1 on. Received: {classes!r}")
    allow_deep_networks()
    inputs = keras.Input(input_shape, name="images")
    if arch.family == "vgg":
        outputs = vgg(inputs, arch, classes if include_top else None)
    else:
        x = cifar_stem(inputs) if arch.family == "cifar" else imagenet_stem(inputs)
        x = stages(x, arch)
        outputs = classifier(x, classes) if include_top else x
    return keras.Model(inputs, outputs, name=_model_name(arch))


def _model_name(arch):
    return arch.label.replace("-", "_").replace(".", "_").lower()


def _check_shape(shape, arch):
    if shape is None:
        shape = (arch.image_size, arch.image_size, 3)
    shape = tuple(shape) if isinstance(shape, list | tuple) else (shape,)
    sides = shape[:2]
    fits = all(side is None or (isinstance(side, Integral) and side >= 1) for side in sides)
    if len(shape) != 3 or shape[2] != 3 or not fits:
        raise UsageError(
            f"input_shape is (height, width, 3), a side None for any size. Received: {shape}"
        )
    if arch.family == "vgg" and (None in sides or min(sides) < 32):
        raise UsageError(
            f"vgg19 needs a fixed height and width of at least 32 pixels. Received: {shape}"
        )
    return shape
