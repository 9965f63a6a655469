"""One trial: a run of ours, in a folder of its own, that ends with its score."""

import time
from pathlib import Path

import keras
import tensorflow as tf

from resnet_keras.errors import UsageError, UserError
from resnet_keras.evaluation.measure import RuinedNetwork
from resnet_keras.files import make_folder, read_json, write_json
from resnet_keras.recipe import Recipe
from resnet_keras.runs.folder import RunOptions
from resnet_keras.signals import Interrupted
from resnet_keras.training import job
from resnet_keras.training.callbacks import NonFiniteLoss
from resnet_keras.tuning.attempts import KilledBefore, counted
from resnet_keras.tuning.oracles import own, part_of
from resnet_keras.tuning.space import with_values

RECORD = "trial.json"
# TensorFlow has one class of error for a full memory and a full disk.
_DISK_FULL = "No space left"


class TrialFailed(Exception):
    """This trial has no score; the search goes on."""


def trial_recipe(base: Recipe, values: dict) -> Recipe:
    """Returns what a trial runs: the values over the base, its part of the schedule.

    Raises:
        UsageError: for values that do not go together.
    """
    recipe, part = with_values(base, own(values)), part_of(values)
    return recipe if part == 1 else recipe.scaled(part)


def run_trial(base: Recipe, values: dict, folder: Path, data_dir: str | None) -> float:
    """Runs a trial, or goes on with it, and writes its `trial.json`.

    Args:
        base: the recipe searched from.
        values: the trial's, from the oracle.
        folder: the trial's.
        data_dir: where the data set is.

    Returns:
        The error on the held-out training images, in percent.

    Raises:
        TrialFailed: for values that do not go together, an infinite loss, no memory, or two kills
            at the same place: the values' own fault, which is there the next time too.
        UserError: for all else, such as missing data, a full disk or a folder in use. The trial
            can go on.
        Interrupted: if a signal stopped it; called again it goes on.
    """
    # What earlier trials left in Keras would add up.
    keras.backend.clear_session()
    # Nor does it help to hear that every trial traces its own network.
    tf.get_logger().setLevel("ERROR")
    make_folder(folder)
    began = time.monotonic()
    record = {"steps": None, "seconds": None, "error": None}
    try:
        recipe = trial_recipe(base, values)
        record["steps"] = recipe.steps
        places = RunOptions(data_dir=data_dir, runs_dir=str(folder.parent), name=folder.name)
        with counted(folder):
            result = job.run(recipe, places, held_out=True)
    except (UserError, OSError, tf.errors.ResourceExhaustedError, MemoryError) as error:
        if not _own_fault(error):
            if isinstance(error, UserError):
                raise
            raise UserError(f"{folder}: {error}") from error
        record["error"] = " ".join(str(error).split())[:500] or type(error).__name__
        record["seconds"] = round(time.monotonic() - began, 1)
        write_json(folder / RECORD, record)
        raise TrialFailed(record["error"]) from error
    if result.stopped_by:
        raise Interrupted(result.stopped_by)
    record["seconds"] = read_json(result.run / "result.json")["seconds"]
    write_json(folder / RECORD, record)
    return result.validation_error


def _own_fault(error):
    if isinstance(error, UserError):
        # The data set and the machine suit the recipe searched from: see `beforehand`.
        return isinstance(error, UsageError | NonFiniteLoss | RuinedNetwork | KilledBefore)
    return not isinstance(error, OSError) and _DISK_FULL not in str(error)
