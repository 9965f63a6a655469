"""The devices that TensorFlow finds, and how a model is distributed over them."""

import contextlib
import functools

import keras
import tensorflow as tf

# Each replica normalizes with the statistics of its part of a batch, as the GPUs of the paper did.
NORMALIZES_PER_DEVICE = True


def list_devices(deterministic: bool) -> tuple[list[str], bool]:
    """Returns the names of the devices that can train, and whether they are GPUs.

    A machine has one CPU device. Tests create several logical ones to stand for GPUs.

    Args:
        deterministic: unused; see `devices_jax`.

    Example:

    >>> names, on_gpu = list_devices(deterministic=False)
    >>> len(names) >= 1
    True
    """
    gpus = tf.config.list_logical_devices("GPU")
    return [device.name for device in gpus or tf.config.list_logical_devices("CPU")], bool(gpus)


def gpu_properties() -> tuple[str, tuple[int, int]]:
    """Returns the name and the compute capability of the first GPU.

    Example:

    >>> gpu_properties()  # doctest: +SKIP
    ('NVIDIA H100 80GB HBM3', (9, 0))
    """
    physical = tf.config.list_physical_devices("GPU")[0]
    details = tf.config.experimental.get_device_details(physical)
    return details.get("device_name", "GPU"), details.get("compute_capability", (0, 0))


def distribution_scope(devices: tuple[str, ...]) -> contextlib.AbstractContextManager:
    """Returns the context in which to build and compile a model for these devices.

    Args:
        devices: names from `list_devices`.

    Example:

    >>> with distribution_scope(("/device:CPU:0",)):
    ...     model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    """
    if len(devices) == 1:
        return contextlib.nullcontext()
    return _mirrored_strategy(devices).scope()


@functools.cache
def _mirrored_strategy(devices: tuple[str, ...]) -> tf.distribute.MirroredStrategy:
    # All runs of a process, such as the trials of a search, share one strategy. Every strategy
    # numbers its collective operations from the same start, and TensorFlow would mistake those of a
    # second one for those of the first, which have other shapes.
    return tf.distribute.MirroredStrategy(devices)


def has_remote_devices() -> bool:
    """Returns whether some of the devices belong to other processes: never on TensorFlow.

    Example:

    >>> has_remote_devices()
    False
    """
    return False


def should_jit_compile(on_gpu: bool, count: int, deterministic: bool) -> bool:
    """Returns whether XLA should compile the training step.

    On GPUs, it fuses the elementwise operations between convolutions. On CPUs, it would replace
    oneDNN's convolutions with slower ones. It does not support MirroredStrategy.

    Args:
        on_gpu: whether the devices are GPUs.
        count: the number of devices.
        deterministic: whether the run has to compute the same bits every time.

    Example:

    >>> should_jit_compile(on_gpu=True, count=1, deterministic=False)
    True
    """
    return on_gpu and count == 1 and not deterministic


def enable_determinism() -> None:
    """Restricts TensorFlow to operations that compute the same bits every time.

    Example:

    >>> enable_determinism()  # doctest: +SKIP
    """
    tf.config.experimental.enable_op_determinism()


def gather_to_host(model: keras.Model) -> keras.Model:
    """Returns the model itself: a model under MirroredStrategy can be saved and called as it is.

    Args:
        model: the trained model.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> gather_to_host(model) is model
    True
    """
    return model
