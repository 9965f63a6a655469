"""Imports TensorFlow without its chatter."""

import contextlib
import os
import sys
import tempfile

from resnet_keras.errors import UserError


def import_tensorflow() -> None:
    """Imports TensorFlow and Keras, and keeps to itself what they print on the way.

    TensorFlow's C++ writes notices of missing GPU drivers and of oneDNN straight to file
    descriptor 2, before any log level counts; a user looks for our one line there. If the import
    fails, all that was held back is printed. `TF_CPP_MIN_LOG_LEVEL=0` in the environment shows
    everything.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        import keras  # noqa: F401
        import tensorflow

        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _standard_error_held_back():
        _import_keras()
        import tensorflow

        if os.environ.get("KERAS_BACKEND") == "jax":
            # It decodes and augments images then; the GPU's memory is JAX's.
            tensorflow.config.set_visible_devices([], "GPU")
        # Looks for GPUs now, while nobody listens.
        tensorflow.config.list_physical_devices()
        if not tensorflow.config.list_physical_devices("GPU"):
            tensorflow.config.list_logical_devices()


def _import_keras():
    try:
        import keras  # noqa: F401
    except ModuleNotFoundError as error:
        backend = os.environ.get("KERAS_BACKEND")
        if backend is None or error.name not in (backend, f"{backend}lib"):
            raise
        raise UserError(f"KERAS_BACKEND={backend}, but {error.name} is not installed") from error


@contextlib.contextmanager
def _standard_error_held_back():
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
