"""What a run finds when it begins: its data set's say, a checkpoint, an end."""

import dataclasses
from pathlib import Path

import keras

from resnet_keras.artefact import CARD_FILE, EXTRA_FOLDER
from resnet_keras.data.dataset import Dataset
from resnet_keras.data.image_files import Files
from resnet_keras.data.prepare import IMAGE_SIZE
from resnet_keras.errors import UsageError, UserError
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe
from resnet_keras.training import checkpoint
from resnet_keras.training.places import Result
from resnet_keras.training.run_folder import read_json, read_recipe


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

    Removes nothing: what a new run needs is tried before an earlier one's files go.

    Raises:
        UserError: if the folder is another recipe's, `resume` is `"must"` and nothing is there, or
            to start would remove what shall be kept: an end, or the file to begin with.
    """
    if resume == "never":
        _check_origin(folder, recipe)
        return None
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
    ends = [path.name for path in (folder.result, folder.model) if path.exists()]
    if ends:
        raise UserError(
            f"{folder.path} has the end of a run ({' and '.join(ends)}) and no checkpoint to go on "
            "from: put it back, choose another --name, or start over with --resume never"
        )
    _check_origin(folder, recipe)
    return None


def _check_origin(folder, recipe):
    origin = recipe.train_from and Path(recipe.train_from).resolve()
    if origin and folder.path.resolve() in origin.parents:
        raise UserError(
            f"--train-from {recipe.train_from} lies in {folder.path}, which this run would start "
            "over: choose another --name, or put the file elsewhere"
        )


def already_done(folder, recipe, progress) -> Result | None:
    """Returns the result of a run that is complete and whose export is still there.

    Raises:
        UserError: if it is another recipe's.
    """
    if not _has_ended(folder, recipe):
        return None
    values = read_json(folder.result)
    export, error = values.get("export"), values.get("test_error")
    if not (isinstance(export, str) and isinstance(error, int | float)):
        progress.line(f"{folder.result} names no export and its error: once more")
        return None
    if not Path(export).is_dir():
        progress.line(f"{folder.path} is complete but its export {export} is not there: once more")
        return None
    if not _is_export_of(Path(export), folder):
        progress.line(f"{folder.path} is complete but {export} is another run's now: once more")
        return None
    progress.line(
        f"{folder.path} is complete: test error {error:.2f} % on {export}. "
        "--resume never starts over"
    )
    return Result(None, folder.path, Path(export), error)


def _is_export_of(version, folder):
    # A version's number is given again once its folder was emptied.
    try:
        card = read_json(version / EXTRA_FOLDER / CARD_FILE)
        return Recipe.from_json(card.get("recipe")) == read_recipe(folder.config)
    except UserError:
        return False


def already_scored(folder, recipe, progress) -> Result | None:
    """Returns the result of a run that ended with the images held out; errors as of
    `already_done`."""
    error = read_json(folder.result).get("validation_error") if _has_ended(folder, recipe) else None
    return None if error is None else Result(None, folder.path, validation_error=error)


def _has_ended(folder, recipe):
    if not (folder.result.exists() and folder.config.exists()):
        return False
    folder.check_same(recipe, keras.backend.backend())
    return True
