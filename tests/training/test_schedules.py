"""The learning rate at and around every boundary."""

import keras
import numpy as np
import pytest

from resnet_keras import recipes
from resnet_keras.recipe import Recipe
from resnet_keras.training.schedules import (
    LinearWarmUp,
    keras_schedule,
    learning_rate,
    piecewise_rates,
)


@pytest.mark.parametrize(
    "step, rate",
    [(0, 0.1), (31_999, 0.1), (32_000, 0.01), (47_999, 0.01), (48_000, 0.001), (63_999, 0.001)],
)
def test_paper(step, rate):
    recipe = Recipe("resnet20")
    assert learning_rate(recipe, step) == pytest.approx(rate, rel=1e-12)
    assert float(keras_schedule(recipe)(step)) == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize(
    "step, rate", [(0, 0.01), (399, 0.01), (400, 0.1), (31_999, 0.1), (32_000, 0.01)]
)
def test_warm_up(step, rate):
    recipe = recipes.make("paper", "resnet110")
    assert learning_rate(recipe, step) == pytest.approx(rate, rel=1e-12)
    assert float(keras_schedule(recipe)(step)) == pytest.approx(rate, rel=1e-6)


RECIPES = [
    Recipe("resnet20"),
    recipes.make("paper", "plain110"),
    recipes.make("demo", "resnet20"),
    Recipe("resnet20", drops=()),
    Recipe("resnet20", drops=(), warmup_steps=10),
    Recipe("resnet20", drops=(1,), steps=3),
    Recipe("resnet20", drops=(1, 2, 3), drop_factor=0.5, steps=2),
    Recipe("resnet20", drops=(7,), warmup_steps=6, warmup_rate=0.5, steps=20),
    Recipe("resnet20", drops=(), steps=1),
]


@pytest.mark.parametrize("recipe", RECIPES, ids=range(len(RECIPES)))
def test_keras_schedule_is_the_same(recipe):
    schedule = keras_schedule(recipe)
    corners = {0, recipe.steps - 1, recipe.steps, recipe.warmup_steps, *recipe.drops}
    for step in {max(0, corner + near) for corner in corners for near in (-2, -1, 0, 1, 2)}:
        # In the words of the paper: the rate is multiplied by the factor after each drop.
        expected = recipe.learning_rate * recipe.drop_factor ** sum(
            step >= drop for drop in recipe.drops
        )
        if step < recipe.warmup_steps:
            expected = recipe.warmup_rate
        assert learning_rate(recipe, step) == pytest.approx(expected, rel=1e-9)
        assert float(schedule(np.int64(step))) == pytest.approx(expected, rel=1e-6), step


def test_steps_at_each_rate():
    recipe = recipes.make("paper", "resnet110").scaled(0.01)
    rates = [learning_rate(recipe, step) for step in range(recipe.steps)]
    values, counts = np.unique(np.round(rates, 9), return_counts=True)
    # 4 steps of warm-up and 160 after the first drop at 0.01, 316 at 0.1, and 160 at 0.001.
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == {
        0.001: 160, 0.01: 164, 0.1: 316
    }  # fmt: skip


def test_piecewise_rates_start_at_step_0():
    for recipe in RECIPES:
        first_steps, rates = piecewise_rates(recipe)
        assert first_steps[0] == 0 and first_steps == sorted(set(first_steps))
        assert len(first_steps) == len(rates)


def test_schedule_can_be_saved():
    schedule = keras_schedule(Recipe("resnet20"))
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    assert float(again(31_999)) == float(schedule(31_999)) != float(again(32_000))


ONE_CYCLES = [
    recipes.make("fast", "resnet20"),
    Recipe("resnet20", schedule="one_cycle", steps=10, peak_at=0.3, learning_rate=0.4),
    Recipe("resnet20", schedule="one_cycle", steps=10, peak_at=0.0),
    Recipe("resnet20", schedule="one_cycle", steps=10, peak_at=1.0),
    Recipe("resnet20", schedule="one_cycle", steps=1),
]


@pytest.mark.parametrize("recipe", ONE_CYCLES, ids=range(len(ONE_CYCLES)))
def test_one_cycle_is_two_straight_lines(recipe):
    peak = min(round(recipe.peak_at * recipe.steps), recipe.steps - 1)
    expected = np.interp(
        np.arange(recipe.steps), [-1, peak, recipe.steps], [0, recipe.learning_rate, 0]
    )
    schedule = keras_schedule(recipe)
    for step in range(0, recipe.steps, max(1, recipe.steps // 50)):
        assert learning_rate(recipe, step) == pytest.approx(expected[step], rel=1e-9)
        assert float(schedule(np.int64(step))) == pytest.approx(expected[step], rel=1e-5)
    assert learning_rate(recipe, peak) == recipe.learning_rate
    assert float(schedule(recipe.steps)) == 0.0


def test_one_cycle_has_neither_drops_nor_warm_up():
    recipe = Recipe("resnet20", schedule="one_cycle", drops=(5,), warmup_steps=3, steps=10)
    assert recipe == Recipe("resnet20", schedule="one_cycle", steps=10)
    assert (recipe.drops, recipe.warmup_steps) == ((), 0)


def test_one_cycle_can_be_saved():
    schedule = keras_schedule(ONE_CYCLES[1])
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    assert [float(again(step)) for step in range(10)] == [
        float(schedule(step)) for step in range(10)
    ]


def test_a_shortened_cycle_has_the_same_shape():
    recipe = recipes.make("fast", "resnet20").scaled(0.1)
    assert recipe.steps == 1172 and recipe.schedule == "one_cycle"
    assert learning_rate(recipe, round(0.2 * 1172)) == pytest.approx(0.2)


def test_linear_warm_up():
    recipe = Recipe("resnet20", warmup_steps=10, warmup_rate=0.1, warmup_shape="linear",
                    learning_rate=0.8, drops=(20, 30), steps=40)  # fmt: skip
    expected = [0.1 + 0.07 * step for step in range(10)] + [0.8] * 10 + [0.08] * 10 + [0.008] * 10
    schedule = keras_schedule(recipe)
    assert [learning_rate(recipe, step) for step in range(40)] == pytest.approx(expected)
    assert [float(schedule(np.int64(step))) for step in range(40)] == pytest.approx(expected)


def test_linear_warm_up_can_be_saved():
    recipe = recipes.for_batch(Recipe("resnet20"), 1024)
    schedule = keras_schedule(recipe)
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    for step in (0, 100, recipe.warmup_steps, recipe.drops[0], recipe.steps - 1):
        assert float(again(step)) == float(schedule(step))


def test_the_registered_name_of_version_0_1_still_loads():
    recipe = Recipe("resnet20", warmup_steps=10, warmup_shape="linear")
    config = keras.optimizers.schedules.serialize(keras_schedule(recipe))
    assert config["registered_name"] == "resnet_keras>LinearWarmUp"
    config.update(
        registered_name="resnet_keras>Rising",
        class_name="Rising",
        module="resnet_keras.training.rising",
    )
    schedule = keras.optimizers.schedules.deserialize(config)
    assert type(schedule) is LinearWarmUp
    assert float(schedule(5)) == float(keras_schedule(recipe)(5))
