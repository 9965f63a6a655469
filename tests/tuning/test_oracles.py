"""The oracles: which there are, and what their seeds decide."""

import pytest

from resnet_keras.tuning.oracles import make_oracle
from resnet_keras.tuning.space import Range

SPACE = (Range("learning_rate", low=0.0, high=1.0), Range("momentum", low=0.0, high=1.0))


def draws(seed, tmp_path, count=10):
    """Each of its numbers, of all its first trials."""
    oracle = make_oracle("random", SPACE, count, seed, 3)
    oracle._set_project_dir(str(tmp_path), f"seed{seed}")
    trials = [oracle.create_trial(f"tuner{index}") for index in range(count)]
    return [value for one in trials for value in one.hyperparameters.values.values()]


def test_neighbouring_seeds_draw_nothing_alike_and_equal_ones_all(tmp_path):
    first, second = draws(0, tmp_path), draws(1, tmp_path)
    assert len(set(first)) == 20 and not set(first) & set(second)
    assert draws(0, tmp_path / "again") == first


@pytest.mark.parametrize("seed", [0, 4294, 4295, 2**31 - 1])
def test_every_seed_of_a_recipe_is_one_that_the_bayesian_search_takes(seed, tmp_path):
    oracle = make_oracle("bayesian", SPACE, 3, seed, 3)
    assert 1 <= oracle.seed < 2**32 - 900_000
    oracle._set_project_dir(str(tmp_path), "bayesian")
    assert oracle.create_trial("tuner0").status == "RUNNING"
