"""Estimates of time."""

import pytest

from resnet_keras import recipes
from resnet_keras.experiments.plan import ASSUMED, estimate, multiply_adds
from resnet_keras.runs.reading import read_run
from tests.made_up_runs import make_run

RECIPE = recipes.make("paper", "resnet20", precision="mixed_bfloat16").scaled(0.1)


def test_scales_the_nearest_run_by_multiply_adds(tmp_path):
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


def test_what_is_done_is_not_counted(tmp_path):
    runs = [read_run(make_run(tmp_path))]
    assert estimate(RECIPE, 6400, runs).seconds == 0
    half = estimate(RECIPE, 3200, runs).seconds
    assert half == pytest.approx(estimate(RECIPE, 0, runs).seconds / 2)


def test_without_any_run_it_says_what_it_assumes():
    found = estimate(RECIPE, 0, [])
    assert "assumed" in found.basis
    assert found.seconds == pytest.approx(
        (6400 * 128 + 10_000 / 3 * 32) * multiply_adds(RECIPE) / ASSUMED
    )


def test_multiply_adds_of_the_papers_networks():
    assert multiply_adds(RECIPE) == pytest.approx(40.6e6, rel=0.01)
    imagenet = recipes.Recipe(arch="resnet50", dataset="imagenet2012", image_size=224)
    assert multiply_adds(imagenet) == pytest.approx(3.8e9, rel=0.03)


def test_runs_of_a_few_steps_say_nothing(tmp_path):
    few = read_run(make_run(tmp_path, scale=50 / 64_000, drops=()))
    assert few.step == 50
    kept = read_run(make_run(tmp_path, "plain56"))
    assert "assumed" in estimate(RECIPE, 0, [few]).basis
    assert estimate(RECIPE, 0, [few, kept]).basis.startswith("plain56-seed0-x0.1")
