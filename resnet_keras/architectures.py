"""The paper's networks as data: what a name such as `resnet56` with option A stands for.

Builders, tables, command-line flags and run names use these descriptions. This module does not
import Keras.
"""

import re
from dataclasses import dataclass, replace

from resnet_keras.errors import UsageError, unknown

OPTIONS = ("A", "B", "C")
PROJECTIONS = ("conv_bn", "average")
BOTTLENECK_STRIDES = ("1x1", "3x3")

# The name of the last layer of every network.
CLASSIFIER = "logits"

# The depths at which section 4.2 compares plain and residual networks (Fig. 6), and all its
# networks (with those of Table 6).
CIFAR_DEPTHS = (20, 32, 44, 56)
CIFAR_NAMES = (
    *(f"plain{depth}" for depth in (*CIFAR_DEPTHS, 110)),
    *(f"resnet{depth}" for depth in (*CIFAR_DEPTHS, 110, 1202)),
)
# The number of blocks of each stage, by depth (Table 1).
IMAGENET_BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
IMAGENET_NAMES = ("plain18", "plain34", *(f"resnet{depth}" for depth in IMAGENET_BLOCKS))
NAMES = (*CIFAR_NAMES, *IMAGENET_NAMES, "vgg19")


@dataclass(frozen=True)
class Architecture:
    """One network of the paper, without the number of classes and the image size.

    Attributes:
        name: the name on the command line: `resnet20`, `plain34`, `vgg19`.
        family: `"cifar"` (section 4.2), `"imagenet"` (section 3.3, Table 1) or `"vgg"`.
        depth: the number of weighted layers on the longest path, as the paper counts them.
        block: `"basic"` (two 3x3 convolutions), `"bottleneck"` (1x1, 3x3, 1x1; Fig. 5) or `"vgg"`.
        blocks: the number of blocks of each stage.
        filters: the channels of the 3x3 convolutions of each stage. A bottleneck block has four
            times as many output channels.
        option: the shortcut option of section 4.1, `"A"`, `"B"` or `"C"`; `None` for a plain
            network.
        projection: how options B and C project. `"conv_bn"`: a 1x1 convolution without bias, then
            batch normalization. `"average"`: a 1x1 convolution with bias that initially computes
            the mean of its input channels, without batch normalization.
        bottleneck_stride: the convolution of a bottleneck block that has the stride: `"1x1"`, the
            first one, as in the paper, or `"3x3"`, which other libraries call v1.5.

    Example:

    >>> arch = parse("resnet20", "B")
    >>> arch.blocks, arch.filters, arch.label
    ((3, 3, 3), (16, 32, 64), 'resnet20-B')
    """

    name: str
    family: str
    depth: int
    block: str
    blocks: tuple[int, ...]
    filters: tuple[int, ...]
    option: str | None = None
    projection: str = "conv_bn"
    bottleneck_stride: str = "1x1"

    @property
    def residual(self) -> bool:
        """Whether the network has shortcuts."""
        return self.option is not None

    @property
    def expansion(self) -> int:
        """The output channels of a block divided by those of its 3x3 convolution."""
        return 4 if self.block == "bottleneck" else 1

    @property
    def label(self) -> str:
        """The name with its variant: `plain20`, `resnet20-A`, `resnet20-B-average`."""
        parts = [self.name]
        if self.option:
            parts.append(self.option)
        if self.projection == "average":
            parts.append("average")
        if self.bottleneck_stride == "3x3":
            parts.append("v1.5")
        return "-".join(parts)

    @property
    def classes(self) -> int:
        """The number of classes of the data set in the paper."""
        return 10 if self.family == "cifar" else 1000

    @property
    def image_size(self) -> int:
        """The side in pixels of the training images in the paper."""
        return 32 if self.family == "cifar" else 224


