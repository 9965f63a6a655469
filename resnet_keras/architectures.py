"""The paper's networks as data: what a name such as `resnet56` with option A stands for.

No Keras here: builders, tables, flags and run names all read these descriptions.
"""

import re
from dataclasses import dataclass, replace

from resnet_keras.errors import UsageError, unknown

OPTIONS = ("A", "B", "C")
PROJECTIONS = ("conv_bn", "average")
BOTTLENECK_STRIDES = ("1x1", "3x3")

# Depths of section 4.2 (Table 6 and Fig. 6) and of section 3.3 (Table 1): blocks a stage.
CIFAR_NAMES = (
    *(f"plain{depth}" for depth in (20, 32, 44, 56, 110)),
    *(f"resnet{depth}" for depth in (20, 32, 44, 56, 110, 1202)),
)
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
    """One network of the paper, without its number of classes or image size.

    Attributes:
        name: as the command line spells it: `resnet20`, `plain34`, `vgg19`.
        family: `"cifar"` (section 4.2), `"imagenet"` (section 3.3, Table 1) or `"vgg"`.
        depth: weighted layers on the longest path, as the paper counts them.
        block: `"basic"` (two 3x3 convolutions) or `"bottleneck"` (1x1, 3x3, 1x1; Fig. 5).
        blocks: number of blocks, a stage.
        filters: channels of the 3x3 convolutions, a stage. A bottleneck puts out four times that.
        option: the shortcut of section 4.1: `"A"`, `"B"`, `"C"`; `None` for a plain network.
        projection: how options B and C project. `"conv_bn"`: 1x1 convolution without bias, then
            batch normalization. `"average"`: 1x1 convolution with bias that starts as the mean of
            its input channels, no batch normalization.
        bottleneck_stride: which convolution of a bottleneck strides: `"1x1"`, the first, as in the
            paper, or `"3x3"`, which libraries call v1.5.
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
        """Output channels of a block over those of its 3x3 convolution."""
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
        """Classes of the data set the paper trains it on."""
        return 10 if self.family == "cifar" else 1000

    @property
    def image_size(self) -> int:
        """Side in pixels of the images the paper trains it on."""
        return 32 if self.family == "cifar" else 224


def parse(
    arch: str,
    option: str | None = None,
    projection: str = "conv_bn",
    bottleneck_stride: str = "1x1",
) -> Architecture:
    """Returns the architecture that a name, an option and its variants stand for.

    Args:
        arch: one of `NAMES`, or another `plain` or `resnet` of depth 6n+2. `resnet50` and
            `resnet152` are the ImageNet networks of that name although 50 and 152 are 6n+2 too.
        option: `"A"`, `"B"` or `"C"`. `None` takes the paper's: A for CIFAR networks and for 18
            and 34 layers, B for bottlenecks, none for plain networks.
        projection: one of `PROJECTIONS`.
        bottleneck_stride: one of `BOTTLENECK_STRIDES`.

    Raises:
        UsageError: for an unknown name or value, an option for a plain network, `average` or a
            bottleneck's stride where there is nothing it applies to.
    """
    network = _by_name(arch)
    if projection not in PROJECTIONS:
        raise unknown("projection", projection, PROJECTIONS)
    if bottleneck_stride not in BOTTLENECK_STRIDES:
        raise unknown("bottleneck stride", bottleneck_stride, BOTTLENECK_STRIDES)
    if bottleneck_stride != "1x1" and network.block != "bottleneck":
        raise UsageError(f"{arch} has no bottleneck blocks: leave out bottleneck_stride")
    if not network.residual:
        if option is not None:
            raise UsageError(
                f"{arch} has no shortcuts, so it takes no option. Received: option {option!r}. "
                f"Leave it out, or take a residual network such as {_with_shortcuts(network)}"
            )
        if projection != "conv_bn":
            raise UsageError(f"{arch} has no shortcuts, so it takes no projection {projection!r}")
        return network
    option = network.option if option is None else option
    if option not in OPTIONS:
        raise unknown("option", option, OPTIONS)
    if option == "A" and projection != "conv_bn":
        raise UsageError(
            f"option A has no parameters, so no projection. Received: {projection!r}. "
            "Take option B or C for it"
        )
    return replace(
        network, option=option, projection=projection, bottleneck_stride=bottleneck_stride
    )


def _with_shortcuts(network):
    return "resnet34" if network.family == "vgg" else f"resnet{network.depth}"


def _by_name(arch: str) -> Architecture:
    if arch == "vgg19":
        # Simonyan and Zisserman's model E: 3x3 convolutions a stage, each stage max-pooled.
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
        raise UsageError(f"{error}; and any other depth of 6n+2 layers, such as {match[1]}26")
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
