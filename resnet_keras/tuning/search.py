"""A search: keras-tuner's loop around runs of ours."""

import contextlib
import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import keras_tuner

from resnet_keras import signals
from resnet_keras.errors import UserError
from resnet_keras.files import read_json, write_json
from resnet_keras.recipe import Recipe
from resnet_keras.runs.folder import RunFolder
from resnet_keras.tuning import trial, workers
from resnet_keras.tuning.oracles import OBJECTIVE, make_oracle, own
from resnet_keras.tuning.preflight import check_base
from resnet_keras.tuning.results import keep_whole, write_results
from resnet_keras.tuning.space import Range

RECORD = "search.json"


@dataclass(frozen=True)
class Plan:
    """What a search is.

    Attributes:
        base: the recipe searched from; its `validation_size` images are what scores.
        space: what is searched.
        tuner: `hyperband`, `bayesian` or `random`.
        trials: at most so many.
        failures: so many failed trials in a row end it.
    """

    base: Recipe
    space: tuple[Range, ...]
    tuner: str
    trials: int
    failures: int = 3


@dataclass(frozen=True)
class Outcome:
    """How a search ended.

    Attributes:
        folder: the search's.
        best: the best trial's row of `trials.csv`; `None` if none is done.
        stopped_by: the number of the signal that interrupted it; `None` if none did.
    """

    folder: Path
    best: dict | None = None
    stopped_by: int | None = None


def search(
    plan: Plan, tuning_dir: str, name: str, data_dir: str | None, say: Callable[[str], None]
) -> Outcome:
    """Makes a search, or goes on with one, the trial in flight included.

    Args:
        plan: what to search.
        tuning_dir: the folder of searches.
        name: the search's folder in it.
        data_dir: where the data set is.
        say: told what happens, a line each.

    Raises:
        UsageError: if the recipe searched from does not suit data set or machine.
        UserError: if too many trials failed in a row, another process searches in the folder, it
            belongs to another search, a worker's chief is gone, or something outside is wrong;
            the trial in flight goes on when the search does.
    """
    if not workers.is_chief():
        check_base(plan.base, data_dir)
    folder = RunFolder(tuning_dir, name)
    # A worker's chief has the lock; each trial's own folder is locked in any case.
    lock = contextlib.nullcontext() if workers.is_worker() else folder.locked()
    with lock:
        if not workers.is_worker():
            _take_up(folder.path, plan)
        loop = None
        try:
            with signals.raised():
                loop = _loop(plan, folder.path, data_dir, say)
                loop.save()
                with contextlib.redirect_stdout(sys.stderr):
                    loop.search(verbose=0)
        except signals.Interrupted as interruption:
            say(f"{interruption.number.name}: stopped. The same command goes on from there")
            if loop is not None:
                loop.publish()
            return Outcome(folder.path, stopped_by=int(interruption.number))
        except _Outside as fault:
            # On a full disk the results cannot be written either: the fault itself is the news.
            with contextlib.suppress(UserError):
                loop.publish()
            raise fault.__cause__ from None
        except grpc.RpcError as error:
            raise UserError(f"the chief does not answer: {error.details()}") from error
        best = loop.publish()
        if not workers.is_worker() and loop.oracle.too_many_failed:
            raise UserError(
                f"{plan.failures} trials in a row failed, so the search ends; "
                f"{folder.path / 'trials.csv'} says why. Narrow the space (--space), or let more "
                "fail (--max-failed)"
            )
        return Outcome(folder.path, best)


def _loop(plan, folder, data_dir, say):
    oracle = make_oracle(plan.tuner, plan.space, plan.trials, plan.base.seed, plan.failures)
    # keras-tuner prints what it reloads.
    with contextlib.redirect_stdout(sys.stderr):
        return _Loop(plan, folder, data_dir, say, oracle)


# A failed trial is part of the search and said in a line: no traceback.
keras_tuner.src.config.DEBUG = False
keep_whole()


class _Outside(keras_tuner.errors.FatalError):
    """Caused by an error that is no trial's; keras-tuner lets nothing else through."""


class _Loop(keras_tuner.engine.base_tuner.BaseTuner):
    def __init__(self, plan, folder, data_dir, say, oracle):
        self.plan, self.folder, self.data_dir, self.say = plan, folder, data_dir, say
        super().__init__(oracle, directory=str(folder), project_name="keras_tuner")
        if not workers.is_worker():
            self.oracle.after_end = self.publish

    def on_search_begin(self):
        """Compares a worker's search with its chief's, which has begun when it answers."""
        if workers.is_worker():
            self.oracle.get_space()
            _compare(self.folder, self.plan)

    def run_trial(self, trial_, *args, **kwargs):
        """Runs one; keras-tuner calls it."""
        values = trial_.hyperparameters.values
        spelled = ", ".join(f"{name} {_short(value)}" for name, value in own(values).items())
        self.say(f"trial {trial_.trial_id}: {spelled}")
        place = self.folder / "trials" / trial_.trial_id
        try:
            if workers.is_worker():
                workers.wait_for(place, self.say)
            score = trial.run_trial(self.plan.base, values, place, self.data_dir)
        except trial.TrialFailed as failure:
            raise keras_tuner.errors.FailedTrialError(str(failure)) from failure
        except UserError as error:
            raise _Outside(str(error)) from error
        self.say(f"trial {trial_.trial_id}: {score:.2f} % of the held-out images wrong")
        return {OBJECTIVE.name: score}

    def on_trial_end(self, trial_):
        """Says it; the oracle notes it and has the results written."""
        if trial_.message:
            self.say(f"trial {trial_.trial_id} failed: {trial_.message.splitlines()[-1]}")
        super().on_trial_end(trial_)

    def _get_tuner_fname(self):
        # keras-tuner goes on with a search if this file is there, and names it after
        # KERASTUNER_TUNER_ID: under another one it would begin anew, over what is there. A worker
        # has no state; its file shall not stand for the chief's.
        name = f"worker-{self.tuner_id}" if workers.is_worker() else "tuner0"
        return str(Path(self.project_dir) / f"{name}.json")

    def publish(self):
        """Writes the results; a worker leaves that to its chief. Returns the best row."""
        if workers.is_worker():
            return None
        trials = list(self.oracle.trials.values())
        return write_results(self.folder, trials, self.plan.base, self.plan.space, self.folder.name)


def _take_up(folder, plan):
    """Writes down what the search is, or compares it with what the folder was started with."""
    path = folder / RECORD
    if path.exists():
        _compare(folder, plan)
        return
    mine = {
        "recipe": plan.base.to_json(),
        "tuner": plan.tuner,
        "space": [dataclasses.asdict(one) for one in plan.space],
    }
    write_json(path, mine)


def _compare(folder, plan):
    """Compares the search with the one the folder was started with. More trials are welcome."""
    theirs = read_json(folder / RECORD)
    differences = plan.base.differences(Recipe.from_json(theirs.get("recipe")))
    if theirs.get("tuner") != plan.tuner:
        differences.append(f"tuner: {plan.tuner} here, {theirs.get('tuner')} there")
    before = {one["name"]: _entry(one) for one in theirs.get("space", [])}
    now = {one.name: _entry(dataclasses.asdict(one)) for one in plan.space}
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            differences.append(f"space of {name}: {now.get(name)} here, {before.get(name)} there")
    if differences:
        raise UserError(
            f"{folder} was started with other values ({'; '.join(differences)}). Give those, or "
            "choose another --name"
        )


def _entry(one):
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in one.items()
        if key != "name" and value not in (None, (), [])
    }


def _short(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)
