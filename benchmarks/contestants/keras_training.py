"""The training step of this program and of stock Keras, inside `model.fit`."""

import time
from typing import Any

import keras
import tensorflow as tf

from benchmarks.contestants import Built, keras_networks, synthetic
from resnet_keras.recipe import Recipe
from resnet_keras.training import hardware
from resnet_keras.training.fit import compiled_model

# Low enough that training on a single batch does not diverge, so that no loss is NaN.
LEARNING_RATE = 0.01


def make(
    implementation: str,
    network: str,
    size: int,
    batch: int,
    precision: str,
    on_gpu: bool = False,
) -> Built:
    """Builds and compiles a network, with one batch in memory.

    Args:
        implementation: `"ours"`: this program's `compiled_model`. `"stock"`: the same network with
            stock Keras layers and Keras' SGD, compiled with all defaults of `compile`.
        network: the name of the network.
        size: the side of the images in pixels.
        batch: images per step.
        precision: as in `--precision`.
        on_gpu: require a GPU. Its steps are not synchronized one by one, as in training.

    Returns:
        `(run_steps, facts)`.
    """
    if keras.backend.backend() == "jax":
        # Otherwise TensorFlow would reserve the memory of the GPU.
        tf.config.set_visible_devices([], "GPU")
    classes = synthetic.class_count(size)
    # One device, as PyTorch uses one.
    recipe = Recipe(
        arch=network, batch_size=batch, precision=precision, learning_rate=LEARNING_RATE, devices=1
    )
    machine = hardware.choose(recipe)
    if on_gpu and not keras.distribution.list_devices("gpu"):
        raise SystemExit(f"Keras' {keras.backend.backend()} backend finds no GPU")
    hardware.apply(recipe, machine)
    if implementation == "ours":
        model, _ = compiled_model(recipe, machine, synthetic.preprocessing(size, classes))
    else:
        model = _stock_model(recipe, size)
    images = synthetic.scaled(synthetic.images(batch, size))
    batches = tf.data.Dataset.from_tensors((images, synthetic.labels(batch, classes))).repeat()
    facts = {
        "parameters": keras_networks.count_parameters(model),
        "precision": machine.precision,
        "jit_compile": bool(model.jit_compile),
    }

    def run_steps(count: int) -> float:
        stopwatch = _Stopwatch(count if on_gpu else 1)
        # One step more than is timed, because the first step includes the start of `fit`.
        model.fit(
            batches, steps_per_epoch=count + 1, verbose=0, shuffle=False, callbacks=[stopwatch]
        )
        return stopwatch.seconds

    return run_steps, facts


class _Stopwatch(keras.callbacks.Callback):
    """Measures the time from the end of the first step of `fit` to the end of the last one.

    Args:
        every: the number of steps between two synchronizations.
    """

    def __init__(self, every: int) -> None:
        super().__init__()
        self.every = every
        self.start: float | None = None
        self.seconds = 0.0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Reads the loss, which waits until the step is complete."""
        if batch % self.every:
            return
        float((logs or {})["loss"])
        now = time.perf_counter()
        if self.start is None:
            self.start = now
        self.seconds = now - self.start


def _stock_model(recipe: Recipe, size: int) -> keras.Model:
    model = keras_networks.stock(recipe.arch, size, recipe.decay)
    model.compile(
        optimizer=keras.optimizers.SGD(LEARNING_RATE, momentum=recipe.momentum),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model
