"""Building, compiling and fitting one network."""

from collections.abc import Callable
from dataclasses import dataclass

import keras

from resnet_keras.data import pipeline
from resnet_keras.data.corrupt_files import corrupt_files_reported
from resnet_keras.data.dataset import Files, Images
from resnet_keras.data.holdout import holdout
from resnet_keras.data.normalization import preprocessing_for
from resnet_keras.distributed.process_group import SINGLE_PROCESS, ProcessGroup
from resnet_keras.models.build import build
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe
from resnet_keras.training import finetune, hardware
from resnet_keras.training.callbacks import EndOnSignal
from resnet_keras.training.checkpoint import Checkpoint
from resnet_keras.training.hardware import Hardware
from resnet_keras.training.losses import cross_entropy
from resnet_keras.training.optimizers import make_optimizer
from resnet_keras.training.resolve import ResolvedRun
from resnet_keras.training.state import TrainingState, restore


@dataclass
class TrainingSetup:
    """What a run computes with.

    Attributes:
        recipe: fully resolved.
        model: compiled, with fresh weights.
        state: where the run is.
        preprocessing: how images become the network's input.
        train: the training images.
        validation: the held-out training images.
    """

    recipe: Recipe
    model: keras.Model
    state: TrainingState
    preprocessing: Preprocessing
    train: Images | Files
    validation: Images | Files

    def prepare_start(self, saved: Checkpoint | None) -> None:
        """Moves to the step where the run resumes, or loads the pretrained weights it starts from.

        The weights of a checkpoint are assigned later, by `callbacks.RestoreCheckpoint`.

        Args:
            saved: the checkpoint to resume from, if any.
        """
        if saved:
            self.state.resume(saved.step, saved.extra)
        elif self.recipe.train_from:
            finetune.load_backbone(self.model, self.recipe.train_from)

    def restore_end(self, saved: Checkpoint) -> None:
        """Restores what `fit` would leave behind from the checkpoint of the last step.

        All processes of a group have to call it at the same time, because they share their
        variables.

        Args:
            saved: the checkpoint of the last step.
        """
        restore(self.model, self.state.metrics, saved.arrays, str(saved.path))
        # Replaces the weights with their moving average if the recipe asks for it (`ema`).
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)


def set_up(run: ResolvedRun) -> TrainingSetup:
    """Builds and compiles the network of a run and splits its training images.

    Args:
        run: from `resolve`.

    Example:

    >>> from resnet_keras.data.sources import load_digits
    >>> from resnet_keras.training.resolve import resolve
    >>> recipe = Recipe("plain8", dataset="digits", batch_size=8, steps=2, drops=(), devices=1)
    >>> setup = set_up(resolve(recipe, load_digits()))
    >>> setup.model.input_shape, len(setup.train)
    ((None, 32, 32, 3), 1437)
    """
    recipe, dataset = run.recipe, run.dataset
    train, validation = holdout(dataset.train, recipe.validation_size)
    if run.pretrained is None:
        preprocessing = preprocessing_for(dataset, train, recipe.image_size)
    else:
        preprocessing = finetune.adapt_preprocessing(
            run.pretrained, dataset.class_names, train, recipe.image_size
        )
    hardware.apply(recipe, run.hardware)
    model, metrics = compiled_model(recipe, run.hardware, preprocessing)
    # JAX keeps the state of a model in training apart from its variables.
    sync: Callable[[], None] = getattr(model, "jax_state_sync", lambda: None)
    state = TrainingState(recipe, metrics, sync)
    return TrainingSetup(recipe, model, state, preprocessing, train, validation)


def compiled_model(
    recipe: Recipe, machine: Hardware, preprocessing: Preprocessing
) -> tuple[keras.Model, list[keras.Metric]]:
    """Returns a fresh, compiled model with a built optimizer, and its metrics.

    Args:
        recipe: fully resolved.
        machine: what the run computes on.
        preprocessing: gives the image size and the classes.

    Returns:
        The model, from preprocessed images `(N, H, W, 3)` to logits `(N, classes)`, and its
        metrics: mean cross-entropy and accuracy, in this order.

    Example:

    >>> recipe = Recipe("plain8", precision="float32", devices=1)
    >>> rule = Preprocessing((32, 32), "stretch", 1 / 255, (0, 0, 0), (1, 1, 1), ("cat", "dog"))
    >>> model, metrics = compiled_model(recipe, hardware.choose(recipe), rule)
    >>> model.output_shape, [metric.name for metric in metrics]
    ((None, 2), ['loss', 'accuracy'])
    """
    with machine.distribution_scope():
        model = build(
            recipe.architecture,
            classes=len(preprocessing.class_names),
            input_shape=_input_shape(recipe, preprocessing),
        )
        _set_synchronized(model, recipe.sync_bn and machine.normalizes_per_device)
        if recipe.freeze:
            finetune.set_frozen(model, True)
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        model.compile(
            optimizer=make_optimizer(recipe),
            loss=cross_entropy(recipe.label_smoothing),
            metrics=[accuracy],
            jit_compile=machine.jit_compile,
        )
        model.optimizer.build(model.trainable_variables)
    return model, [model.metrics[0], accuracy]


def fit(
    setup: TrainingSetup,
    callbacks: list[keras.callbacks.Callback],
    process_group: ProcessGroup = SINGLE_PROCESS,
) -> None:
    """Trains from the current step to the last step of the recipe.

    Ends early if a signal asks for it; see `setup.state.stopped_by`.

    Args:
        setup: from `set_up`; its state is updated.
        callbacks: from `training_callbacks`.
        process_group: the processes that train together.

    Raises:
        NonFiniteLoss: if the loss becomes infinite or NaN.
        UserError: if a file cannot be written, or an image cannot be read.

    Example:

    >>> from resnet_keras.data.sources import load_digits
    >>> from resnet_keras.training.callbacks import training_callbacks
    >>> from resnet_keras.training.resolve import resolve
    >>> recipe = Recipe("plain8", dataset="digits", batch_size=8, steps=2, drops=(), devices=1)
    >>> setup = set_up(resolve(recipe, load_digits()))
    >>> fit(setup, training_callbacks(setup.state, saved=None))
    >>> setup.state.step
    2
    """
    recipe, state = setup.recipe, setup.state
    batches = pipeline.training_batches(
        setup.train,
        setup.preprocessing,
        recipe,
        state.start,
        process_group.share(recipe.batch_size),
    )
    try:
        # A single epoch of all steps: rows, checkpoints and the end fall where the recipe says,
        # not where an epoch of images happens to end.
        with corrupt_files_reported(setup.train, recipe, lambda: state.step):
            setup.model.fit(batches, epochs=1, verbose=0, shuffle=False, callbacks=callbacks)
    finally:
        # Not in `on_train_end`, which Keras does not call after an exception.
        for callback in callbacks:
            if isinstance(callback, EndOnSignal):
                callback.restore_handlers()
    _set_synchronized(setup.model, False)


def _input_shape(
    recipe: Recipe, preprocessing: Preprocessing
) -> tuple[int | None, int | None, int]:
    # A mean per channel fits every image size, and so does a network that ends in global average
    # pooling.
    if preprocessing.per_pixel or recipe.architecture.family == "vgg":
        return *preprocessing.size, 3
    return None, None, 3


def _set_synchronized(model: keras.Model, synchronized: bool) -> None:
    # How a network was trained is not a property of the network: this is undone before it is saved.
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = synchronized
