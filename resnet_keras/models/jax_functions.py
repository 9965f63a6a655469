"""Functions that call a network on the JAX backend, in one process and on its first device.

Training may distribute a network over several devices and processes. These functions let one of
the processes evaluate the network without waiting for the others.
"""

from collections.abc import Callable

import jax
import keras
import numpy as np


def make_predict_function(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function from preprocessed images to the outputs of a model.

    Args:
        model: the network, on the JAX backend.

    Returns:
        A function from float32 `(N, H, W, 3)` to float32 `(N, classes)`. It reads the weights on
        every call, so it can be reused during training.

    Example:

    >>> from resnet_keras.models.build import build
    >>> predict = make_predict_function(build("plain8", input_shape=(8, 8, 3)))
    >>> predict(np.zeros((2, 8, 8, 3), np.float32)).shape  # doctest: +SKIP
    (2, 10)
    """

    @jax.jit
    def compute(
        trainable: list[jax.Array], non_trainable: list[jax.Array], images: np.ndarray
    ) -> jax.Array:
        return model.stateless_call(trainable, non_trainable, images, training=False)[0]

    def predict(images: np.ndarray) -> np.ndarray:
        return np.asarray(compute(*_weights(model), images))

    return predict


def make_update_function(model: keras.Model) -> Callable[[np.ndarray], None]:
    """Returns a function that updates the moving averages of a model with the images of a batch.

    Args:
        model: the network, on the JAX backend.

    Returns:
        A function of preprocessed images, float32 `(N, H, W, 3)`. It applies the model in training
        mode and stores its new non-trainable variables.

    Example:

    >>> from resnet_keras.models.build import build
    >>> update = make_update_function(build("plain8", input_shape=(8, 8, 3)))
    >>> update(np.zeros((2, 8, 8, 3), np.float32))  # doctest: +SKIP
    """

    @jax.jit
    def compute(
        trainable: list[jax.Array], non_trainable: list[jax.Array], images: np.ndarray
    ) -> list[jax.Array]:
        return model.stateless_call(trainable, non_trainable, images, training=True)[1]

    def update(images: np.ndarray) -> None:
        updated = compute(*_weights(model), images)
        for variable, value in zip(model.non_trainable_variables, updated, strict=True):
            variable.assign(value)

    return update


def _weights(model: keras.Model) -> tuple[list[jax.Array], list[jax.Array]]:
    """Returns the trainable and the non-trainable variables as arrays on the first device."""

    def local(variables: list[keras.Variable]) -> list[jax.Array]:
        # Training is data parallel, so every device holds all weights.
        return [variable.value.addressable_data(0) for variable in variables]

    return local(model.trainable_variables), local(model.non_trainable_variables)
