"""Calls of a network on the JAX backend, by one process on its first device alone.

Training may spread a network over several devices and processes; whoever wants an answer from it
in between must not wait for the others.
"""

from collections.abc import Callable

import jax
import keras
import numpy as np


def answers(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function from preprocessed images, float32 `(N, H, W, 3)`, to the outputs.

    It reads the weights anew at each call, so it can be kept during training.
    """

    @jax.jit
    def compute(trainable, others, images):
        return model.stateless_call(trainable, others, images, training=False)[0]

    def answer(images):
        return np.asarray(compute(*_weights(model), images))

    return answer


def statistics_updates(model: keras.Model) -> Callable[[np.ndarray], None]:
    """Returns a function that shows the network images, as `answers` takes them, in training mode:
    its moving averages move."""

    @jax.jit
    def compute(trainable, others, images):
        return model.stateless_call(trainable, others, images, training=True)[1]

    def show(images):
        moved = compute(*_weights(model), images)
        for variable, value in zip(model.non_trainable_variables, moved, strict=True):
            variable.assign(value)

    return show


def _weights(model):
    groups = model.trainable_variables, model.non_trainable_variables
    # Every device holds all of every weight: training is data parallel.
    return tuple([variable.value.addressable_data(0) for variable in group] for group in groups)
