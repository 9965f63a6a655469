"""Networks as their PyTorch repositories define them, computed by JAX on NCHW arrays.

They are written from those definitions, independently of this program's builders, and are the
reference for imported weights. This module also creates random weights in their layouts.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax

EPSILON = 1e-5


class Weights(dict):
    """Random arrays by name, scaled so that the outputs of a deep network stay close to one."""

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)

    def conv(self, name, outputs, inputs, kernel):
        scale = np.sqrt(2 / (inputs * kernel * kernel))
        self[f"{name}.weight"] = self.normal((outputs, inputs, kernel, kernel), scale)

    def bn(self, name, channels, gain=1.0):
        self[f"{name}.weight"] = self.uniform(channels) * np.float32(gain)
        self[f"{name}.bias"] = self.normal(channels, 0.3)
        self[f"{name}.running_mean"] = self.normal(channels, 0.3)
        self[f"{name}.running_var"] = self.uniform(channels)
        self[f"{name}.num_batches_tracked"] = np.array(17)

    def linear(self, name, outputs, inputs):
        self[f"{name}.weight"] = self.normal((outputs, inputs), inputs**-0.5)
        self[f"{name}.bias"] = self.normal(outputs, 0.3)

    def normal(self, shape, scale):
        return (self.rng.normal(size=shape) * scale).astype(np.float32)

    def uniform(self, shape):
        return self.rng.uniform(0.5, 1.5, shape).astype(np.float32)


def cifar_weights(blocks=1, option="A", classes=10, seed=0):
    """The state_dict of `pytorch_resnet_cifar10`. Its `resnet20()` has three blocks per stage."""
    w = Weights(seed)
    w.conv("conv1", 16, 3, 3)
    w.bn("bn1", 16)
    in_planes = 16
    for stage, planes in ((1, 16), (2, 32), (3, 64)):
        for index in range(blocks):
            name = f"layer{stage}.{index}"
            w.conv(f"{name}.conv1", planes, in_planes, 3)
            w.bn(f"{name}.bn1", planes)
            w.conv(f"{name}.conv2", planes, planes, 3)
            w.bn(f"{name}.bn2", planes, 0.5)
            if option == "B" and in_planes != planes:
                w.conv(f"{name}.shortcut.0", planes, in_planes, 1)
                w.bn(f"{name}.shortcut.1", planes)
            in_planes = planes
    w.linear("linear", classes, 64)
    return dict(w)


def cifar_forward(w, x, blocks=1):
    """The `ResNet.forward` of that repository: `(N, 3, H, W)` to logits."""
    out = relu(bn(w, "bn1", conv(w, "conv1", x, padding=1)))
    for stage in (1, 2, 3):
        for index in range(blocks):
            name, stride = f"layer{stage}.{index}", 2 if stage > 1 and index == 0 else 1
            y = relu(bn(w, f"{name}.bn1", conv(w, f"{name}.conv1", out, stride, 1)))
            y = bn(w, f"{name}.bn2", conv(w, f"{name}.conv2", y, 1, 1))
            if f"{name}.shortcut.0.weight" in w:
                out = conv(w, f"{name}.shortcut.0", out, stride)
                out = bn(w, f"{name}.shortcut.1", out)
            elif stride == 2:
                # F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, planes // 4, planes // 4))
                side = y.shape[1] // 4
                out = jnp.pad(out[:, :, ::2, ::2], ((0, 0), (side, side), (0, 0), (0, 0)))
            out = relu(y + out)
    return linear(w, "linear", out.mean(axis=(2, 3)))


def torchvision_weights(blocks, bottleneck, classes=1000, seed=0):
    """torchvision's `ResNet(…).state_dict()`."""
    w = Weights(seed)
    w.conv("conv1", 64, 3, 7)
    w.bn("bn1", 64)
    inplanes, expansion = 64, 4 if bottleneck else 1
    for stage, (count, planes) in enumerate(zip(blocks, (64, 128, 256, 512), strict=True), 1):
        for index in range(count):
            name, out = f"layer{stage}.{index}", planes * expansion
            if bottleneck:
                sizes = [(planes, inplanes, 1), (planes, planes, 3), (out, planes, 1)]
            else:
                sizes = [(planes, inplanes, 3), (planes, planes, 3)]
            for number, size in enumerate(sizes, 1):
                w.conv(f"{name}.conv{number}", *size)
                w.bn(f"{name}.bn{number}", size[0], 0.3 if number == len(sizes) else 1.0)
            if index == 0 and (stage > 1 or inplanes != out):
                w.conv(f"{name}.downsample.0", out, inplanes, 1)
                w.bn(f"{name}.downsample.1", out, 0.7)
            inplanes = out
    w.linear("fc", classes, inplanes)
    return dict(w)


def torchvision_forward(w, x, blocks, bottleneck):
    """torchvision's `ResNet.forward`, v1.5: `(N, 3, H, W)` to logits."""
    x = relu(bn(w, "bn1", conv(w, "conv1", x, 2, 3)))
    x = lax.reduce_window(
        x, -jnp.inf, lax.max, (1, 1, 3, 3), (1, 1, 2, 2), ((0, 0), (0, 0), (1, 1), (1, 1))
    )
    for stage, count in enumerate(blocks, 1):
        for index in range(count):
            name, stride = f"layer{stage}.{index}", 2 if stage > 1 and index == 0 else 1
            if bottleneck:
                y = relu(bn(w, f"{name}.bn1", conv(w, f"{name}.conv1", x)))
                y = relu(bn(w, f"{name}.bn2", conv(w, f"{name}.conv2", y, stride, 1)))
                y = bn(w, f"{name}.bn3", conv(w, f"{name}.conv3", y))
            else:
                y = relu(bn(w, f"{name}.bn1", conv(w, f"{name}.conv1", x, stride, 1)))
                y = bn(w, f"{name}.bn2", conv(w, f"{name}.conv2", y, 1, 1))
            if f"{name}.downsample.0.weight" in w:
                x = bn(w, f"{name}.downsample.1", conv(w, f"{name}.downsample.0", x, stride))
            x = relu(y + x)
    return linear(w, "fc", x.mean(axis=(2, 3)))


def conv(w, name, x, stride=1, padding=0):
    sides = ((padding, padding),) * 2
    return lax.conv_general_dilated(x, w[f"{name}.weight"], (stride, stride), sides)


def bn(w, name, x):
    def channels(array):
        return array[:, None, None]

    x = (x - channels(w[f"{name}.running_mean"])) / jnp.sqrt(
        channels(w[f"{name}.running_var"]) + EPSILON
    )
    return x * channels(w[f"{name}.weight"]) + channels(w[f"{name}.bias"])


def linear(w, name, x):
    return np.asarray(x @ w[f"{name}.weight"].T + w[f"{name}.bias"])


def relu(x):
    return jnp.maximum(x, 0)


def random_images(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def assert_same_outputs(model, x, expected, least=0.3):
    """Checks that `model` returns `expected` for NHWC images, and that it is not constant."""
    given = np.asarray(model(x, training=False))
    assert expected.std(axis=0).min() > 0 and np.abs(expected).max() > least
    np.testing.assert_allclose(given, expected, atol=1e-4, rtol=0)
