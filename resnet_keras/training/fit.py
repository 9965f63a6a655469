"""Builds, compiles and fits one network."""

import keras

from resnet_keras.data import pipeline
from resnet_keras.data.dataset import Images
from resnet_keras.data.image_files import Files
from resnet_keras.models.build import build
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe
from resnet_keras.training import callbacks, finetune
from resnet_keras.training.damaged import damaged_files_named
from resnet_keras.training.hardware import Hardware
from resnet_keras.training.loss import cross_entropy
from resnet_keras.training.optimizer import make_optimizer
from resnet_keras.training.processes import ALONE, Processes


def compiled_model(
    recipe: Recipe, hardware: Hardware, preprocessing: Preprocessing
) -> tuple[keras.Model, list[keras.Metric]]:
    """Returns a fresh model of the recipe, compiled, its optimizer built, and its metrics: mean
    cross-entropy and accuracy, in this order."""
    with hardware.spread():
        model = build(
            recipe.architecture,
            classes=len(preprocessing.class_names),
            input_shape=_input_shape(recipe, preprocessing),
        )
        _synchronize(model, recipe.sync_bn and hardware.norms_are_separate)
        if recipe.freeze:
            finetune.set_frozen(model, True)
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        model.compile(
            optimizer=make_optimizer(recipe),
            loss=cross_entropy(recipe.label_smoothing),
            metrics=[accuracy],
            jit_compile=hardware.jit_compile,
            steps_per_execution=hardware.steps_per_execution,
        )
        model.optimizer.build(model.trainable_variables)
    return model, [model.metrics[0], accuracy]


def fit(
    model: keras.Model,
    journey: callbacks.Journey,
    train: Images | Files,
    preprocessing: Preprocessing,
    between: list[keras.callbacks.Callback],
    end_on_signal: callbacks.EndOnSignal,
    processes: Processes = ALONE,
) -> None:
    """Trains from where the journey is to the recipe's last step.

    Ends early if a signal asked for it: see `journey.stopped_by`.

    Args:
        model: from `compiled_model`.
        journey: knows recipe and step.
        train: the images.
        preprocessing: of the images.
        between: what happens between the steps, in this order.
        end_on_signal: the one of them that takes the signals.
        processes: those that train together.

    Raises:
        NonFiniteLoss: if the loss becomes infinite or NaN.
        UserError: if a file cannot be written, or an image cannot be read.
    """
    recipe = journey.recipe
    share = processes.share(recipe.batch_size)
    batches = pipeline.training_batches(train, preprocessing, recipe, journey.start, share)
    try:
        # One epoch of all the steps: rows, checkpoints and the end fall where the recipe says,
        # not where an epoch of images happens to end.
        with damaged_files_named(train, journey, model.steps_per_execution):
            model.fit(batches, epochs=1, verbose=0, shuffle=False, callbacks=between)
    finally:
        end_on_signal.give_back()
    _synchronize(model, False)


def _input_shape(recipe, preprocessing):
    # One mean a channel fits every size, and so does the network where it averages over places.
    if preprocessing.per_pixel or recipe.architecture.family == "vgg":
        return *preprocessing.size, 3
    return None, None, 3


def _synchronize(model, on):
    # How a network was trained is no property of the network: this is undone before it is saved.
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = on
