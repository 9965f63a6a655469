"""keras-tuner's oracles, which say what to try next, over a space of ours."""

import dataclasses

import keras_tuner

from resnet_keras.recipe import Recipe, value_type
from resnet_keras.tuning.space import Range


class ProjectOracle(keras_tuner.Oracle):
    """Goes before one of keras-tuner's oracles among the bases of a class.

    Attributes:
        after_end: called when a trial has ended, on a chief too, where keras-tuner's loop says
            nothing of its workers' trials.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.after_end = lambda: None

    @property
    def too_many_failed(self) -> bool:
        """Whether so many trials in a row failed that the search ends."""
        most, row = self.max_consecutive_failed_trials, 0
        for name in self.end_order:
            row = row + 1 if self.trials[name].status == "FAILED" else 0
            if row >= most:
                return True
        return False

    def populate_space(self, trial_id: str) -> dict:
        """Chooses a new trial's values, or ends the search; keras-tuner calls it."""
        return {"status": "STOPPED"} if self.too_many_failed else super().populate_space(trial_id)

    def end_trial(self, trial: keras_tuner.engine.trial.Trial) -> None:
        """Takes a trial's end.

        After a chief's restart a trial that a worker still has is queued, and may have been given
        to a second one: the first end of the two counts, and calls the second worker's off.
        """
        name = trial.trial_id
        if name in self._retry_queue:
            self._retry_queue.remove(name)
        elif all(one.trial_id != name for one in self.ongoing_trials.values()):
            return
        super().end_trial(trial)
        self.after_end()

    def reload(self):
        """Reads the state back; keras-tuner calls it.

        A new trial's own file is written before the state that knows of it. A kill between the two
        leaves a trial that nobody would ever run: it is forgotten, and made again as it was.
        """
        super().reload()
        known = set(self.start_order)
        self.trials = {name: one for name, one in self.trials.items() if name in known}

    def _check_consecutive_failures(self):
        # keras-tuner's raises, holding a lock that is then never released: a chief would hang.
        # `populate_space` ends the search instead, and all its workers hear of it.
        pass


class RandomSearch(ProjectOracle, keras_tuner.oracles.RandomSearchOracle):
    """Tries values by chance."""


class Hyperband(ProjectOracle, keras_tuner.oracles.HyperbandOracle):
    """Gives short schedules first, and longer ones to what did well."""


class Bayesian(ProjectOracle, keras_tuner.oracles.BayesianOptimizationOracle):
    """Tries what a Gaussian process, fitted to the scores so far, expects the most of."""


OBJECTIVE = keras_tuner.Objective("validation_error", "min")

# Hyperband's unit: a trial has 1, 3 or 9 ninths of the schedule.
PARTS, FACTOR = 9, 3

YES_OR_NO = [spec.name for spec in dataclasses.fields(Recipe) if value_type(spec)[0] is bool]


def make_oracle(tuner: str, space: tuple[Range, ...], trials: int, seed: int, failures: int):
    """Returns the oracle.

    Args:
        tuner: `hyperband`, `bayesian` or `random`.
        space: what to search.
        trials: at most so many.
        seed: decides what is tried.
        failures: so many failed trials in a row end the search.
    """
    shared = {
        "objective": OBJECTIVE,
        "hyperparameters": hyperparameters(space),
        "allow_new_entries": False,
        "tune_new_entries": False,
        "seed": _spread(seed),
        "max_consecutive_failed_trials": failures,
    }
    if tuner == "hyperband":
        # It begins again for as long as there are trials left.
        oracle = Hyperband(max_epochs=PARTS, factor=FACTOR, hyperband_iterations=0, **shared)
        oracle.max_trials = trials
        return oracle
    if tuner == "random":
        return RandomSearch(max_trials=trials, **shared)
    first = min(len(space) + 1, max(2, trials // 3))
    return Bayesian(max_trials=trials, num_initial_points=first, **shared)


def hyperparameters(space: tuple[Range, ...]) -> keras_tuner.HyperParameters:
    """Returns the space as keras-tuner has it."""
    made = keras_tuner.HyperParameters()
    for one in space:
        if one.choices:
            made.Choice(one.name, list(one.choices))
            continue
        kind = made.Int if isinstance(one.low, int) else made.Float
        kind(one.name, one.low, one.high, step=one.step, sampling=one.scale)
    return made


def part_of(values: dict) -> float:
    """Returns how much of the schedule a trial has; less than 1 in Hyperband's first rounds."""
    return values.get("tuner/epochs", PARTS) / PARTS


def own(values: dict) -> dict:
    """Returns a trial's values without those that the oracle keeps for itself."""
    return {
        # keras-tuner turns a choice of yes and no into one of 1 and 0.
        name: bool(value) if name in YES_OR_NO else value
        for name, value in values.items()
        if not name.startswith("tuner/")
    }


def _spread(seed):
    # keras-tuner seeds its draws with seed, seed + 1, seed + 2, …: neighbours would draw the same,
    # one draw apart. It takes 0 for no seed, and NumPy takes seeds below 2 to the power of 32.
    return seed * 1_000_003 % (2**32 - 1_000_000) + 1
