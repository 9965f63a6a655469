"""A trial of a search: a run in its own folder that ends with a score.

Linux handles a lack of memory by killing the process. No code can then record that the trial
failed, and the same command would start it again, to be killed again. So a file counts how often
the process of a trial was killed; see `counted_attempt`.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from resnet_keras.errors import UsageError, UserError
from resnet_keras.evaluation.measure import NonFinitePredictions
from resnet_keras.files import make_folder, read_json, write_json
from resnet_keras.processes import Interrupted
from resnet_keras.recipe import Recipe
from resnet_keras.runs.folder import RunFolder, RunOptions
from resnet_keras.training import checkpoint, job
from resnet_keras.training.callbacks import NonFiniteLoss
from resnet_keras.tuning.keras_tuner_private import recipe_values, schedule_fraction
from resnet_keras.tuning.space import with_values

RECORD = "trial.json"
_ATTEMPTS_RECORD = "starts.json"
# A process can be killed for many reasons, but twice at the same step is rarely a coincidence.
_MAX_ATTEMPTS = 2
# TensorFlow raises the same class of error when memory is exhausted and when a disk is full.
_DISK_FULL = "No space left"


class TrialFailed(Exception):
    """A trial failed because of its values and has no score. The search continues."""


class KilledTooOften(UserError):
    """The process of a trial was killed several times without making progress."""


def trial_recipe(base: Recipe, values: dict[str, Any]) -> Recipe:
    """Returns the recipe of a trial.

    Args:
        base: the recipe that the trials vary.
        values: the values that the oracle chose, with its own values for the schedule.

    Raises:
        UsageError: if the values contradict each other.

    Example:

    >>> recipe = trial_recipe(Recipe("resnet8"), {"momentum": 0.5, "tuner/epochs": 1})
    >>> recipe.momentum, recipe.steps
    (0.5, 7111)
    """
    recipe, fraction = with_values(base, recipe_values(values)), schedule_fraction(values)
    return recipe if fraction == 1 else recipe.scaled(fraction)


def run_trial(
    base: Recipe, values: dict[str, Any], trial_folder: Path, data_dir: str | None
) -> float:
    """Runs a trial, or resumes it, and writes its `trial.json`.

    Args:
        base: the recipe that the trials vary.
        values: the values that the oracle chose.
        trial_folder: the run folder of the trial.
        data_dir: the folder of the data set; `None` searches the usual places.

    Returns:
        The error on the held-out training images in percent.

    Raises:
        TrialFailed: if the values cause the failure, so that another attempt would fail as well:
            they contradict each other, the loss is not finite, there is not enough memory, or the
            process was killed twice at the same step.
        UserError: for any other problem, such as missing data, a full disk, or a folder that is in
            use. The trial can be resumed.
        Interrupted: if a signal stopped the trial. It can be resumed.

    Example:

    >>> run_trial(Recipe("resnet8"), {"batch_size": 0}, Path("trials/0"), data_dir=None)
    Traceback (most recent call last):
        ...
    resnet_keras.tuning.trial.TrialFailed: batch_size must be at least 1. Received: 0
    """
    # Otherwise the state that each trial leaves behind in Keras would add up.
    keras.backend.clear_session()
    # Each trial traces its own network, and TensorFlow would warn about the retracing.
    tf.get_logger().setLevel("ERROR")
    make_folder(trial_folder)
    started = time.monotonic()
    record: dict[str, Any] = {"steps": None, "seconds": None, "error": None}
    try:
        recipe = trial_recipe(base, values)
        record["steps"] = recipe.steps
        options = RunOptions(
            data_dir=data_dir, runs_dir=str(trial_folder.parent), name=trial_folder.name
        )
        with counted_attempt(trial_folder):
            result = job.run(recipe, options, held_out=True)
    except (UserError, OSError, tf.errors.ResourceExhaustedError, MemoryError) as error:
        if not _is_caused_by_values(error):
            if isinstance(error, UserError):
                raise
            raise UserError(f"{trial_folder}: {error}") from error
        record["error"] = " ".join(str(error).split())[:500] or type(error).__name__
        record["seconds"] = round(time.monotonic() - started, 1)
        write_json(trial_folder / RECORD, record)
        raise TrialFailed(record["error"]) from error
    if result.stopped_by:
        raise Interrupted(result.stopped_by)
    record["seconds"] = RunFolder(result.run.parent, result.run.name).read_result()["seconds"]
    write_json(trial_folder / RECORD, record)
    assert result.validation_error is not None
    return result.validation_error


@contextlib.contextmanager
def counted_attempt(trial_folder: Path) -> Iterator[None]:
    """Counts the block as an attempt at a trial if the process is killed within it.

    Args:
        trial_folder: the folder of the trial; it has to exist.

    Raises:
        KilledTooOften: if the process was killed twice since the newest checkpoint.
        UserError: if the record cannot be read or written.

    Example:

    >>> folder = Path("trial")
    >>> folder.mkdir()
    >>> with counted_attempt(folder):
    ...     print((folder / "starts.json").exists())
    True
    >>> (folder / "starts.json").exists()
    False
    """
    path = trial_folder / _ATTEMPTS_RECORD
    checkpoints = checkpoint.paths(RunFolder(trial_folder.parent, trial_folder.name).checkpoints)
    newest = checkpoints[-1].name if checkpoints else None
    record = read_json(path) if path.exists() else {}
    attempts = record.get("starts", 0) if record.get("checkpoint") == newest else 0
    if attempts >= _MAX_ATTEMPTS:
        since = f"since the checkpoint {newest}" if newest else "before its first checkpoint"
        raise KilledTooOften(
            f"the process was killed {attempts} times {since}, perhaps because there is not enough "
            "memory"
        )
    write_json(path, {"starts": attempts + 1, "checkpoint": newest})
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _is_caused_by_values(error: Exception) -> bool:
    if isinstance(error, UserError):
        # A usage error cannot concern the data set or the hardware: `search` checks them first.
        return isinstance(error, UsageError | NonFiniteLoss | NonFinitePredictions | KilledTooOften)
    return not isinstance(error, OSError) and _DISK_FULL not in str(error)
