"""Tests of `tuning.oracles`."""

import pytest

from resnet_keras.tuning.oracles import make_oracle
from resnet_keras.tuning.space import Range

SPACE = (Range("learning_rate", low=0.0, high=1.0), Range("momentum", low=0.0, high=1.0))


def draws(seed, tmp_path, count=10):
    """Returns all values of the first trials of a random search."""
    oracle = make_oracle("random", SPACE, count, seed, 3)
    oracle._set_project_dir(str(tmp_path), f"seed{seed}")
    trials = [oracle.create_trial(f"tuner{index}") for index in range(count)]
    return [value for one in trials for value in one.hyperparameters.values.values()]


def test_neighboring_seeds_share_no_values_and_equal_seeds_share_all(tmp_path):
    first, second = draws(0, tmp_path), draws(1, tmp_path)
    assert len(set(first)) == 20 and not set(first) & set(second)
    assert draws(0, tmp_path / "again") == first


@pytest.mark.parametrize("seed", [0, 4294, 4295, 2**31 - 1])
def test_the_bayesian_search_accepts_every_seed_of_a_recipe(seed, tmp_path):
    oracle = make_oracle("bayesian", SPACE, 3, seed, 3)
    assert 1 <= oracle.seed < 2**32 - 900_000
    oracle._set_project_dir(str(tmp_path), "bayesian")
    assert oracle.create_trial("tuner0").status == "RUNNING"
