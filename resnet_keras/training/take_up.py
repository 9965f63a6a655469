"""What a run finds when it begins: its data set's say, a checkpoint, an end."""

import dataclasses
from pathlib import Path

import keras

from resnet_keras.data.dataset import Dataset
from resnet_keras.data.image_files import Files
from resnet_keras.data.prepare import IMAGE_SIZE
from resnet_keras.errors import UsageError, UserError
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe
from resnet_keras.training import checkpoint
from resnet_keras.training.places import Result
from resnet_keras.training.run_folder import read_json


def for_dataset(recipe: Recipe, dataset: Dataset, origin: Preprocessing | None) -> Recipe:
    """Returns the recipe with what was left to the data set written down: flip, augmentation, size.

    Args:
        recipe: of the run.
        dataset: its data.
        origin: the preprocessing of the network that is fine-tuned, if one is.

    Raises:
        UsageError: for values that do not suit the data set.
    """
    if recipe.flip and not dataset.flip:
        raise UsageError(f"a mirror changes the classes of {dataset.name}: leave out --flip")
    flip = dataset.flip if recipe.flip is None else recipe.flip
    in_files = isinstance(dataset.train, Files)
    if recipe.augmentation == "scale" and not in_files:
        raise UsageError(
            f"--augmentation scale cuts images out of files; those of {dataset.name} are in memory "
            "and have one size. Received: --augmentation scale; --augmentation pad would work"
        )
    augmentation = recipe.augmentation or ("scale" if in_files else "pad")
    usual = (min(origin.size) if origin else IMAGE_SIZE) if in_files else None
    size = recipe.image_size or usual
    return dataclasses.replace(recipe, flip=flip, augmentation=augmentation, image_size=size)


def take_up(folder, recipe, resume, progress):
    """Decides whether to go on; returns the checkpoint to go on from, or `None` to start.

    Raises:
        UserError: if the folder is another recipe's, or `resume` is `"must"` and nothing is there.
    """
    if resume == "never":
        folder.clear()
    if folder.config.exists():
        folder.check_same(recipe, keras.backend.backend())
        saved = checkpoint.load_newest(folder.checkpoints, progress.line)
        if saved:
            return saved
    elif checkpoint.paths(folder.checkpoints):
        raise UserError(
            f"{folder.path} has checkpoints but no config.json that says of what: put it back, "
            "choose another --name, or start over with --resume never"
        )
    if resume == "must":
        raise UserError(f"--resume must: there is no checkpoint in {folder.checkpoints}")
    folder.clear()
    return None


def already_done(folder, progress) -> Result | None:
    """Returns the result of a run that is complete and whose export is still there."""
    if not folder.result.exists():
        return None
    values = read_json(folder.result)
    export, error = values.get("export"), values.get("test_error")
    if not (isinstance(export, str) and isinstance(error, int | float) and Path(export).is_dir()):
        progress.line(f"{folder.path} is complete but its export {export} is not there: once more")
        return None
    progress.line(
        f"{folder.path} is complete: test error {error:.2f} % on {export}. "
        "--resume never starts over"
    )
    return Result(None, folder.path, Path(export), error)


def already_scored(folder, progress) -> Result | None:
    """Returns the result of a run that ended with the images held out."""
    error = read_json(folder.result).get("validation_error") if folder.result.exists() else None
    return None if error is None else Result(None, folder.path, validation_error=error)
