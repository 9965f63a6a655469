"""Resolving a recipe: what is left open is decided by data set, pretrained weights and hardware.

A recipe may leave flip, augmentation, image size, precision and the number of devices open. This
module alone fills them in, so that `config.json` records what was computed.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass

from resnet_keras.data.dataset import Dataset, Files
from resnet_keras.data.normalization import IMAGE_SIZE
from resnet_keras.distributed.process_group import SINGLE_PROCESS, ProcessGroup
from resnet_keras.errors import UsageError
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe
from resnet_keras.training import hardware
from resnet_keras.training.hardware import Hardware


@dataclass(frozen=True, eq=False)
class ResolvedRun:
    """A recipe with nothing left open, and what it was resolved against.

    Attributes:
        recipe: fully resolved.
        dataset: the data set.
        pretrained: the preprocessing of the pretrained network, if the run starts from one.
        hardware: what the run computes on.
    """

    recipe: Recipe
    dataset: Dataset
    pretrained: Preprocessing | None
    hardware: Hardware


def resolve(
    recipe: Recipe,
    dataset: Dataset,
    pretrained: Preprocessing | None = None,
    process_group: ProcessGroup = SINGLE_PROCESS,
) -> ResolvedRun:
    """Resolves a recipe against a data set, pretrained weights and the hardware.

    Args:
        recipe: the recipe as the user gave it.
        dataset: its data set.
        pretrained: the preprocessing of the pretrained network, if the run starts from one.
        process_group: the processes that train together; all must arrive at the same recipe and
            the same training images.

    Raises:
        UsageError: if a value does not suit the data set or the hardware.
        UserError: if the processes differ.

    Example:

    >>> from resnet_keras.data.sources import load_digits
    >>> recipe = Recipe("resnet20", dataset="digits", devices=1)
    >>> resolved = resolve(recipe, load_digits()).recipe
    >>> resolved.flip, resolved.augmentation, resolved.precision != "auto"
    (False, 'pad', True)
    """
    recipe = resolve_for_dataset(recipe, dataset, pretrained)
    machine = hardware.choose(recipe)
    recipe = dataclasses.replace(recipe, precision=machine.precision, devices=len(machine.devices))
    if process_group.count > 1:
        values = json.dumps(recipe.to_json(), sort_keys=True).encode()
        process_group.check_same(
            "the resolved recipe (precision, devices)", hashlib.sha256(values).digest()
        )
        process_group.check_same("the training images", dataset.train.fingerprint())
    return ResolvedRun(recipe, dataset, pretrained, machine)


def resolve_for_dataset(
    recipe: Recipe, dataset: Dataset, pretrained: Preprocessing | None = None
) -> Recipe:
    """Returns the recipe with flip, augmentation and image size filled in.

    Args:
        recipe: the recipe as the user gave it.
        dataset: its data set.
        pretrained: the preprocessing of the pretrained network, if the run starts from one.

    Raises:
        UsageError: if a value does not suit the data set.

    Example:

    >>> from resnet_keras.data.sources import load_digits
    >>> resolve_for_dataset(Recipe("resnet20", dataset="digits"), load_digits()).augmentation
    'pad'
    """
    if recipe.flip and not dataset.flip:
        raise UsageError(
            f"--flip does not suit {dataset.name}: mirroring an image changes its class. Omit "
            "--flip"
        )
    # A recipe that has `flip=False` itself is accepted: files may contain values without effect.
    if recipe.alternate_flip and recipe.flip is None and not dataset.flip:
        raise UsageError(
            f"--alternate-flip has no effect on {dataset.name}, whose images are not mirrored "
            "because that would change their classes. Omit --alternate-flip; if it comes from "
            "--config, add --no-alternate-flip"
        )
    flip = dataset.flip if recipe.flip is None else recipe.flip
    in_files = isinstance(dataset.train, Files)
    if recipe.augmentation == "scale" and not in_files:
        raise UsageError(
            "--augmentation scale crops images out of files; the images of "
            f"{dataset.name} are in memory and all have the same size. Received: --augmentation "
            "scale; --augmentation pad would work"
        )
    augmentation = recipe.augmentation or ("scale" if in_files else "pad")
    image_size = recipe.image_size
    if image_size is None and in_files:
        image_size = min(pretrained.size) if pretrained else IMAGE_SIZE
    return dataclasses.replace(recipe, flip=flip, augmentation=augmentation, image_size=image_size)