def parse(
    arch: str,
    option: str | None = None,
    projection: str = "conv_bn",
    bottleneck_stride: str = "1x1",
) -> Architecture:
    """Returns the architecture for a name, an option and a variant.

    Args:
        arch: one of `NAMES`, or another `plain` or `resnet` network of depth 6n+2. `resnet50` and
            `resnet152` are the ImageNet networks, although 50 and 152 are of the form 6n+2 too.
        option: `"A"`, `"B"` or `"C"`. `None` selects the paper's option: A for CIFAR networks and
            for 18 and 34 layers, B for bottleneck networks, and none for plain networks.
        projection: one of `PROJECTIONS`.
        bottleneck_stride: one of `BOTTLENECK_STRIDES`.

    Returns:
        The architecture.

    Raises:
        UsageError: if a name or value is unknown, or if the network has no shortcuts, projections
            or bottleneck blocks to which a value could apply.

    Example:

    >>> parse("resnet56").option, parse("resnet50").option, parse("plain20").option
    ('A', 'B', None)
    >>> parse("resnet50", bottleneck_stride="3x3").label
    'resnet50-B-v1.5'
    """
    network = _parse_name(arch)
    if projection not in PROJECTIONS:
        raise unknown("projection", projection, PROJECTIONS)
    if bottleneck_stride not in BOTTLENECK_STRIDES:
        raise unknown("bottleneck stride", bottleneck_stride, BOTTLENECK_STRIDES)
    if bottleneck_stride != "1x1" and network.block != "bottleneck":
        raise UsageError(
            f"{arch} has no bottleneck blocks: leave out bottleneck_stride. "
            f"Received: {bottleneck_stride!r}"
        )
    if not network.residual:
        if option is not None:
            raise UsageError(
                f"{arch} has no shortcuts, so option does not apply. Received: {option!r}. Leave "
                f"it out, or choose a residual network such as {_residual_counterpart(network)}"
            )
        if projection != "conv_bn":
            raise UsageError(
                f"{arch} has no shortcuts, so projection does not apply. Received: {projection!r}"
            )
        return network
    option = network.option if option is None else option
    if option not in OPTIONS:
        raise unknown("option", option, OPTIONS)
    if option == "A" and projection != "conv_bn":
        raise UsageError(
            f"option A has no projections. Received: projection {projection!r}. "
            "Choose option B or C"
        )
    return replace(
        network, option=option, projection=projection, bottleneck_stride=bottleneck_stride
    )


def _residual_counterpart(network: Architecture) -> str:
    """Returns the name of a residual network to suggest instead of a network without shortcuts."""
    return "resnet34" if network.family == "vgg" else f"resnet{network.depth}"


def _parse_name(arch: str) -> Architecture:
    """Returns the architecture for a name, with the paper's option."""
    if arch == "vgg19":
        # Model E of Simonyan and Zisserman: stages of 3x3 convolutions that end in max pooling.
        return Architecture(arch, "vgg", 19, "vgg", (2, 2, 4, 4, 4), (64, 128, 256, 512, 512))
    match = re.fullmatch(r"(plain|resnet)([1-9][0-9]{0,4})", str(arch))
    if not match:
        raise unknown("architecture", arch, NAMES)
    residual, depth = match[1] == "resnet", int(match[2])
    if arch in IMAGENET_NAMES:
        bottleneck = depth >= 50
        return Architecture(
            arch,
            "imagenet",
            depth,
            "bottleneck" if bottleneck else "basic",
            IMAGENET_BLOCKS[depth],
            (64, 128, 256, 512),
            option=("B" if bottleneck else "A") if residual else None,
        )
    if depth < 8 or depth % 6 != 2:
        error = unknown("architecture", arch, NAMES)
        raise UsageError(f"{error}; or another depth of 6n+2 layers, such as {match[1]}26")
    blocks = (depth - 2) // 6
    return Architecture(
        arch,
        "cifar",
        depth,
        "basic",
        (blocks,) * 3,
        (16, 32, 64),
        option="A" if residual else None,
    )
