"""The hardware of a run: devices, precision, and the settings that depend on them."""

import contextlib
from dataclasses import dataclass

import keras

from resnet_keras.cpu import bfloat16_flags, cpu_name
from resnet_keras.errors import UsageError
from resnet_keras.recipe import Recipe

if keras.backend.backend() == "jax":
    from resnet_keras.training import devices_jax as devices
else:
    # Both modules define the same names.
    from resnet_keras.training import devices_tensorflow as devices  # type: ignore[no-redef]

# NVIDIA GPUs of this compute capability ("Ampere") or higher compute in bfloat16.
_BFLOAT16_CAPABILITY = (8, 0)


@dataclass(frozen=True)
class Hardware:
    """What a run computes on, and how.

    Attributes:
        devices: the names of the devices, one per replica.
        description: the model of the device, such as `"NVIDIA H100 80GB HBM3"`.
        precision: `"float32"` or `"mixed_bfloat16"`.
        precision_reason: why this precision was chosen.
        jit_compile: whether XLA compiles the training step.
    """

    devices: tuple[str, ...]
    description: str
    precision: str
    precision_reason: str
    jit_compile: bool

    @property
    def normalizes_per_device(self) -> bool:
        """Whether batch normalization uses the statistics of each device's part of a batch.

        This is the default of the backend; `sync_bn` overrides it.
        """
        return len(self.devices) > 1 and devices.NORMALIZES_PER_DEVICE

    def distribution_scope(self) -> contextlib.AbstractContextManager:
        """Returns the context in which to build and compile the model."""
        return devices.distribution_scope(self.devices)


def choose(recipe: Recipe) -> Hardware:
    """Chooses the devices and the precision for a recipe on this machine.

    Args:
        recipe: the recipe, whose `precision` and `devices` may be left open.

    Raises:
        UsageError: if there are fewer devices than the recipe asks for, or the batch size is not a
            multiple of their number.

    Example:

    >>> hardware = choose(Recipe("resnet20", precision="float32", devices=1))
    >>> len(hardware.devices), hardware.precision, hardware.precision_reason
    (1, 'float32', 'as requested')
    """
    available, on_gpu = devices.list_devices(recipe.deterministic)
    count = recipe.devices or len(available)
    if count > len(available):
        kind = "GPU" if on_gpu else "CPU device"
        raise UsageError(
            f"only {len(available)} {kind}(s) are visible ({', '.join(available)}): use at most "
            f"that many. Received: --devices {count}"
        )
    if count < len(available) and devices.has_remote_devices():
        raise UsageError(
            f"several processes train on all of their devices: omit --devices or set it to "
            f"{len(available)}. Received: --devices {count}"
        )
    if recipe.batch_size % count:
        below = recipe.batch_size - recipe.batch_size % count
        would = f"{below} or {below + count}" if below else count
        raise UsageError(
            f"a batch cannot be divided evenly among {count} devices. Received: --batch-size "
            f"{recipe.batch_size}; {would} would work"
        )
    precision, reason = _choose_precision(recipe.precision, on_gpu)
    return Hardware(
        devices=tuple(available[:count]),
        description=_describe(on_gpu, count, len(available)),
        precision=precision,
        precision_reason=reason,
        jit_compile=devices.should_jit_compile(on_gpu, count, recipe.deterministic),
    )


def apply(recipe: Recipe, hardware: Hardware) -> None:
    """Sets the global state of Keras for a run: dtype policy, determinism and random seeds.

    Args:
        recipe: gives `seed` and `deterministic`.
        hardware: from `choose`.

    Example:

    >>> recipe = Recipe("resnet20", precision="float32", devices=1)
    >>> apply(recipe, choose(recipe))
    >>> keras.config.dtype_policy().name
    'float32'
    """
    keras.config.set_dtype_policy(hardware.precision)
    if recipe.deterministic:
        devices.enable_determinism()
    keras.utils.set_random_seed(recipe.seed)


def gather_to_host(model: keras.Model) -> keras.Model:
    """Returns a trained model that this process can save and call without other processes.

    Args:
        model: the model, after training on any number of devices.

    Returns:
        The model itself if it is not distributed, otherwise a copy that is not compiled.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> gather_to_host(model) is model
    True
    """
    return devices.gather_to_host(model)


def _choose_precision(requested: str, on_gpu: bool) -> tuple[str, str]:
    """Returns the precision and the reason for it."""
    if requested != "auto":
        return requested, "as requested"
    if on_gpu:
        _, capability = devices.gpu_properties()
        if capability >= _BFLOAT16_CAPABILITY:
            return "mixed_bfloat16", f"compute capability {capability[0]}.{capability[1]}"
        return "float32", "the GPU does not compute in bfloat16"
    if keras.backend.backend() == "jax":
        return "float32", "XLA computes convolutions in float32 on CPUs"
    supported = bfloat16_flags()
    if supported:
        return "mixed_bfloat16", f"the processor has {supported[0]}"
    return "float32", "the processor does not compute in bfloat16"


def _describe(on_gpu: bool, count: int, available: int) -> str:
    if on_gpu:
        name, _ = devices.gpu_properties()
        return name if count == 1 else f"{count} x {name}"
    name = cpu_name()
    return name if available == 1 else f"{name}, {count} of {available} logical devices"
