"""Tests of `experiments.plan`: the names and states of runs, and estimates of time."""

from pathlib import Path

import pytest

from resnet_keras import recipes
from resnet_keras.experiments.catalogue import get_experiment
from resnet_keras.experiments.plan import (
    ASSUMED_MULTIPLY_ADDS_PER_SECOND,
    estimate,
    has_other_recipe,
    is_complete,
    multiply_adds,
    plan,
    state,
    steps_done,
)
from resnet_keras.runs.run import read_run
from tests.made_up_runs import make_run

RECIPE = recipes.make("paper", "resnet20", precision="mixed_bfloat16").scaled(0.1)
PUBLISHED = Path(__file__).parents[2] / "results" / "runs"


def test_the_published_runs_belong_to_the_recipes_of_the_experiments():
    # Names, steps and values of the experiments must not change, or these runs become useless.
    bfloat16 = {"precision": "mixed_bfloat16"}
    runs = [
        *plan(get_experiment("fast-ablation")),
        *plan(get_experiment("fast-ablation"), scale=2),
        *plan(get_experiment("fast")),
        *plan(get_experiment("fast"), seeds=3, **bfloat16),
        *plan(get_experiment("options"), seeds=3, scale=0.1),
        *plan(get_experiment("depth"), scale=0.1),
    ]
    published = {run.name: run for run in runs if (PUBLISHED / run.name).is_dir()}
    assert len(published) > 35
    # Trained when the recipe fast still had a padding of 4.
    earlier = {f"resnet20-A-seed0-fast-{name}" for name in ("20", "20-sgd", "30")}
    assert {run.name for run in published.values() if has_other_recipe(run, PUBLISHED)} <= earlier


def test_a_run_with_another_recipe_is_not_mistaken_for_the_planned_one(tmp_path):
    (run,) = plan(get_experiment("options"), only=("resnet20-A",))
    assert state(run, tmp_path) == "not started"
    # `train.py --steps 400` leaves its run under the name of the full run.
    make_run(tmp_path, name=run.name, scale=400 / 64_000)
    assert state(run, tmp_path) == "other recipe"
    assert steps_done(run, tmp_path) is None
    assert not is_complete(run, tmp_path)


def test_a_run_may_have_filled_in_what_a_recipe_leaves_open(tmp_path):
    run = plan(get_experiment("options"), scale=0.01)[0]
    make_run(tmp_path, scale=0.01, augmentation="pad", precision="float32")
    assert state(run, tmp_path) == "done"
    assert is_complete(run, tmp_path)


def test_the_estimate_scales_the_nearest_run_by_multiply_adds(tmp_path):
    runs = [read_run(make_run(tmp_path, arch)) for arch in ("resnet20", "resnet56")]
    found = estimate(RECIPE, 0, runs)
    images = 6400 * 128 + 10_000 / 3 * 6400 / 200
    assert found.seconds == pytest.approx(images / 640)
    assert found.basis.startswith("resnet20-A-seed0-x0.1: 640 images/s in mixed_bfloat16 on Made")
    deep = recipes.make("paper", "resnet110").scaled(0.1)
    other = estimate(deep, 0, runs)
    assert other.basis.startswith("resnet56")
    ratio = multiply_adds(deep) / multiply_adds(runs[1].recipe)
    assert other.seconds == pytest.approx(found.seconds * ratio)


def test_steps_that_are_done_take_no_more_time(tmp_path):
    runs = [read_run(make_run(tmp_path))]
    assert estimate(RECIPE, 6400, runs).seconds == 0
    half = estimate(RECIPE, 3200, runs).seconds
    assert half == pytest.approx(estimate(RECIPE, 0, runs).seconds / 2)


def test_without_a_measured_run_the_estimate_states_its_assumption():
    found = estimate(RECIPE, 0, [])
    assert "assuming" in found.basis
    assert found.seconds == pytest.approx(
        (6400 * 128 + 10_000 / 3 * 32) * multiply_adds(RECIPE) / ASSUMED_MULTIPLY_ADDS_PER_SECOND
    )


def test_multiply_adds_are_those_of_the_paper():
    assert multiply_adds(RECIPE) == pytest.approx(40.6e6, rel=0.01)
    imagenet = recipes.Recipe(arch="resnet50", dataset="imagenet2012", image_size=224)
    assert multiply_adds(imagenet) == pytest.approx(3.8e9, rel=0.03)


def test_runs_of_a_few_steps_are_ignored(tmp_path):
    short = read_run(make_run(tmp_path, scale=50 / 64_000, drops=()))
    assert short.step == 50
    long = read_run(make_run(tmp_path, "plain56"))
    assert "assuming" in estimate(RECIPE, 0, [short]).basis
    assert estimate(RECIPE, 0, [short, long]).basis.startswith("plain56-seed0-x0.1")
