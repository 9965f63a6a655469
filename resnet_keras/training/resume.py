"""Where a run starts: from scratch, from a checkpoint, or not at all because it is complete."""

from pathlib import Path

import keras

from resnet_keras.data.dataset import Files, Images
from resnet_keras.description import CARD_FILE, EXTRA_FOLDER
from resnet_keras.errors import UserError
from resnet_keras.files import read_json
from resnet_keras.recipe import Recipe
from resnet_keras.runs.config import check_same_recipe, read_recipe, stored_recipe
from resnet_keras.runs.folder import RunFolder, RunResult
from resnet_keras.training import checkpoint
from resnet_keras.training.checkpoint import Checkpoint
from resnet_keras.training.progress import Progress


def is_resuming(folder: RunFolder, resume: str) -> bool:
    """Returns whether there is a checkpoint that the run may resume from.

    Args:
        folder: the run folder. It need not exist.
        resume: `"auto"`, `"must"` or `"never"`; see `RunOptions`.

    Example:

    >>> folder = RunFolder("runs", "resnet20-A-seed0")
    >>> is_resuming(folder, "auto")
    False
    >>> _ = checkpoint.save(folder.checkpoints, 500, {}, {})
    >>> is_resuming(folder, "auto")
    True
    """
    return resume != "never" and bool(checkpoint.paths(folder.checkpoints))


def find_checkpoint(
    folder: RunFolder, recipe: Recipe, resume: str, progress: Progress
) -> Checkpoint | None:
    """Returns the checkpoint to resume from, or `None` to start from scratch.

    Nothing is deleted here: the files of an earlier run go only after everything that the new run
    needs has been loaded.

    Args:
        folder: the run folder.
        recipe: fully resolved.
        resume: `"auto"`, `"must"` or `"never"`; see `RunOptions`.
        progress: prints a line for each corrupt checkpoint.

    Raises:
        UserError: if the folder belongs to another recipe, if `resume` is `"must"` and there is no
            checkpoint, or if starting from scratch would delete something of value: a finished
            run, or the file to start from.

    Example:

    >>> folder = RunFolder("runs", "new")
    >>> find_checkpoint(folder, Recipe("resnet20"), "auto", Progress(64_000)) is None
    True
    """
    if resume == "never":
        _check_pretrained_file(folder, recipe)
        return None
    if folder.config.exists():
        check_same_recipe(folder.config, recipe, keras.backend.backend())
        saved = checkpoint.load_newest(folder.checkpoints, progress.line)
        if saved:
            return saved
    elif checkpoint.paths(folder.checkpoints):
        raise UserError(
            f"{folder.path} has checkpoints but no config.json that says what they belong to: put "
            "it back, choose another --name, or start over with --resume never"
        )
    if resume == "must":
        raise UserError(f"--resume must: there is no checkpoint in {folder.checkpoints}")
    finished = [path.name for path in (folder.result, folder.model) if path.exists()]
    if finished:
        raise UserError(
            f"{folder.path} contains a finished run ({' and '.join(finished)}) but no checkpoint "
            "to resume from: put the checkpoint back, choose another --name, or start over with "
            "--resume never"
        )
    _check_pretrained_file(folder, recipe)
    return None


def check_same_files(config: dict, train: Images | Files, folder: RunFolder) -> None:
    """Refuses to resume with other files than those the run started with.

    Args:
        config: the values of the run's `config.json`.
        train: the training images found now.
        folder: the run folder.

    Raises:
        UserError: if the files differ, since the batches would change.

    Example:

    >>> import numpy as np
    >>> files = Files(("cat/1.jpg", "dog/1.jpg"), np.array([0, 1], np.int32))
    >>> config = {"data": {"train_files_sha256": files.fingerprint().hex()}}
    >>> check_same_files(config, files, RunFolder("runs", "pets"))
    """
    before = (config.get("data") or {}).get("train_files_sha256")
    now = train.fingerprint().hex() if isinstance(train, Files) else None
    if before != now:
        raise UserError(
            f"{folder.path} was started with {config.get('train_examples')} training files; now "
            f"there are {len(train)}, or different ones: put the files back, choose another "
            "--name, or start over with --resume never"
        )


def completed_result(
    folder: RunFolder, recipe: Recipe, progress: Progress, held_out: bool = False
) -> RunResult | None:
    """Returns the result of a run that is complete, or `None` if there is something left to do.

    Args:
        folder: the run folder.
        recipe: fully resolved.
        progress: prints why a complete run has to be finished again, or that it is complete.
        held_out: whether the run ends with the error on the held-out images, without an export.

    Raises:
        UserError: if the folder belongs to another recipe.

    Example:

    >>> folder = RunFolder("runs", "new")
    >>> completed_result(folder, Recipe("resnet20"), Progress(64_000)) is None
    True
    """
    if not (folder.result.exists() and folder.config.exists()):
        return None
    check_same_recipe(folder.config, recipe, keras.backend.backend())
    values = folder.read_result()
    if held_out:
        error = values.get("validation_error")
        return (
            None
            if error is None
            else RunResult(stopped_by=None, run=folder.path, validation_error=error)
        )
    export, error = values.get("export"), values.get("test_error")
    if not (isinstance(export, str) and isinstance(error, int | float)):
        progress.line(f"{folder.result} names no export and no test error: exporting again")
        return None
    if not Path(export).is_dir():
        progress.line(
            f"{folder.path} is complete but its export {export} is missing: exporting again"
        )
        return None
    if not _is_export_of(Path(export), folder):
        progress.line(
            f"{folder.path} is complete but {export} now belongs to another run: exporting again"
        )
        return None
    progress.line(
        f"{folder.path} is complete: test error {error:.2f} % on {export}. To start over, use "
        "--resume never"
    )
    return RunResult(stopped_by=None, run=folder.path, export=Path(export), test_error=error)


def _check_pretrained_file(folder: RunFolder, recipe: Recipe) -> None:
    path = recipe.train_from and Path(recipe.train_from).resolve()
    if path and folder.path.resolve() in path.parents:
        raise UserError(
            f"--train-from {recipe.train_from} is inside {folder.path}, which this run would "
            "overwrite: choose another --name, or move the file"
        )


def _is_export_of(version: Path, folder: RunFolder) -> bool:
    # A version number is assigned again once its folder has been emptied.
    try:
        card = read_json(version / EXTRA_FOLDER / CARD_FILE)
        return stored_recipe(card.get("recipe")) == read_recipe(folder.config)
    except UserError:
        return False
