"""What a run computes with: network, optimizer, metrics, images, put together from its recipe."""

from dataclasses import dataclass

import keras

from resnet_keras.data.dataset import Dataset, Images
from resnet_keras.data.holdout import holdout
from resnet_keras.data.image_files import Files
from resnet_keras.data.prepare import preprocessing_for
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe
from resnet_keras.training import finetune, hardware, state
from resnet_keras.training.callbacks import Journey
from resnet_keras.training.checkpoint import Checkpoint
from resnet_keras.training.fit import compiled_model
from resnet_keras.training.hardware import Hardware


@dataclass
class Assembly:
    """The parts of one run.

    Attributes:
        recipe: with all that was left to data set and machine written down.
        model: compiled, freshly initialized.
        journey: at its start.
        preprocessing: of the images.
        train: the images trained on.
        validation: those held out.
        origin: the preprocessing of the network that is fine-tuned, if one is.
    """

    recipe: Recipe
    model: keras.Model
    journey: Journey
    preprocessing: Preprocessing
    train: Images | Files
    validation: Images | Files
    origin: Preprocessing | None

    def begin(self, saved: Checkpoint | None) -> None:
        """Moves to where a run begins, or goes on from. The weights of a checkpoint come later,
        see `callbacks.Resume`."""
        if saved:
            self.journey.go_on_from(saved.step, saved.extra)
        elif self.recipe.train_from:
            finetune.take_backbone(self.model, self.recipe.train_from)

    def take_end(self, saved: Checkpoint) -> None:
        """Puts back what `fit` would leave behind, from the checkpoint of the last step. Of several
        processes all have to, at the same time: they share their variables."""
        state.restore(self.model, self.journey.metrics, saved.arrays, str(saved.path))
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)


def assemble(
    recipe: Recipe, dataset: Dataset, origin: Preprocessing | None, machine: Hardware
) -> Assembly:
    """Builds the parts.

    Args:
        recipe: see `Assembly`.
        dataset: the recipe's.
        origin: see `Assembly`.
        machine: what it runs on.
    """
    train, validation = holdout(dataset.train, recipe.validation_size)
    if origin is None:
        preprocessing = preprocessing_for(dataset, train, recipe.image_size)
    else:
        preprocessing = finetune.adapted(origin, dataset.class_names, train, recipe.image_size)
    hardware.apply(recipe, machine)
    model, metrics = compiled_model(recipe, machine, preprocessing)
    # JAX keeps the state of a model in training apart from its variables.
    sync = getattr(model, "jax_state_sync", lambda: None)
    journey = Journey(recipe, metrics, sync)
    return Assembly(recipe, model, journey, preprocessing, train, validation, origin)
