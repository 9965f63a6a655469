"""The devices that JAX finds, in all connected processes, and how a model is distributed."""

import contextlib
import os
from collections.abc import Iterator

import jax
import keras
import numpy as np

# A batch is one array, on whichever devices it is stored, so its statistics are those of all of it.
NORMALIZES_PER_DEVICE = False

_DETERMINISTIC_FLAG = "--xla_gpu_deterministic_ops=true"


def list_devices(deterministic: bool) -> tuple[list[str], bool]:
    """Returns the names of the devices of all processes, and whether they are GPUs.

    Args:
        deterministic: whether the run has to compute the same bits every time. JAX must know this
            before it initializes the GPUs, which happens here.

    Example:

    >>> names, on_gpu = list_devices(deterministic=False)
    >>> len(names) >= 1
    True
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if deterministic and _DETERMINISTIC_FLAG not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_DETERMINISTIC_FLAG}".strip()
    platform = jax.devices()[0].platform
    return keras.distribution.list_devices(), platform != "cpu"


def gpu_properties() -> tuple[str, tuple[int, int]]:
    """Returns the name and the compute capability of the first GPU of this process.

    Example:

    >>> gpu_properties()  # doctest: +SKIP
    ('NVIDIA H100 80GB HBM3', (9, 0))
    """
    device = jax.local_devices()[0]
    capability = str(getattr(device, "compute_capability", "0.0"))
    major, _, minor = capability.partition(".")
    return device.device_kind, (int(major or 0), int(minor or 0))


@contextlib.contextmanager
def distribution_scope(devices: tuple[str, ...]) -> Iterator[None]:
    """Distributes the models that are built and compiled within the block over these devices.

    The setting remains in effect after the block, because `fit` needs it to distribute the
    batches. `gather_to_host` undoes it.

    Args:
        devices: names from `list_devices`.

    Example:

    >>> with distribution_scope(("cpu:0",)):
    ...     model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    """
    if len(devices) > 1:
        mesh = keras.distribution.DeviceMesh((len(devices),), ["batch"], list(devices))
        # Each process provides its own part of each batch.
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(device_mesh=mesh, auto_shard_dataset=False)
        )
    yield


def has_remote_devices() -> bool:
    """Returns whether some of the devices belong to other processes.

    Example:

    >>> has_remote_devices()
    False
    """
    return jax.process_count() > 1


def should_jit_compile(on_gpu: bool, count: int, deterministic: bool) -> bool:
    """Returns whether XLA should compile the training step: always on JAX.

    Args:
        on_gpu: unused; see `devices_tensorflow`.
        count: unused.
        deterministic: unused.

    Example:

    >>> should_jit_compile(on_gpu=False, count=2, deterministic=True)
    True
    """
    return True


def enable_determinism() -> None:
    """Does nothing: `list_devices` has set the flag, since JAX reads it before it starts.

    Example:

    >>> enable_determinism()
    """


def gather_to_host(model: keras.Model) -> keras.Model:
    """Returns the model on one device of this process, so that it can be saved and called.

    A process can neither save nor call a model whose weights are distributed over several.

    Args:
        model: the trained model.

    Returns:
        The model itself if it is not distributed, otherwise a copy that is not compiled.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> gather_to_host(model) is model
    True
    """
    if keras.distribution.distribution() is None:
        return model
    weights = [np.asarray(keras.ops.convert_to_numpy(value)) for value in model.variables]
    keras.distribution.set_distribution(None)
    copy = keras.models.clone_model(model)
    for variable, value in zip(copy.variables, weights, strict=True):
        variable.assign(value)
    return copy
