"""The training step of this program and of stock Keras, inside `model.fit`."""

import time

import keras
import numpy as np
import tensorflow as tf

from benchmarks.contestants import keras_networks, synthetic
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe
from resnet_keras.training import hardware
from resnet_keras.training.fit import compiled_model

# Low enough that a network that sees one batch for ever does not diverge: no run ends in NaN.
RATE = 0.01


def make(who: str, network: str, size: int, batch: int, precision: str, on_gpu: bool = False):
    """Builds and compiles a network, with one batch in memory.

    Args:
        who: `"ours"`, through the program's own `compiled_model`; or `"stock"`: the same network
            of Keras' own layers, Keras' SGD, compiled with every default of `compile`.
        network: its name.
        size: side of the images.
        batch: images a step.
        precision: as `--precision` takes it.
        on_gpu: whether a GPU is a must. Its steps are not waited for one by one, as they are not
            in training either.

    Returns:
        `(steps, facts)`.
    """
    if keras.backend.backend() == "jax":
        tf.config.set_visible_devices([], "GPU")  # or it would take the GPU's memory
    classes = keras_networks.CLASSES["cifar" if size == 32 else "imagenet"]
    # PyTorch has one device, too.
    recipe = Recipe(
        arch=network, batch_size=batch, precision=precision, learning_rate=RATE, devices=1
    )
    machine = hardware.choose(recipe)
    if on_gpu and not keras.distribution.list_devices("gpu"):
        raise SystemExit(f"Keras' {keras.backend.backend()} backend sees no GPU")
    recipe = hardware.resolved(recipe, machine)
    hardware.apply(recipe, machine)
    if who == "ours":
        model, _ = compiled_model(recipe, machine, preprocessing_for(size, classes))
    else:
        model = _stock(recipe, size)
    pictures = synthetic.scaled(synthetic.images(batch, size))
    batches = tf.data.Dataset.from_tensors((pictures, synthetic.labels(batch, classes))).repeat()
    facts = {
        "parameters": keras_networks.parameters(model),
        "precision": recipe.precision,
        "jit_compile": bool(model.jit_compile),
    }

    def steps(count):
        stopwatch = _Stopwatch(count if on_gpu else 1)
        # One step more than is timed: `fit` itself starts within the first.
        model.fit(
            batches, steps_per_epoch=count + 1, verbose=0, shuffle=False, callbacks=[stopwatch]
        )
        return stopwatch.seconds

    return steps, facts


class _Stopwatch(keras.callbacks.Callback):
    """Times a `fit` from the end of its first step to the end of its last."""

    def __init__(self, every):
        super().__init__()
        self.began, self.every = None, every

    def on_train_batch_end(self, batch, logs=None):
        """Reads the loss, so that the step is really done."""
        if batch % self.every:
            return
        float(logs["loss"])
        if self.began is None:
            self.began = time.perf_counter()
        self.seconds = time.perf_counter() - self.began


def _stock(recipe, size):
    model = keras_networks.stock(recipe.arch, size, recipe.decay)
    model.compile(
        optimizer=keras.optimizers.SGD(RATE, momentum=recipe.momentum),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def preprocessing_for(size: int, classes: int) -> Preprocessing:
    """Returns that of made-up images: nothing in it depends on data."""
    return Preprocessing(
        size=(size, size),
        resize="stretch",
        scale=1.0 / 255.0,
        mean=np.zeros(3),
        std=(1.0, 1.0, 1.0),
        class_names=tuple(str(number) for number in range(classes)),
    )
