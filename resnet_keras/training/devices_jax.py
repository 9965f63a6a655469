"""What JAX finds, on this machine and on those it has joined, and how a model is spread over it."""

import contextlib
import os

import jax
import keras
import numpy as np

# The batch is one array, whichever devices it lies on: its mean is everybody's.
NORMS_ARE_SEPARATE = False

_DETERMINISTIC = "--xla_gpu_deterministic_ops=true"


def found(deterministic: bool) -> tuple[list[str], bool]:
    """Returns the names of the devices of all processes, one a replica at most, and whether they
    are GPUs.

    Args:
        deterministic: whether the same bits are wanted every time, which JAX has to know before
            it looks for GPUs.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if deterministic and _DETERMINISTIC not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_DETERMINISTIC}".strip()
    devices = jax.devices()
    return keras.distribution.list_devices(), devices[0].platform != "cpu"


def gpu() -> tuple[str, tuple[int, int]]:
    """Returns the first GPU's name and compute capability."""
    device = jax.local_devices()[0]
    capability = str(getattr(device, "compute_capability", "0.0"))
    major, _, minor = capability.partition(".")
    return device.device_kind, (int(major or 0), int(minor or 0))


@contextlib.contextmanager
def distribution_scope(devices: tuple[str, ...]):
    """Within the block models are built and compiled for these devices."""
    if len(devices) == 1:
        yield
        return
    mesh = keras.distribution.DeviceMesh((len(devices),), ["batch"], list(devices))
    # Each process brings its own share of the batch.
    keras.distribution.set_distribution(
        keras.distribution.DataParallel(device_mesh=mesh, auto_shard_dataset=False)
    )
    # Not undone on the way out: `fit` parts the batches by it. `gather_to_host` undoes it.
    yield


def of_several_processes() -> bool:
    """Whether some of the devices belong to other processes."""
    return jax.process_count() > 1


def compiles(on_gpu: bool, count: int, deterministic: bool) -> bool:
    """Whether XLA shall compile the step: always, JAX knows nothing else."""
    return True


def make_deterministic() -> None:
    """Nothing is left to do: see `found`."""


def gather_to_host(model: keras.Model) -> keras.Model:
    """Returns the model, not compiled, on one device of this process alone.

    A model whose weights are spread over processes can neither be saved nor asked by one of them.
    """
    if keras.distribution.distribution() is None:
        return model
    weights = [np.asarray(keras.ops.convert_to_numpy(value)) for value in model.variables]
    keras.distribution.set_distribution(None)
    alone = keras.models.clone_model(model)
    for variable, value in zip(alone.variables, weights, strict=True):
        variable.assign(value)
    return alone
