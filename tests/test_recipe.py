"""The recipe: defaults, bounds, names, JSON."""

import dataclasses
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_keras.errors import UsageError
from resnet_keras.recipe import Recipe, value_type

FIELDS = {spec.name: spec for spec in dataclasses.fields(Recipe)}


def test_defaults_are_those_of_section_4_2():
    recipe = Recipe("resnet32")
    assert (recipe.steps, recipe.batch_size, recipe.drops) == (64_000, 128, (32_000, 48_000))
    assert (recipe.learning_rate, recipe.drop_factor, recipe.momentum) == (0.1, 0.1, 0.9)
    assert (recipe.decay, recipe.decay_on, recipe.pad) == (1e-4, "all", 4)
    assert (recipe.dataset, recipe.validation_size, recipe.option) == ("cifar10", 0, "A")
    assert (recipe.warmup_steps, recipe.warmup_rate, recipe.nesterov) == (0, 0.01, False)


def test_default_option_is_written_down():
    assert Recipe("resnet20") == Recipe("resnet20", option="A")
    assert Recipe("resnet50").option == "B"
    assert Recipe("plain20").option is None


@pytest.mark.parametrize(
    "values, label, run_name",
    [
        ({"arch": "plain20"}, "plain20", "plain20-seed0"),
        ({"arch": "resnet32", "seed": 7}, "resnet32-A", "resnet32-A-seed7"),
        (
            {"arch": "resnet20", "option": "B", "projection": "average", "dataset": "digits"},
            "resnet20-B-average-digits",
            "resnet20-B-average-digits-seed0",
        ),
        (
            {"arch": "resnet20", "dataset": "imagenet_v2/top:1.0.0"},
            "resnet20-A-imagenet_v2_top_1.0.0",
            "resnet20-A-imagenet_v2_top_1.0.0-seed0",
        ),
    ],
)
def test_names(values, label, run_name):
    assert (Recipe(**values).label, Recipe(**values).run_name) == (label, run_name)


@given(st.text(min_size=1, max_size=20))
def test_names_are_one_path_component(dataset):
    name = Recipe("resnet20", dataset=dataset).run_name
    assert not set(name) & set("/\\:\0 \n")
    assert name.startswith("resnet20-A")


@pytest.mark.parametrize(
    "name", [name for name, spec in FIELDS.items() if spec.metadata["low"] is not None]
)
def test_bounds_are_enforced_below(name):
    kind, _ = value_type(FIELDS[name])
    low = FIELDS[name].metadata["low"] - 1
    with pytest.raises(UsageError, match=f"{name} .*Received: {low}"):
        Recipe("resnet20", **{name: (low,) if kind is tuple else low})


@pytest.mark.parametrize(
    "values, words",
    [
        ({"learning_rate": -0.1}, ["learning_rate", "-0.1"]),
        ({"learning_rate": math.nan}, ["learning_rate", "nan"]),
        ({"learning_rate": math.inf}, ["learning_rate", "inf"]),
        ({"momentum": 1.5}, ["momentum", "from 0.0 to 1.0", "1.5"]),
        ({"decay": -1e-4}, ["decay"]),
        ({"drops": (48_000, 32_000)}, ["drops must grow", "48000,32000"]),
        ({"drops": (10, 10)}, ["drops must grow"]),
        ({"drops": (1.5,)}, ["drops", "whole number"]),
        ({"drops": 5}, ["drops"]),
        ({"drops": "123"}, ["drops"]),
        ({"warmup_steps": 32_000}, ["warm-up", "32000"]),
        ({"steps": 1.5}, ["steps is a whole number", "1.5"]),
        ({"steps": True}, ["steps is a whole number", "True"]),
        ({"steps": "3"}, ["steps is a whole number", "'3'"]),
        ({"seed": 2**31}, ["seed", str(2**31)]),
        ({"precision": "float23"}, ["precision", "known: float32"]),
        ({"decay_on": "kernel"}, ["decay_on", "known: kernels"]),
        ({"dataset": None}, ["dataset"]),
        ({"nesterov": 1}, ["nesterov", "1"]),
        ({"flip": "yes"}, ["flip", "'yes'"]),
        ({"arch": "resnet21"}, ["resnet21"]),
        ({"arch": 20}, ["arch", "20"]),
        ({"arch": "plain20", "option": "A"}, ["plain20", "no shortcuts"]),
        ({"image_size": 7}, ["image_size", "from 8 to 4096"]),
    ],
)
def test_refused(values, words):
    with pytest.raises(UsageError) as caught:
        Recipe(**{"arch": "resnet20", **values})
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_whole_numbers_become_floats_where_floats_are_meant():
    recipe = Recipe("resnet20", learning_rate=1, drops=[3, 4])
    assert isinstance(recipe.learning_rate, float)
    assert recipe.drops == (3, 4)


