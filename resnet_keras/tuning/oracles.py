"""The oracles of keras-tuner, which choose the values of the next trial."""

import keras_tuner

from resnet_keras.tuning.keras_tuner_private import HYPERBAND_EPOCHS, ResumableOracle
from resnet_keras.tuning.space import Range

OBJECTIVE = keras_tuner.Objective("validation_error", "min")

_HYPERBAND_FACTOR = 3


class RandomSearch(ResumableOracle, keras_tuner.oracles.RandomSearchOracle):
    """Chooses values at random."""


class Hyperband(ResumableOracle, keras_tuner.oracles.HyperbandOracle):
    """Starts with short schedules, and gives longer ones to the best trials."""


class Bayesian(ResumableOracle, keras_tuner.oracles.BayesianOptimizationOracle):
    """Fits a Gaussian process to the scores, and chooses the most promising values."""


def make_oracle(
    tuner: str, space: tuple[Range, ...], trials: int, seed: int, failures: int
) -> ResumableOracle:
    """Returns the oracle of a search.

    Args:
        tuner: `"hyperband"`, `"bayesian"` or `"random"`.
        space: the search space.
        trials: the maximum number of trials.
        seed: decides which values are tried; at least 0.
        failures: the number of consecutive failed trials that ends the search.

    Example:

    >>> from resnet_keras.tuning.space import Range
    >>> oracle = make_oracle("random", (Range("pad", low=0, high=4),), 5, seed=0, failures=3)
    >>> oracle.max_trials, oracle.objective.name
    (5, 'validation_error')
    """
    shared = {
        "objective": OBJECTIVE,
        "hyperparameters": to_hyperparameters(space),
        "allow_new_entries": False,
        "tune_new_entries": False,
        "seed": _oracle_seed(seed),
        "max_consecutive_failed_trials": failures,
    }
    if tuner == "hyperband":
        # Without a limit of its own, it starts over until there are no trials left.
        oracle = Hyperband(
            max_epochs=HYPERBAND_EPOCHS, factor=_HYPERBAND_FACTOR, hyperband_iterations=0, **shared
        )
        oracle.max_trials = trials
        return oracle
    if tuner == "random":
        return RandomSearch(max_trials=trials, **shared)
    initial_points = min(len(space) + 1, max(2, trials // 3))
    return Bayesian(max_trials=trials, num_initial_points=initial_points, **shared)


def to_hyperparameters(space: tuple[Range, ...]) -> keras_tuner.HyperParameters:
    """Returns a search space as an object of keras-tuner.

    Args:
        space: the search space.

    Example:

    >>> from resnet_keras.tuning.space import Range
    >>> hyperparameters = to_hyperparameters((Range("pad", choices=(0, 4)),))
    >>> [(hp.name, hp.values) for hp in hyperparameters.space]
    [('pad', [0, 4])]
    """
    hyperparameters = keras_tuner.HyperParameters()
    for entry in space:
        if entry.choices:
            hyperparameters.Choice(entry.name, list(entry.choices))
            continue
        add = hyperparameters.Int if isinstance(entry.low, int) else hyperparameters.Float
        add(entry.name, entry.low, entry.high, step=entry.step, sampling=entry.scale)
    return hyperparameters


def _oracle_seed(seed: int) -> int:
    # keras-tuner seeds its draws with seed, seed + 1, seed + 2 and so on, so neighboring seeds
    # would draw the same values, shifted by one trial. It treats 0 as no seed, and NumPy accepts
    # seeds below 2**32.
    return seed * 1_000_003 % (2**32 - 1_000_000) + 1
