"""The layers of a network and their cost, computed without Keras.

Parameters are trainable parameters: batch normalization has gamma and beta, but its moving averages
do not count. As in Table 1 and Fig. 3, multiply-adds are those of convolutions and dense layers.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from resnet_keras.architectures import CLASSIFIER, Architecture
from resnet_keras.errors import UsageError

STEM_STAGE = "conv1"
CLASSIFIER_STAGE = "classifier"
# The kinds of layers in shortcuts. They are not on the longest path, and the paper's depth does not
# count them.
SHORTCUTS = ("projection", "zero_padding")


@dataclass(frozen=True)
class Layer:
    """One layer of a network, including the batch normalization that follows it.

    Attributes:
        name: the name of the Keras layer, such as `stage2_block1_conv1`.
        kind: `"conv"`, `"projection"` (shortcut of options B and C), `"zero_padding"` (shortcut of
            option A), `"max_pool"`, `"average_pool"` or `"dense"`.
        stage: `"conv1"`, `"stage1"` … or `"classifier"`. As in Table 1, the first max pooling
            belongs to stage 1.
        block: the number of the block in its stage, from 1; `None` outside of blocks.
        kernel: the side of the kernel or the pooling window in pixels; 0 if there is none.
        stride: the stride in both directions.
        in_channels: input channels; for a dense layer, the number of inputs.
        out_channels: output channels; for a dense layer, the number of outputs.
        height: the height of the output; 1 for a dense layer.
        width: the width of the output; 1 for a dense layer.
        parameters: the number of trainable parameters.
        multiply_adds: multiply-adds for one image.
    """

    name: str
    kind: str
    stage: str
    block: int | None
    kernel: int
    stride: int
    in_channels: int
    out_channels: int
    height: int
    width: int
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Totals:
    """Sums over layers.

    Attributes:
        depth: the number of weighted layers outside of shortcuts, which is the paper's depth.
        parameters: the number of trainable parameters.
        multiply_adds: multiply-adds for one image.
    """

    depth: int
    parameters: int
    multiply_adds: int


def layers(
    arch: Architecture,
    classes: int | None = None,
    image_size: int | tuple[int, int] | None = None,
) -> tuple[Layer, ...]:
    """Returns the layers of a network in the order of computation. A block's shortcut comes last.

    Args:
        arch: the network.
        classes: the number of classes; `None` selects that of the paper's data set.
        image_size: the side in pixels, or `(height, width)`; `None` selects the paper's size.

    Returns:
        All layers with weights, and the layers that change the shape.

    Raises:
        UsageError: if `classes` or `image_size` is not positive, or the image is too small for
            `vgg19`.

    Example:

    >>> from resnet_keras.architectures import parse
    >>> [layer.name for layer in layers(parse("resnet8"))][:3]
    ['conv1', 'stage1_block1_conv1', 'stage1_block1_conv2']
    """
    classes = arch.classes if classes is None else classes
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 1:
        raise UsageError(f"classes must be a positive integer. Received: {classes!r}")
    network = _Network(*_check_image_size(arch, image_size))
    if arch.family == "vgg":
        _add_vgg(network, arch, classes)
    else:
        _add_resnet(network, arch, classes)
    return tuple(network.layers)


def totals(layers: Iterable[Layer]) -> Totals:
    """Returns the depth and the sums of parameters and multiply-adds.

    Args:
        layers: layers of a network.

    Example:

    >>> from resnet_keras.architectures import parse
    >>> totals(layers(parse("resnet20")))
    Totals(depth=20, parameters=269722, multiply_adds=40551040)
    """
    layers = tuple(layers)
    return Totals(
        depth=sum(layer.kind in ("conv", "dense") for layer in layers),
        parameters=sum(layer.parameters for layer in layers),
        multiply_adds=sum(layer.multiply_adds for layer in layers),
    )


def by_stage(layers: Iterable[Layer]) -> dict[str, tuple[Layer, ...]]:
    """Groups layers by stage and keeps their order.

    Args:
        layers: layers of a network.

    Returns:
        The layers of each stage, by the name of the stage.

    Example:

    >>> from resnet_keras.architectures import parse
    >>> list(by_stage(layers(parse("resnet8"))))
    ['conv1', 'stage1', 'stage2', 'stage3', 'classifier']
    """
    stages: dict[str, list[Layer]] = {}
    for layer in layers:
        stages.setdefault(layer.stage, []).append(layer)
    return {stage: tuple(members) for stage, members in stages.items()}


class _Network:
    """Collects the layers of a network and tracks the shape of the feature maps.

    Args:
        height: the height of the input image in pixels.
        width: the width of the input image in pixels.
    """

    def __init__(self, height: int, width: int) -> None:
        self.layers: list[Layer] = []
        self.height, self.width, self.channels = height, width, 3
        self.stage = STEM_STAGE
        self.block: int | None = None

    def add_conv(
        self, name: str, kernel: int, stride: int, filters: int, bias: bool = False
    ) -> None:
        """Adds a convolution, with a bias or with batch normalization. Stride 1 keeps the size."""
        self._downsample(stride, math.ceil)
        self._add_convolution(name, "conv", kernel, stride, self.channels, filters, bias)
        self.channels = filters

    def add_projection(self, name: str, stride: int, in_channels: int, bias: bool) -> None:
        """Adds a 1x1 convolution from the input of the current block to its output."""
        self._add_convolution(name, "projection", 1, stride, in_channels, self.channels, bias)

    def add_zero_padding(self, name: str, stride: int, in_channels: int) -> None:
        """Adds the parameter-free shortcut from the input of the current block to its output."""
        self._add(name, "zero_padding", 1, stride, in_channels, self.channels)

    def add_max_pool(self, name: str, kernel: int, round_size: Callable[[float], int]) -> None:
        """Adds max pooling with stride 2."""
        self._downsample(2, round_size)
        self._add(name, "max_pool", kernel, 2, self.channels, self.channels)

    def add_global_average_pool(self) -> None:
        """Adds global average pooling."""
        self.stage, self.block = CLASSIFIER_STAGE, None
        self.height = self.width = 1
        self._add("pool", "average_pool", 0, 1, self.channels, self.channels)

    def add_dense(self, name: str, outputs: int) -> None:
        """Adds a dense layer with bias that takes the flattened feature maps."""
        self.stage = CLASSIFIER_STAGE
        inputs = self.height * self.width * self.channels
        self.height = self.width = 1
        self._add(
            name, "dense", 0, 1, inputs, outputs,
            parameters=inputs * outputs + outputs, multiply_adds=inputs * outputs,
        )  # fmt: skip
        self.channels = outputs

    def _add_convolution(
        self,
        name: str,
        kind: str,
        kernel: int,
        stride: int,
        in_channels: int,
        filters: int,
        bias: bool,
    ) -> None:
        weights = kernel * kernel * in_channels * filters
        self._add(
            name, kind, kernel, stride, in_channels, filters,
            # Each filter has a bias, or gamma and beta.
            parameters=weights + (filters if bias else 2 * filters),
            multiply_adds=weights * self.height * self.width,
        )  # fmt: skip

    def _downsample(self, stride: int, round_size: Callable[[float], int]) -> None:
        self.height = round_size(self.height / stride)
        self.width = round_size(self.width / stride)

    def _add(
        self,
        name: str,
        kind: str,
        kernel: int,
        stride: int,
        in_channels: int,
        out_channels: int,
        parameters: int = 0,
        multiply_adds: int = 0,
    ) -> None:
        layer = Layer(
            name=name,
            kind=kind,
            stage=self.stage,
            block=self.block,
            kernel=kernel,
            stride=stride,
            in_channels=in_channels,
            out_channels=out_channels,
            height=self.height,
            width=self.width,
            parameters=parameters,
            multiply_adds=multiply_adds,
        )
        self.layers.append(layer)


def _add_resnet(network: _Network, arch: Architecture, classes: int) -> None:
    if arch.family == "cifar":
        network.add_conv("conv1", 3, 1, 16)
    else:
        network.add_conv("conv1", 7, 2, 64)
        network.stage = "stage1"
        network.add_max_pool("pool1", 3, math.ceil)
    for stage, (count, filters) in enumerate(zip(arch.blocks, arch.filters, strict=True), 1):
        network.stage = f"stage{stage}"
        for index in range(1, count + 1):
            network.block = index
            _add_block(network, arch, filters, stride=2 if stage > 1 and index == 1 else 1)
    network.add_global_average_pool()
    network.add_dense(CLASSIFIER, classes)


def _add_block(network: _Network, arch: Architecture, filters: int, stride: int) -> None:
    name = f"{network.stage}_block{network.block}"
    in_channels = network.channels
    if arch.block == "bottleneck":
        first, second = (stride, 1) if arch.bottleneck_stride == "1x1" else (1, stride)
        network.add_conv(f"{name}_conv1", 1, first, filters)
        network.add_conv(f"{name}_conv2", 3, second, filters)
        network.add_conv(f"{name}_conv3", 1, 1, arch.expansion * filters)
    else:
        network.add_conv(f"{name}_conv1", 3, stride, filters)
        network.add_conv(f"{name}_conv2", 3, 1, filters)
    changes_shape = stride != 1 or in_channels != network.channels
    if arch.option == "A" and changes_shape:
        network.add_zero_padding(f"{name}_shortcut", stride, in_channels)
    elif arch.option == "C" or (arch.option == "B" and changes_shape):
        bias = arch.projection == "average"
        network.add_projection(f"{name}_projection", stride, in_channels, bias)


def _add_vgg(network: _Network, arch: Architecture, classes: int) -> None:
    for stage, (count, filters) in enumerate(zip(arch.blocks, arch.filters, strict=True), 1):
        network.stage = f"stage{stage}"
        for index in range(1, count + 1):
            network.add_conv(f"{network.stage}_conv{index}", 3, 1, filters, bias=True)
        network.add_max_pool(f"{network.stage}_pool", 2, math.floor)
    network.add_dense("dense1", 4096)
    network.add_dense("dense2", 4096)
    network.add_dense(CLASSIFIER, classes)


def _check_image_size(
    arch: Architecture, image_size: int | tuple[int, int] | None
) -> tuple[int, int]:
    """Returns height and width in pixels."""
    size = arch.image_size if image_size is None else image_size
    sides = tuple(size) if isinstance(size, tuple | list) else (size, size)
    if len(sides) != 2 or any(type(side) is not int or side < 1 for side in sides):
        raise UsageError(
            "image_size must be a positive integer or a pair (height, width) of them. "
            f"Received: {image_size!r}"
        )
    if arch.family == "vgg" and min(sides) < 32:
        raise UsageError(
            f"vgg19 needs images of at least 32 pixels in height and width. Received: {size!r}"
        )
    height, width = sides
    return height, width