RECIPES = st.builds(
    Recipe,
    arch=st.sampled_from(["resnet20", "resnet110", "resnet50"]),
    option=st.sampled_from([None, "B", "C"]),
    dataset=st.text(max_size=5),
    drops=st.lists(st.integers(1000, 10**6), max_size=3, unique=True).map(sorted).map(tuple),
    steps=st.integers(1, 10**6),
    warmup_steps=st.integers(0, 999),
    learning_rate=st.floats(0, 1e3),
    momentum=st.floats(0, 1),
    seed=st.integers(0, 2**31 - 1),
    flip=st.sampled_from([None, True, False]),
    nesterov=st.booleans(),
    image_size=st.one_of(st.none(), st.integers(8, 4096)),
)


@settings(deadline=None)  # a busy machine is no failure
@given(RECIPES)
def test_json_round_trip(recipe):
    again = Recipe.from_json(json.loads(json.dumps(recipe.to_json())))
    assert again == recipe
    assert hash(again) == hash(recipe)
    assert again.differences(recipe) == []


@given(RECIPES, st.floats(1e-4, 3.0))
def test_scaled_keeps_proportions(recipe, scale):
    try:
        scaled = recipe.scaled(scale)
    except UsageError as error:
        # Only where the drops or the warm-up fall together.
        assert "drops" in str(error) or "warm-up" in str(error)
        return
    assert abs(scaled.steps - max(1, recipe.steps * scale)) <= 0.5
    for mine, theirs in zip(scaled.drops, recipe.drops, strict=True):
        assert abs(mine - max(1, theirs * scale)) <= 0.5
    same = {"steps", "drops", "warmup_steps", "eval_every"}
    assert {line.split(":")[0] for line in recipe.differences(scaled)} <= same


def test_scaled_to_a_tenth():
    scaled = Recipe("resnet110", warmup_steps=400).scaled(0.1)
    assert (scaled.steps, scaled.drops, scaled.warmup_steps) == (6400, (3200, 4800), 40)
    assert scaled.eval_every == 200


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_scales_that_are_none(scale):
    with pytest.raises(UsageError, match="scale"):
        Recipe("resnet20").scaled(scale)


def test_from_json_takes_defaults_for_what_is_missing():
    assert Recipe.from_json({"arch": "resnet20"}) == Recipe("resnet20")


@pytest.mark.parametrize(
    "values, words",
    [
        ({"arch": "resnet20", "moment": 0.9}, ["recipe value", "'moment'", "known: momentum"]),
        ({"steps": 3}, ["arch"]),
        ([], ["JSON object", "list"]),
        ({"arch": "resnet20", "steps": None}, ["steps"]),
        ({"arch": None}, ["arch"]),
        ({"arch": "resnet20", "drops": {"a": 1}}, ["drops"]),
    ],
)
def test_from_json_refuses(values, words):
    with pytest.raises(UsageError) as caught:
        Recipe.from_json(values)
    assert all(word in str(caught.value) for word in words)


def test_differences_name_each_value():
    here = Recipe("resnet20", drops=(1, 2), seed=1)
    there = Recipe("resnet20", drops=(1, 3), option="B", seed=1)
    assert here.differences(there) == ["option: A here, B there", "drops: 1,2 here, 1,3 there"]


def test_every_field_says_what_it_is():
    for spec in FIELDS.values():
        assert len(spec.metadata["help"]) > 10
        assert set(spec.metadata) == {"help", "unit", "choices", "low", "high"}


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe("resnet20").steps = 3
