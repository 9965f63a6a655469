"""What the machine offers: devices, arithmetic, and the settings that follow from them."""

import contextlib
import platform
from dataclasses import dataclass
from pathlib import Path

import keras

from resnet_keras.errors import UsageError
from resnet_keras.recipe import Recipe

if keras.backend.backend() == "jax":
    from resnet_keras.training import devices_jax as devices
else:
    from resnet_keras.training import devices_tensorflow as devices

# NVIDIA's compute capability from which on bfloat16 is not emulated: "Ampere".
_BFLOAT16_CAPABILITY = (8, 0)
# Flags by which Linux names bfloat16 arithmetic: AMX tiles, and AVX-512's dot product.
_BFLOAT16_FLAGS = ("amx_bf16", "avx512_bf16")


@dataclass(frozen=True)
class Hardware:
    """Where and how a run computes.

    Attributes:
        devices: names of the devices, one a replica.
        description: the device in words, for people.
        precision: `"float32"` or `"mixed_bfloat16"`.
        precision_reason: why that.
        jit_compile: whether XLA compiles the step.
    """

    devices: tuple[str, ...]
    description: str
    precision: str
    precision_reason: str
    jit_compile: bool

    @property
    def norms_are_separate(self) -> bool:
        """Whether each device normalizes its own part of a batch, unless told otherwise."""
        return len(self.devices) > 1 and devices.NORMS_ARE_SEPARATE

    def distribution_scope(self) -> contextlib.AbstractContextManager:
        """Returns the context in which to build and compile the model."""
        return devices.distribution_scope(self.devices)


def choose(recipe: Recipe) -> Hardware:
    """Decides on which devices and in which precision a recipe runs on this machine.

    Raises:
        UsageError: if it wants more devices than there are, or its batch does not divide.
    """
    available, on_gpu = devices.found(recipe.deterministic)
    count = recipe.devices or len(available)
    if count > len(available):
        kind = "GPU" if on_gpu else "CPU device"
        raise UsageError(
            f"{count} devices were asked for, {len(available)} {kind}(s) are visible: "
            f"{', '.join(available)}"
        )
    if count < len(available) and devices.of_several_processes():
        raise UsageError(
            f"several processes train on all of their {len(available)} devices. Received: "
            f"--devices {count}"
        )
    if recipe.batch_size % count:
        below = recipe.batch_size - recipe.batch_size % count
        would = f"{below} or {below + count}" if below else count
        raise UsageError(
            f"a batch of {recipe.batch_size} images does not divide among {count} devices; "
            f"{would} would"
        )
    precision, reason = _precision(recipe.precision, on_gpu)
    return Hardware(
        devices=tuple(available[:count]),
        description=_describe(on_gpu, count, len(available)),
        precision=precision,
        precision_reason=reason,
        jit_compile=devices.compiles(on_gpu, count, recipe.deterministic),
    )


def apply(recipe: Recipe, hardware: Hardware) -> None:
    """Sets the process-wide state that a run needs: precision, determinism, seeds."""
    keras.config.set_dtype_policy(hardware.precision)
    if recipe.deterministic:
        devices.make_deterministic()
    keras.utils.set_random_seed(recipe.seed)


def gather_to_host(model: keras.Model) -> keras.Model:
    """Returns a trained model as one that this process can save and ask by itself."""
    return devices.gather_to_host(model)


def _precision(wanted, on_gpu):
    if wanted != "auto":
        return wanted, "as asked for"
    if on_gpu:
        _, capability = devices.gpu()
        if capability >= _BFLOAT16_CAPABILITY:
            return "mixed_bfloat16", f"compute capability {capability[0]}.{capability[1]}"
        return "float32", "the GPU does not compute in bfloat16"
    if keras.backend.backend() == "jax":
        return "float32", "XLA's convolutions on processors are float32"
    known = [flag for flag in _BFLOAT16_FLAGS if flag in _cpu_info().get("flags", "").split()]
    if known:
        return "mixed_bfloat16", f"the processor has {known[0]}"
    return "float32", "the processor does not compute in bfloat16"


def _describe(on_gpu, count, available):
    if on_gpu:
        name, _ = devices.gpu()
        return name if count == 1 else f"{count} x {name}"
    info = _cpu_info()
    name = info.get("model name") or platform.processor() or platform.machine()
    return name if available == 1 else f"{name}, {count} of {available} logical devices"


def _cpu_info() -> dict[str, str]:
    """Returns the first processor's entries of /proc/cpuinfo; empty where there is none."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}
