"""A search: the loop of keras-tuner around the runs of this program."""

import contextlib
import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import keras_tuner

from resnet_keras.data.holdout import stratified_sample
from resnet_keras.data.sources import load_for_recipe
from resnet_keras.errors import UserError, last_line
from resnet_keras.files import read_json, write_json
from resnet_keras.processes import Interrupted, interrupt_on_signal
from resnet_keras.recipe import Recipe
from resnet_keras.runs.folder import RunFolder
from resnet_keras.training import hardware
from resnet_keras.training.resolve import resolve_for_dataset
from resnet_keras.tuning import trial, workers
from resnet_keras.tuning.keras_tuner_private import (
    ResumableTuner,
    adapt_keras_tuner,
    recipe_values,
)
from resnet_keras.tuning.oracles import OBJECTIVE, make_oracle
from resnet_keras.tuning.results import write_results
from resnet_keras.tuning.space import Range

RECORD = "search.json"

Log = Callable[[str], None]

adapt_keras_tuner()


@dataclass(frozen=True)
class SearchConfig:
    """What a search does.

    Attributes:
        base: the recipe that the trials vary. Its `validation_size` images give the score.
        space: the search space.
        tuner: `"hyperband"`, `"bayesian"` or `"random"`.
        trials: the maximum number of trials.
        failures: the number of consecutive failed trials that ends the search.
    """

    base: Recipe
    space: tuple[Range, ...]
    tuner: str
    trials: int
    failures: int = 3


@dataclass(frozen=True)
class SearchResult:
    """How a search ended.

    Attributes:
        folder: the folder of the search.
        best: the best trial's row of `trials.csv`; `None` if no trial is complete.
        stopped_by: the number of the signal that interrupted the search, if one did.
    """

    folder: Path
    best: dict[str, Any] | None = None
    stopped_by: int | None = None


def search(
    config: SearchConfig, tuning_dir: str, name: str, data_dir: str | None, log: Log
) -> SearchResult:
    """Runs a search, or resumes it, including the trial that was interrupted.

    Args:
        config: what to search.
        tuning_dir: the folder that holds searches.
        name: the name of the folder of this search.
        data_dir: the folder of the data set; `None` searches the usual places.
        log: is called with each line that describes the progress.

    Raises:
        UsageError: if the base recipe does not suit the data set or the hardware.
        UserError: if too many consecutive trials failed, if the folder is in use or belongs to
            another search, if a worker cannot reach its chief, or if there is a problem that is
            not due to a trial. The same search resumes the trial in progress.

    Example:

    >>> base = Recipe("resnet8", dataset="digits", steps=100, drops=(), validation_size=300)
    >>> config = SearchConfig(base, (Range("pad", choices=(0, 4)),), "random", trials=2)
    >>> search(config, "tuning", "pad", data_dir=None, log=print).best["pad"]  # doctest: +SKIP
    0
    """
    base = config.base if workers.is_chief() else _check_base(config.base, data_dir)
    folder = RunFolder(tuning_dir, name)
    # The chief of a worker holds the lock. Each trial has a lock of its own in any case.
    lock = contextlib.nullcontext() if workers.is_worker() else folder.locked()
    with lock:
        if not workers.is_worker():
            _record_config(folder.path, config)
        loop = None
        try:
            with interrupt_on_signal():
                loop = _make_loop(config, base, folder.path, data_dir, log)
                loop.save()
                with contextlib.redirect_stdout(sys.stderr):
                    loop.search(verbose=0)
        except Interrupted as interruption:
            log(f"{interruption.number.name}: stopped. The same command resumes the search")
            if loop is not None:
                loop.publish()
            return SearchResult(folder.path, stopped_by=int(interruption.number))
        except _NotDueToTrial as error:
            # If the disk is full, the results cannot be written either. Report the first error.
            with contextlib.suppress(UserError):
                if loop is not None:
                    loop.publish()
            raise error.user_error from None
        except grpc.RpcError as error:
            raise UserError(f"cannot reach the chief process: {error.details()}") from error
        best = loop.publish()
        if not workers.is_worker() and loop.oracle.too_many_failed:
            raise UserError(
                f"the search ended because {config.failures} consecutive trials failed, for the "
                f"reasons in {folder.path / 'trials.csv'}. Narrow the search space (--space), or "
                "allow more failures (--max-failed)"
            )
        return SearchResult(folder.path, best)


def _check_base(base: Recipe, data_dir: str | None) -> Recipe:
    """Checks the base recipe of a search against the data set and the hardware.

    It runs once before the search, so that no trial fails for a reason that all of them share.

    Args:
        base: the recipe that the trials vary.
        data_dir: the folder of the data set; `None` searches the usual places.

    Returns:
        The recipe, with `flip=False` if the images of the data set are not mirrored. A trial then
        accepts `alternate_flip`, which has no effect.

    Raises:
        UsageError: if the recipe does not suit the data set or the hardware, whatever values a
            trial changes.
        UserError: if the data set is missing or cannot be read.
    """
    # Decoding every file takes long, and each trial does it anyway.
    dataset = load_for_recipe(dataclasses.replace(base, skip_corrupt=False), data_dir)
    resolved = resolve_for_dataset(base, dataset)
    stratified_sample(dataset.train.labels, base.validation_size)
    if base.devices:
        # Trials may vary the batch size; only those that the devices cannot share fail.
        hardware.choose(dataclasses.replace(base, batch_size=base.devices))
    return base if resolved.flip else dataclasses.replace(base, flip=False)


