"""What the machine offers: devices, arithmetic, and the settings that follow from them."""

import dataclasses
import functools
import platform
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from resnet_keras.errors import UsageError
from resnet_keras.recipe import Recipe

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
        steps_per_execution: training steps a call into the backend.
    """

    devices: tuple[str, ...]
    description: str
    precision: str
    precision_reason: str
    jit_compile: bool
    steps_per_execution: int

    def strategy(self) -> tf.distribute.Strategy:
        """Returns the strategy to build and compile the model under."""
        if len(self.devices) == 1:
            return tf.distribute.get_strategy()
        return _mirrored(self.devices)


def choose(recipe: Recipe) -> Hardware:
    """Decides on which devices and in which precision a recipe runs on this machine.

    Raises:
        UsageError: if it wants more devices than there are, or its batch does not divide.
    """
    gpus = tf.config.list_logical_devices("GPU")
    # Several logical CPU devices stand in for GPUs where a test made them; a machine has one.
    available = gpus or tf.config.list_logical_devices("CPU")
    count = recipe.devices or len(available)
    if count > len(available):
        kind = "GPU" if gpus else "CPU device"
        raise UsageError(
            f"{count} devices were asked for, {len(available)} {kind}(s) are visible: "
            f"{', '.join(device.name for device in available)}"
        )
    if recipe.batch_size % count:
        below = recipe.batch_size - recipe.batch_size % count
        would = f"{below} or {below + count}" if below else count
        raise UsageError(
            f"a batch of {recipe.batch_size} images does not divide among {count} devices; "
            f"{would} would"
        )
    precision, reason = _precision(recipe.precision, bool(gpus))
    return Hardware(
        devices=tuple(device.name for device in available[:count]),
        description=_describe(gpus, count),
        precision=precision,
        precision_reason=reason,
        # XLA fuses a GPU's elementwise operations between convolutions. On the CPU it replaces
        # oneDNN's convolutions by slower ones, and under MirroredStrategy it cannot be used.
        jit_compile=bool(gpus) and count == 1 and not recipe.deterministic,
        # A step takes milliseconds on a GPU, no more than Python's share of it; on the CPU it
        # takes a hundred times as long, and a signal is answered a step sooner.
        steps_per_execution=1,
    )


def resolved(recipe: Recipe, hardware: Hardware) -> Recipe:
    """Returns the recipe with what was left to the machine (precision, devices) written down."""
    return dataclasses.replace(recipe, precision=hardware.precision, devices=len(hardware.devices))


def apply(recipe: Recipe, hardware: Hardware) -> None:
    """Sets the process-wide state that a run needs: precision, determinism, seeds."""
    keras.config.set_dtype_policy(hardware.precision)
    if recipe.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(recipe.seed)


@functools.cache
def _mirrored(devices):
    # One for all runs of a process, such as a search's trials: each strategy numbers its exchanges
    # from the same start, and TensorFlow takes a second one's for the first's, of other shapes.
    return tf.distribute.MirroredStrategy(devices)


def _precision(wanted, on_gpu):
    if wanted != "auto":
        return wanted, "as asked for"
    if on_gpu:
        details = tf.config.experimental.get_device_details(
            tf.config.list_physical_devices("GPU")[0]
        )
        capability = details.get("compute_capability", (0, 0))
        if capability >= (8, 0):
            return "mixed_bfloat16", f"compute capability {capability[0]}.{capability[1]}"
        return "float32", "the GPU does not compute in bfloat16"
    found = [flag for flag in _BFLOAT16_FLAGS if flag in _cpu_info().get("flags", "").split()]
    if found:
        return "mixed_bfloat16", f"the processor has {found[0]}"
    return "float32", "the processor does not compute in bfloat16"


def _describe(gpus, count):
    if gpus:
        physical = tf.config.list_physical_devices("GPU")[0]
        name = tf.config.experimental.get_device_details(physical).get("device_name", "GPU")
        return name if count == 1 else f"{count} x {name}"
    info = _cpu_info()
    name = info.get("model name") or platform.processor() or platform.machine()
    cores = len(tf.config.list_logical_devices("CPU"))
    return name if cores == 1 else f"{name}, {count} of {cores} logical devices"


def _cpu_info() -> dict[str, str]:
    """Returns the first processor's entries of /proc/cpuinfo; empty where there is none."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}
