"""The paper's networks in idiomatic PyTorch, with the same shapes and parameters as ours."""

import torch
from torch import nn
from torch.nn import functional

_BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3), "resnet152": (3, 8, 36, 3)}


def build(network: str) -> nn.Module:
    """Builds a residual network.

    Args:
        network: `"resnet50"`, `"resnet101"` or `"resnet152"`, with option B; or `"resnet<6n+2>"`
            for CIFAR-10, with option A.

    Raises:
        ValueError: if the network is none of these.
    """
    if network in _BLOCKS:
        return ImageNetResNet(_BLOCKS[network])
    depth = network.removeprefix("resnet")
    if not depth.isdecimal() or int(depth) % 6 != 2:
        raise ValueError(f"unknown PyTorch network: {network!r}")
    return CifarResNet((int(depth) - 2) // 6)


def count_parameters(model: nn.Module) -> int:
    """Returns the number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def _convolution(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1
) -> nn.Conv2d:
    convolution = nn.Conv2d(
        in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False
    )
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return convolution


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut without parameters (option A)."""

    def __init__(self, in_channels: int, filters: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _convolution(in_channels, filters, 3, stride)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = _convolution(filters, filters, 3)
        self.bn2 = nn.BatchNorm2d(filters)
        self.stride, self.padding = stride, filters - in_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns relu(F(x) + shortcut(x))."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.stride != 1 or self.padding:
            x = x[:, :, :: self.stride, :: self.stride]
            x = functional.pad(x, (0, 0, 0, 0, 0, self.padding))
        return functional.relu(y + x)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, the first with the stride.

    The shortcut is a projection if the shape changes (option B).
    """

    def __init__(self, in_channels: int, filters: int, stride: int) -> None:
        super().__init__()
        out_channels = 4 * filters
        self.conv1 = _convolution(in_channels, filters, 1, stride)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = _convolution(filters, filters, 3)
        self.bn2 = nn.BatchNorm2d(filters)
        self.conv3 = _convolution(filters, out_channels, 1)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.projection = None
        if stride != 1 or in_channels != out_channels:
            self.projection = nn.Sequential(
                _convolution(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns relu(F(x) + shortcut(x))."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        if self.projection is not None:
            x = self.projection(x)
        return functional.relu(y + x)


class CifarResNet(nn.Module):
    """Three stages of n blocks with 16, 32 and 64 filters (section 4.2)."""

    def __init__(self, blocks: int, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(_convolution(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU())
        stages, in_channels = [], 16
        for stage, filters in enumerate((16, 32, 64)):
            for index in range(blocks):
                stride = 2 if stage and not index else 1
                stages.append(BasicBlock(in_channels, filters, stride))
                in_channels = filters
        self.stages = nn.Sequential(*stages)
        self.logits = nn.Linear(64, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the logits of images `(N, 3, H, W)`."""
        return self.logits(self.stages(self.stem(x)).mean((2, 3)))


class ImageNetResNet(nn.Module):
    """A stem with stride and four stages of bottlenecks (Table 1)."""

    def __init__(self, blocks: tuple[int, ...], classes: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            _convolution(3, 64, 7, 2), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        stages, in_channels = [], 64
        for stage, count in enumerate(blocks):
            filters = 64 * 2**stage
            for index in range(count):
                stages.append(Bottleneck(in_channels, filters, 2 if stage and not index else 1))
                in_channels = 4 * filters
        self.stages = nn.Sequential(*stages)
        self.logits = nn.Linear(in_channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the logits of images `(N, 3, H, W)`."""
        return self.logits(self.stages(self.stem(x)).mean((2, 3)))