def _make_loop(
    config: SearchConfig, base: Recipe, folder: Path, data_dir: str | None, log: Log
) -> "_SearchLoop":
    # keras-tuner prints what it reloads to standard output, where only the result belongs.
    with contextlib.redirect_stdout(sys.stderr):
        return _SearchLoop(config, base, folder, data_dir, log)


class _NotDueToTrial(keras_tuner.errors.FatalError):
    """Carries an error that ends the search. keras-tuner catches all but fatal errors.

    Args:
        user_error: the error.
    """

    def __init__(self, user_error: UserError) -> None:
        super().__init__(str(user_error))
        self.user_error = user_error


class _SearchLoop(ResumableTuner):
    """Runs the trials that the oracle asks for.

    Args:
        config: what to search.
        base: the recipe that the trials vary, as `_check_base` returns it.
        folder: the folder of the search.
        data_dir: the folder of the data set.
        log: is called with each line that describes the progress.
    """

    def __init__(
        self, config: SearchConfig, base: Recipe, folder: Path, data_dir: str | None, log: Log
    ) -> None:
        self.config, self.base = config, base
        self.folder, self.data_dir, self.log = folder, data_dir, log
        oracle = make_oracle(
            config.tuner, config.space, config.trials, config.base.seed, config.failures
        )
        super().__init__(oracle, folder)
        if not workers.is_worker():
            self.oracle.after_end = self.publish

    def on_search_begin(self) -> None:
        """Compares a worker's search with that of its chief. Called by keras-tuner."""
        if workers.is_worker():
            # Waits until the chief answers; it has recorded its search by then.
            self.oracle.get_space()
            _check_same_search(self.folder, self.config)

    def run_trial(
        self, trial_: keras_tuner.engine.trial.Trial, *args: Any, **kwargs: Any
    ) -> dict[str, float]:
        """Runs a trial and returns its score. Called by keras-tuner."""
        values = trial_.hyperparameters.values
        text = ", ".join(f"{name} {_text(value)}" for name, value in recipe_values(values).items())
        self.log(f"trial {trial_.trial_id}: {text}")
        trial_folder = self.folder / "trials" / trial_.trial_id
        try:
            if workers.is_worker():
                workers.wait_until_unlocked(trial_folder, self.log)
            score = trial.run_trial(self.base, values, trial_folder, self.data_dir)
        except trial.TrialFailed as failure:
            raise keras_tuner.errors.FailedTrialError(str(failure)) from failure
        except UserError as error:
            raise _NotDueToTrial(error) from error
        self.log(f"trial {trial_.trial_id}: error {score:.2f} % on the held-out images")
        return {OBJECTIVE.name: score}

    def on_trial_end(self, trial_: keras_tuner.engine.trial.Trial) -> None:
        """Reports a failure; the oracle records the end. Called by keras-tuner."""
        if trial_.message:
            self.log(f"trial {trial_.trial_id} failed: {last_line(trial_.message)}")
        super().on_trial_end(trial_)

    def publish(self) -> dict[str, Any] | None:
        """Writes the results and returns the best row. A worker leaves this to its chief."""
        if workers.is_worker():
            return None
        trials = list(self.oracle.trials.values())
        return write_results(self.folder, trials, self.base, self.config.space, self.folder.name)


def _record_config(folder: Path, config: SearchConfig) -> None:
    """Writes `search.json`, or compares it with the search if it exists."""
    path = folder / RECORD
    if path.exists():
        _check_same_search(folder, config)
        return
    record = {
        "recipe": config.base.to_json(),
        "tuner": config.tuner,
        "space": [dataclasses.asdict(entry) for entry in config.space],
    }
    write_json(path, record)


def _check_same_search(folder: Path, config: SearchConfig) -> None:
    """Checks that a folder belongs to a search. The number of trials may differ.

    Raises:
        UserError: if it belongs to another search. The message names each difference.
    """
    record = read_json(folder / RECORD)
    differences = config.base.differences(Recipe.from_json(record.get("recipe")))
    if record.get("tuner") != config.tuner:
        differences.append(f"tuner: {config.tuner} here, {record.get('tuner')} there")
    there = {entry["name"]: _entry(entry) for entry in record.get("space", [])}
    here = {entry.name: _entry(dataclasses.asdict(entry)) for entry in config.space}
    for name in sorted(there.keys() | here.keys()):
        if there.get(name) != here.get(name):
            differences.append(f"space of {name}: {here.get(name)} here, {there.get(name)} there")
    if differences:
        raise UserError(
            f"{folder} was started with other values ({'; '.join(differences)}). Use those "
            "values, or choose another --name"
        )


def _entry(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in fields.items()
        if key != "name" and value not in (None, (), [])
    }


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
