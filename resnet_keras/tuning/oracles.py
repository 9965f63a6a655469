"""keras-tuner's oracles, which say what to try next, over a space of ours."""

import dataclasses

import keras_tuner

from resnet_keras.recipe import Recipe, value_type
from resnet_keras.tuning import oracle_mends
from resnet_keras.tuning.space import Range

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
        oracle = oracle_mends.Hyperband(
            max_epochs=PARTS, factor=FACTOR, hyperband_iterations=0, **shared
        )
        oracle.max_trials = trials
        return oracle
    if tuner == "random":
        return oracle_mends.RandomSearch(max_trials=trials, **shared)
    first = min(len(space) + 1, max(2, trials // 3))
    return oracle_mends.Bayesian(max_trials=trials, num_initial_points=first, **shared)


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
