"""Fine-tuning: starting a run from the weights of another network, except the last layer."""

import dataclasses
import json
from pathlib import Path

import keras

from resnet_keras.architectures import CLASSIFIER
from resnet_keras.data.dataset import Files, Images
from resnet_keras.description import Description, architecture_fields, read_description
from resnet_keras.distributed.process_group import SINGLE_PROCESS, ProcessGroup
from resnet_keras.errors import UserError
from resnet_keras.files import read_json
from resnet_keras.models.keras_file import load_keras_file
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe
from resnet_keras.runs.folder import RunFolder


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

    Example:

    >>> folder = RunFolder("runs", "resnet20-A-seed0")
    >>> pretrained_preprocessing(Recipe("resnet20"), folder, is_resuming=False) is None
    True
    """
    if not recipe.train_from:
        return None
    if not process_group.is_primary:
        message = process_group.broadcast(None)
        return Preprocessing.from_json(json.loads(message))
    found = _read_preprocessing(recipe, recipe.train_from, folder, is_resuming)
    process_group.broadcast(json.dumps(found.to_json()).encode())
    return found


def adapt_preprocessing(
    pretrained: Preprocessing,
    class_names: tuple[str, ...],
    train: Images | Files,
    image_size: int | None,
) -> Preprocessing:
    """Returns the preprocessing of a network that is fine-tuned.

    Scale, mean and standard deviation remain those of the pretrained network, so that its first
    layer gets the inputs it was trained on.

    Args:
        pretrained: the preprocessing of the pretrained network.
        class_names: the classes of the new data set.
        train: the new training images. Images in memory are used in their own size, as in section
            4.2. Images in files are resized and cropped like those of the pretrained network, in
            proportion to the image size.
        image_size: for images in files, the side in pixels.

    Raises:
        UserError: if the pretrained network subtracts a mean per pixel and the image size differs.

    Example:

    >>> import numpy as np
    >>> pretrained = Preprocessing((224, 224), "crop", 1 / 255, (0.5,) * 3, (1,) * 3, ("a",), 256)
    >>> files = Files(("x.jpg",), np.zeros(1, np.int32))
    >>> adapted = adapt_preprocessing(pretrained, ("cat", "dog"), files, image_size=112)
    >>> adapted.size, adapted.shorter_side, adapted.class_names
    ((112, 112), 128, ('cat', 'dog'))
    """
    if train.size is not None:
        size, resize, shorter_side = train.size, "stretch", None
    else:
        assert image_size is not None, "a resolved recipe has an image size for files"
        size, resize, shorter_side = (image_size, image_size), pretrained.resize, None
        if pretrained.shorter_side:
            shorter_side = round(pretrained.shorter_side * image_size / min(pretrained.size))
    if pretrained.per_pixel and size != pretrained.size:
        raise UserError(
            "--train-from: the network subtracts a mean per pixel and needs images of "
            f"{_format_size(pretrained.size)}; a network with a mean per channel accepts any size. "
            f"Received: images of {_format_size(size)}"
        )
    return dataclasses.replace(
        pretrained, class_names=class_names, size=size, resize=resize, shorter_side=shorter_side
    )


def load_backbone(model: keras.Model, path: Path | str) -> None:
    """Copies the weights of another network to a model, except those of the last layer.

    Args:
        model: the model to modify. Its last layer keeps its weights, because its classes differ.
        path: the `.keras` file of the other network.

    Raises:
        UserError: if the file is missing or damaged, or its layers differ from the model's.

    Example:

    >>> from resnet_keras.models.build import build
    >>> from resnet_keras.models.keras_file import save_keras_file
    >>> rule = Preprocessing((8, 8), "stretch", 1 / 255, (0, 0, 0), (1, 1, 1), ("a", "b"))
    >>> pretrained = build("plain8", classes=2, input_shape=(8, 8, 3))
    >>> save_keras_file(pretrained, Path("pretrained.keras"), Description(rule, {}))
    >>> model = build("plain8", classes=3, input_shape=(8, 8, 3))
    >>> load_backbone(model, "pretrained.keras")
    """
    pretrained, _ = load_keras_file(Path(path))
    for layer in backbone_layers(model):
        try:
            weights = pretrained.get_layer(layer.name).get_weights()
        except ValueError:
            raise UserError(
                f"{path} contains another network: it has no layer {layer.name}"
            ) from None
        shapes = [weight.shape for weight in weights]
        expected = [tuple(weight.shape) for weight in layer.weights]
        if shapes != expected:
            raise UserError(
                f"{path} contains another network: the weights of {layer.name} have the shapes "
                f"{shapes} there and {expected} here"
            )
        layer.set_weights(weights)


def set_frozen(model: keras.Model, frozen: bool) -> None:
    """Freezes or unfreezes all layers except the last.

    Frozen layers keep their weights, and their batch normalization uses the moving averages also
    in training. Unfreeze a model before saving it: how a network was trained is not part of it.

    Args:
        model: the model to modify.
        frozen: whether to freeze.

    Example:

    >>> from resnet_keras.models.build import build
    >>> model = build("plain8", input_shape=(8, 8, 3))
    >>> set_frozen(model, True)
    >>> [variable.path for variable in model.trainable_variables]
    ['logits/kernel', 'logits/bias']
    """
    for layer in backbone_layers(model):
        layer.trainable = not frozen


def backbone_layers(model: keras.Model) -> list[keras.Layer]:
    """Returns all layers of a model except the last, which computes the logits.

    Args:
        model: a network of this program.

    Example:

    >>> from resnet_keras.models.build import build
    >>> backbone_layers(build("plain8", input_shape=(8, 8, 3)))[-1].name
    'pool'
    """
    return [layer for layer in model.layers if layer.name != CLASSIFIER]


def _read_preprocessing(
    recipe: Recipe, train_from: str, folder: RunFolder, is_resuming: bool
) -> Preprocessing:
    if is_resuming and folder.preprocessing.exists():
        return Preprocessing.from_json(read_json(folder.preprocessing))
    description = read_description(Path(train_from))
    _check_network(recipe, train_from, description)
    return description.preprocessing


def _check_network(recipe: Recipe, train_from: str, description: Description) -> None:
    in_file = architecture_fields(description, train_from)
    architecture = recipe.architecture
    in_recipe = {
        "arch": architecture.name,
        "option": architecture.option,
        "projection": architecture.projection,
        "bottleneck_stride": architecture.bottleneck_stride,
    }
    differences = [
        f"{name} is {in_file[name]} there and {value} here"
        for name, value in in_recipe.items()
        if name in in_file and in_file[name] != value
    ]
    if differences:
        raise UserError(
            f"{train_from} contains another network ({'; '.join(differences)}): omit --arch and "
            "the other flags of the network, which are then read from the file"
        )


def _format_size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]} pixels"
