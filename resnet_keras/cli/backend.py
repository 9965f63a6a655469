"""Importing TensorFlow and Keras without the notices that they print."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

from resnet_keras.errors import UserError


def import_tensorflow() -> None:
    """Imports TensorFlow and Keras, and suppresses what they print during the import.

    TensorFlow's C++ code writes notices about missing GPU drivers and oneDNN directly to file
    descriptor 2, before any log level applies, and would hide the one line that matters to the
    user. If the import fails, everything that was suppressed is printed. Set
    `TF_CPP_MIN_LOG_LEVEL=0` in the environment to see everything.

    Raises:
        UserError: if the package of the Keras backend is not installed.

    Example:

    >>> import_tensorflow()
    >>> "tensorflow" in sys.modules
    True
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        import keras  # noqa: F401
        import tensorflow

        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _suppress_standard_error():
        _import_keras()
        import tensorflow

        if os.environ.get("KERAS_BACKEND") == "jax":
            # TensorFlow only decodes and augments images then; the GPU's memory belongs to JAX.
            tensorflow.config.set_visible_devices([], "GPU")
        # TensorFlow prints more notices when it looks for GPUs, so do that here as well.
        tensorflow.config.list_physical_devices()
        if not tensorflow.config.list_physical_devices("GPU"):
            tensorflow.config.list_logical_devices()


def _import_keras() -> None:
    try:
        import keras  # noqa: F401
    except ModuleNotFoundError as error:
        backend = os.environ.get("KERAS_BACKEND")
        if backend is None or error.name not in (backend, f"{backend}lib"):
            raise
        raise UserError(
            f"KERAS_BACKEND={backend}, but {error.name} is not installed: install it, or unset "
            "KERAS_BACKEND to use TensorFlow"
        ) from error


@contextlib.contextmanager
def _suppress_standard_error() -> Iterator[None]:
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as suppressed:
        os.dup2(suppressed.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            suppressed.seek(0)
            os.write(2, suppressed.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
