"""The undocumented behaviour of keras-tuner that this program uses or changes.

A search has to survive the end of its process at any moment, also in several processes. This takes
more than keras-tuner documents: how it writes and reads its state files (`oracle.json`,
`trial_*/trial.json` and `tuner0.json`), and which attributes its oracles have. Nothing outside this
module depends on that.

It was checked with the version that requirements.txt pins. After an upgrade of keras-tuner,
`tests/tuning/test_keras_tuner_private.py` shows whether it still works, and where to look if not.
"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.src import config, utils

from resnet_keras.files import atomic_write
from resnet_keras.recipe import Recipe, value_type
from resnet_keras.tuning import workers

# The folder of the state files within the folder of a search.
PROJECT_NAME = "keras_tuner"

# The number of epochs of a complete training, for Hyperband. It gives a trial 1, 3 or 9 of them,
# which are ninths of the schedule here.
HYPERBAND_EPOCHS = 9

# Hyperband stores its own values among those of a trial, under names with this prefix.
_PRIVATE_PREFIX = "tuner/"
_BOOL_FIELDS = [spec.name for spec in dataclasses.fields(Recipe) if value_type(spec)[0] is bool]


def adapt_keras_tuner() -> None:
    """Changes two things in keras-tuner, for the whole process.

    State files are written completely or not at all, so that a search survives the end of its
    process while it writes them. A failed trial prints no traceback, because it is part of a
    search.

    Example:

    >>> adapt_keras_tuner()
    >>> utils.save_json("state.json", {"seed": 1})
    '{"seed": 1}'
    """
    utils.save_json = _save_json
    config.DEBUG = False


def recipe_values(values: dict[str, Any]) -> dict[str, Any]:
    """Returns those values of a trial that belong to the recipe, with the types of its fields.

    Args:
        values: `trial.hyperparameters.values`.

    Example:

    >>> recipe_values({"momentum": 0.9, "nesterov": 1, "tuner/epochs": 3})
    {'momentum': 0.9, 'nesterov': True}
    """
    return {
        # A choice of booleans becomes a choice of 0 and 1 in keras-tuner.
        name: bool(value) if name in _BOOL_FIELDS else value
        for name, value in values.items()
        if not name.startswith(_PRIVATE_PREFIX)
    }


def schedule_fraction(values: dict[str, Any]) -> float:
    """Returns which fraction of the schedule a trial trains; below 1 in early rounds of Hyperband.

    Args:
        values: `trial.hyperparameters.values`.

    Example:

    >>> schedule_fraction({"momentum": 0.9, "tuner/epochs": 3}) == 1 / 3
    True
    """
    return float(values.get(f"{_PRIVATE_PREFIX}epochs", HYPERBAND_EPOCHS) / HYPERBAND_EPOCHS)


class ResumableOracle(keras_tuner.Oracle):
    """Makes an oracle of keras-tuner survive the end of its process. The first base of a class.

    Attributes:
        after_end: is called after the end of each trial. In a chief process this is the only way
            to find out about the trials of its workers.
    """

    trials: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.after_end: Callable[[], object] = lambda: None

    @property
    def too_many_failed(self) -> bool:
        """Whether so many consecutive trials failed that the search ends."""
        failed = 0
        for trial_id in self.end_order:
            failed = failed + 1 if self.trials[trial_id].status == "FAILED" else 0
            if failed >= self.max_consecutive_failed_trials:
                return True
        return False

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the values of a new trial, or ends the search. Called by keras-tuner."""
        if self.too_many_failed:
            return {"status": "STOPPED"}
        return super().populate_space(trial_id)

    def end_trial(self, trial: keras_tuner.engine.trial.Trial) -> None:
        """Records the end of a trial. Called by keras-tuner.

        After a restart of the chief, a trial that a worker is still running is in the retry queue,
        and may be given to a second worker. Only the first of the two ends counts.
        """
        trial_id = trial.trial_id
        if trial_id in self._retry_queue:
            self._retry_queue.remove(trial_id)
        elif all(ongoing.trial_id != trial_id for ongoing in self.ongoing_trials.values()):
            return
        super().end_trial(trial)
        self.after_end()

    def reload(self) -> None:
        """Restores the state from the files. Called by keras-tuner.

        The file of a new trial is written before the state that contains it. If the process is
        killed in between, keras-tuner would count the trial but never run it. It is dropped here,
        so that it is created again.
        """
        super().reload()
        started = set(self.start_order)
        self.trials = {
            trial_id: trial for trial_id, trial in self.trials.items() if trial_id in started
        }

    def _check_consecutive_failures(self) -> None:
        # The original raises while it holds a lock, which is then never released, so that a chief
        # hangs. Here `populate_space` ends the search, which also tells all workers.
        pass


class ResumableTuner(keras_tuner.engine.base_tuner.BaseTuner):
    """The search loop of keras-tuner, which resumes a search that was started in the same folder.

    Args:
        oracle: chooses the values of the trials.
        folder: the folder of the search.
    """

    def __init__(self, oracle: ResumableOracle, folder: Path) -> None:
        super().__init__(oracle, directory=str(folder), project_name=PROJECT_NAME)

    def _get_tuner_fname(self) -> str:
        # keras-tuner resumes a search if this file exists. The original name contains
        # KERASTUNER_TUNER_ID; under another id, the search would start over and overwrite its
        # files. A worker has no state, so its file must not be mistaken for that of the chief.
        name = f"worker-{self.tuner_id}" if workers.is_worker() else "tuner0"
        return str(Path(self.project_dir) / f"{name}.json")


def _save_json(path: str, values: dict[str, Any]) -> str:
    """Replaces `keras_tuner.src.utils.save_json`: writes `values` and returns the text.

    Raises:
        UserError: if the file cannot be written. An existing file then stays as it was.
    """
    text = json.dumps(values)
    with atomic_write(Path(path)) as temporary:
        temporary.write_text(text, "utf-8")
    return text
