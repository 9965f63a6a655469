"""What TensorFlow finds on this machine, and how a model is spread over it."""

import contextlib
import functools

import keras
import tensorflow as tf

# Each replica normalizes by its own part of a batch, as the paper's GPUs did.
NORMS_ARE_SEPARATE = True


def found(deterministic: bool) -> tuple[list[str], bool]:
    """Returns the names of the devices, one a replica at most, and whether they are GPUs.

    Several logical CPU devices stand in for GPUs where a test made them; a machine has one.
    """
    gpus = tf.config.list_logical_devices("GPU")
    return [device.name for device in gpus or tf.config.list_logical_devices("CPU")], bool(gpus)


def gpu() -> tuple[str, tuple[int, int]]:
    """Returns the first GPU's name and compute capability."""
    physical = tf.config.list_physical_devices("GPU")[0]
    details = tf.config.experimental.get_device_details(physical)
    return details.get("device_name", "GPU"), details.get("compute_capability", (0, 0))


def distribution_scope(devices: tuple[str, ...]) -> contextlib.AbstractContextManager:
    """Returns the context in which to build and compile a model for these devices."""
    if len(devices) == 1:
        return contextlib.nullcontext()
    return _mirrored(devices).scope()


@functools.cache
def _mirrored(devices):
    # One for all runs of a process, such as a search's trials: each strategy numbers its exchanges
    # from the same start, and TensorFlow takes a second one's for the first's, of other shapes.
    return tf.distribute.MirroredStrategy(devices)


def of_several_processes() -> bool:
    """Whether some of the devices belong to other processes: never."""
    return False


def compiles(on_gpu: bool, count: int, deterministic: bool) -> bool:
    """Whether XLA shall compile the step.

    It fuses a GPU's elementwise operations between convolutions. On the CPU it replaces oneDNN's
    convolutions by slower ones, and under MirroredStrategy it cannot be used.
    """
    return on_gpu and count == 1 and not deterministic


def make_deterministic() -> None:
    """Asks for the same bits every time."""
    tf.config.experimental.enable_op_determinism()


def gather_to_host(model: keras.Model) -> keras.Model:
    """Returns the model that a spread one was trained as, to be saved and measured: itself."""
    return model
