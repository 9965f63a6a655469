"""Fine-tuning: a run that begins with the weights of another network, all but the last layer."""

import dataclasses
import json
from pathlib import Path

import keras

from resnet_keras.data.dataset import Files, Images
from resnet_keras.distributed.process_group import SINGLE_PROCESS, ProcessGroup
from resnet_keras.errors import UserError
from resnet_keras.files import read_json
from resnet_keras.models.keras_file import load_keras_file, network_in, read_description
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe
from resnet_keras.runs.folder import RunFolder
from resnet_keras.training.optimizers import HEAD


def pretrained_preprocessing(
    recipe: Recipe,
    folder: RunFolder,
    is_resuming: bool,
    process_group: ProcessGroup = SINGLE_PROCESS,
) -> Preprocessing | None:
    """Returns the preprocessing of the network that a run starts from.

    A run that resumes has the preprocessing in its folder and the weights in its checkpoint, so
    the file that it started from need not exist any more.

    Args:
        recipe: the recipe of the run.
        folder: the run folder, which belongs to the primary process.
        is_resuming: whether there is a checkpoint to resume from.
        process_group: the processes that train together; all get what the primary process reads.

    Returns:
        The preprocessing with the classes of the pretrained network; `None` if the run starts from
        random weights.

    Raises:
        UserError: if the file is missing, or contains another network than the recipe's.
    """
    if not recipe.train_from:
        return None
    if not process_group.is_primary:
        message = process_group.from_primary(None)
        return Preprocessing.from_json(json.loads(message))
    found = _read_preprocessing(recipe, recipe.train_from, folder, is_resuming)
    process_group.from_primary(json.dumps(found.to_json()).encode())
    return found


def _read_preprocessing(
    recipe: Recipe, train_from: str, folder: RunFolder, is_resuming: bool
) -> Preprocessing:
    if is_resuming and folder.preprocessing.exists():
        return Preprocessing.from_json(read_json(folder.preprocessing))
    description = read_description(train_from)
    _check_network(recipe, description)
    return description.preprocessing


def adapted(
    origin: Preprocessing, class_names: tuple[str, ...], train: Images | Files, side: int | None
) -> Preprocessing:
    """Returns the preprocessing of a network that begins with another's weights: the other's, so
    that its first layer sees what it was trained on, with new classes.

    Args:
        origin: that of the other network.
        class_names: of the new data set.
        train: the images trained on. Arrays are seen whole, in their own size, as section 4.2
            sees them; of files the part is seen that the other network saw, in proportion.
        side: of files, in pixels.

    Raises:
        UserError: if the mean is one a pixel, which fits one size alone.
    """
    size = (side, side) if train.size is None else train.size
    if origin.per_pixel and size != origin.size:
        raise UserError(
            f"--train-from: that network subtracts a mean of each of {origin.size[0]}x"
            f"{origin.size[1]} pixels, the images here have {size[0]}x{size[1]}; a network with "
            "a mean a channel takes any size"
        )
    if train.size is None:
        shorter = origin.shorter_side and round(origin.shorter_side * side / min(origin.size))
        rule = {"resize": origin.resize, "shorter_side": shorter}
    else:
        rule = {"resize": "stretch", "shorter_side": None}
    return dataclasses.replace(origin, class_names=class_names, size=size, **rule)


def take_backbone(model: keras.Model, path: Path | str) -> None:
    """Gives a fresh model the weights of the network in a `.keras` file, all but its last layer,
    which stays as it is: its classes are others.

    Raises:
        UserError: if the file is missing or damaged, or its layers are not the model's.
    """
    other, _ = load_keras_file(path)
    for layer in backbone(model):
        try:
            theirs = other.get_layer(layer.name).get_weights()
        except ValueError:
            raise UserError(f"{path} holds another network: it has no {layer.name}") from None
        shapes = [weight.shape for weight in theirs]
        if shapes != [tuple(weight.shape) for weight in layer.weights]:
            raise UserError(
                f"{path} holds another network: {layer.name} has weights of {shapes} there, "
                f"{[tuple(weight.shape) for weight in layer.weights]} here"
            )
        layer.set_weights(theirs)


def set_frozen(model: keras.Model, frozen: bool) -> None:
    """Freezes the backbone, or lets it go again.

    Frozen, its weights do not move and its batch norms keep to their moving averages, in training
    too. How a network was trained is no property of it: undo this before it is saved.
    """
    for layer in backbone(model):
        layer.trainable = not frozen


def backbone(model: keras.Model) -> list[keras.Layer]:
    """Returns all layers but the last one, the head."""
    return [layer for layer in model.layers if layer.name != HEAD]


def _check_network(recipe, description):
    theirs = network_in(description, recipe.train_from)
    mine = recipe.architecture
    values = {
        "arch": mine.name,
        "option": mine.option,
        "projection": mine.projection,
        "bottleneck_stride": mine.bottleneck_stride,
    }
    wrong = [
        f"{name} {theirs[name]} there, {value} here"
        for name, value in values.items()
        if name in theirs and theirs[name] != value
    ]
    if wrong:
        raise UserError(
            f"{recipe.train_from} holds another network ({'; '.join(wrong)}): leave out --arch "
            "and what belongs to it, and the file decides"
        )
