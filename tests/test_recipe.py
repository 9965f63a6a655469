"""Tests of `recipe`: defaults, checks, names, JSON, and values without effect."""

import dataclasses
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_keras.errors import UsageError
from resnet_keras.recipe import (
    Recipe,
    check_flags,
    check_has_effect,
    value_type,
    values_without_effect,
)

FIELDS = {spec.name: spec for spec in dataclasses.fields(Recipe)}


def test_defaults_are_those_of_section_4_2():
    recipe = Recipe("resnet32")
    assert (recipe.steps, recipe.batch_size, recipe.drops) == (64_000, 128, (32_000, 48_000))
    assert (recipe.learning_rate, recipe.drop_factor, recipe.momentum) == (0.1, 0.1, 0.9)
    assert (recipe.decay, recipe.decay_on, recipe.pad) == (1e-4, "all", 4)
    assert (recipe.dataset, recipe.validation_size, recipe.option) == ("cifar10", 0, "A")
    assert (recipe.warmup_steps, recipe.warmup_rate, recipe.nesterov) == (0, 0.01, False)


def test_the_default_option_of_the_network_is_stored():
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
        ({"drops": (48_000, 32_000)}, ["drops must increase", "48000,32000"]),
        ({"drops": (10, 10)}, ["drops must increase"]),
        ({"drops": (1.5,)}, ["drops", "an integer"]),
        ({"drops": 5}, ["drops"]),
        ({"drops": "123"}, ["drops"]),
        ({"warmup_steps": 32_000}, ["warm-up", "32000"]),
        ({"steps": 1.5}, ["steps must be an integer", "1.5"]),
        ({"steps": True}, ["steps must be an integer", "True"]),
        ({"steps": "3"}, ["steps must be an integer", "'3'"]),
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
def test_values_that_are_refused(values, words):
    with pytest.raises(UsageError) as caught:
        Recipe(**{"arch": "resnet20", **values})
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_integers_become_floats_in_float_fields():
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


@settings(deadline=None)  # A busy machine must not fail the test.
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
        # Allowed only if two drops, or the warm-up and a drop, fall on the same step.
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


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf, []])
def test_scales_that_are_refused(scale):
    with pytest.raises(UsageError, match="scale"):
        Recipe("resnet20").scaled(scale)


def test_from_json_uses_defaults_for_missing_values():
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


def test_every_field_has_a_help_text():
    for spec in FIELDS.values():
        assert len(spec.metadata["help"]) > 10
        assert set(spec.metadata) == {"help", "unit", "choices", "low", "high"}


def test_a_recipe_is_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe("resnet20").steps = 3


# A recipe's other values, one value without effect, and what the error has to name.
WITHOUT_EFFECT = [
    ({"schedule": "one_cycle"}, {"drops": (100,)}, "only the schedule drops"),
    ({"schedule": "one_cycle"}, {"drop_factor": 0.5}, "only the schedule drops"),
    ({"schedule": "one_cycle"}, {"warmup_steps": 50}, "only the schedule drops"),
    ({"schedule": "one_cycle"}, {"warmup_rate": 0.1}, "only the schedule drops"),
    ({"schedule": "one_cycle"}, {"warmup_shape": "linear"}, "only the schedule drops"),
    ({"schedule": "drops"}, {"peak_at": 0.5}, "only the schedule one_cycle"),
    ({}, {"warmup_rate": 0.1}, "the schedule drops uses it with warmup_steps above 0"),
    ({}, {"warmup_shape": "linear"}, "the schedule drops uses it with warmup_steps above 0"),
    ({"drops": ()}, {"drop_factor": 0.5}, "the schedule drops uses it with at least one step"),
    ({"steps": 32_000}, {"drop_factor": 0.5}, "at least one step in drops that is below steps"),
    ({"momentum": 0.0}, {"nesterov": True}, "the optimizers SGD and Muon use it with momentum"),
    ({"decay": 0.0}, {"decay_on": "kernels"}, "the optimizers SGD and Muon use it with decay"),
    ({"train_from": "a.keras", "freeze": True}, {"backbone_rate": 0.5}, "without freeze"),
    ({"train_from": "a.keras", "freeze": True}, {"muon": 0.15}, "without freeze"),
    ({"train_from": "a.keras", "freeze": True}, {"sync_bn": True}, "without freeze"),
    ({"devices": 1}, {"sync_bn": True}, "devices above 1"),
    ({}, {"skip_corrupt": True}, "dataset folder or imagenet2012"),
    ({"dataset": "a_tfds_data_set"}, {"skip_corrupt": True}, "dataset folder or imagenet2012"),
    ({"dataset": "digits"}, {"validation_fraction": 0.3}, "only dataset folder .*validation_size"),
    ({"dataset": "imagenet2012"}, {"validation_fraction": 0.3}, "only dataset folder"),
    ({}, {"image_size": 64}, "cifar10, cifar100, digits, whose images have 32x32 pixels"),
    ({"dataset": "digits"}, {"augmentation": "scale"}, "use augmentation pad"),
    ({"dataset": "a_tfds_data_set"}, {"augmentation": "scale"}, "use augmentation pad"),
    ({"dataset": "folder", "augmentation": "scale"}, {"pad": 2}, "only the augmentation pad"),
    ({"dataset": "folder"}, {"pad": 2}, "only the augmentation pad"),
    ({"dataset": "imagenet2012"}, {"pad": 2}, "only the augmentation pad"),
    ({"flip": False}, {"alternate_flip": True}, "the augmentation uses it with flip"),
    ({"option": "A"}, {"projection": "conv_bn"}, "only the options B and C"),
    ({"arch": "plain20"}, {"projection": "conv_bn"}, "only the options B and C"),
    ({}, {"bottleneck_stride": "1x1"}, "only ResNets of 50, 101 and 152 layers"),
]


def recipe_with(values):
    return Recipe(**{"arch": "resnet20", **values})


@pytest.mark.parametrize("others, given, words", WITHOUT_EFFECT)
def test_a_given_value_without_effect_is_refused(others, given, words):
    (name,) = given
    with pytest.raises(UsageError, match=f"^{name} has no effect .*{words}.* Received: {name}="):
        check_has_effect(recipe_with({**others, **given}), given)


@pytest.mark.parametrize("others, given, words", WITHOUT_EFFECT)
def test_a_value_without_effect_that_was_not_given_is_accepted(others, given, words):
    recipe = recipe_with({**others, **given})
    check_has_effect(recipe, {})
    check_has_effect(recipe, others)
    assert set(given) <= set(values_without_effect(recipe))
    # Files that earlier versions wrote may contain such values.
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert dataclasses.replace(recipe, seed=1).scaled(0.5).seed == 1


@pytest.mark.parametrize(
    "values",
    [
        {"schedule": "drops", "drops": (100,), "drop_factor": 0.5},
        {"schedule": "one_cycle", "peak_at": 0.5},
        {"warmup_steps": 50, "warmup_rate": 0.1, "warmup_shape": "linear"},
        {"nesterov": True, "decay_on": "kernels"},
        {"augmentation": "pad", "dataset": "folder", "pad": 2},
        {"dataset": "a_tfds_data_set", "pad": 2},
        {"flip": True, "alternate_flip": True},
        {"alternate_flip": True},
        {"option": "B", "projection": "average"},
        {"arch": "resnet50", "bottleneck_stride": "3x3", "projection": "conv_bn"},
        {"train_from": "a.keras", "backbone_rate": 0.5, "muon": 0.15, "sync_bn": True},
        {"steps": 32_001, "drop_factor": 0.5},
        {"steps": 101, "drops": (), "warmup_steps": 100},
        {"sync_bn": True},
        {"sync_bn": True, "devices": 2},
        {"dataset": "folder", "skip_corrupt": True, "validation_fraction": 0.3, "image_size": 64},
        {"dataset": "imagenet2012", "skip_corrupt": True, "augmentation": "scale"},
        {"dataset": "a_tfds_data_set", "image_size": 64},
        {"dataset": "digits", "lighting": 0.1, "augmentation": "pad"},
    ],
)
def test_given_values_with_an_effect_are_accepted(values):
    check_has_effect(recipe_with(values), values)


@pytest.mark.parametrize(
    "values",
    [
        {"schedule": "one_cycle", "drops": [], "warmup_steps": 0},
        {"momentum": 0.0, "nesterov": False},
        {"dataset": "folder", "augmentation": "scale", "pad": 0},
        {"devices": 1, "sync_bn": False, "skip_corrupt": False},
        {"dataset": "cifar100", "image_size": 32, "validation_fraction": None},
        {"dataset": "digits", "image_size": None, "augmentation": None},
        {"flip": False, "alternate_flip": False},
        {"backbone_rate": 1.0, "freeze": False, "muon": 0.0, "lighting": 0.0},
    ],
)
def test_turning_off_what_is_off_anyway_is_accepted(values):
    check_has_effect(recipe_with(values), values)


@pytest.mark.parametrize("steps", [50, 100])
def test_a_given_warm_up_must_end_before_the_training(steps):
    recipe = Recipe("resnet20", steps=steps, drops=(), warmup_steps=100)
    with pytest.raises(UsageError, match=f"{steps} steps. Received: warmup_steps=100"):
        check_has_effect(recipe, {"warmup_steps": 100})
    with pytest.raises(UsageError, match="Received: --warmup-steps 100"):
        check_has_effect(recipe, {"warmup_steps": 100}, as_flags=True)
    # Recipes in files and the named recipes may contain it.
    check_has_effect(recipe, {"steps": steps})
    assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize(
    "values, message",
    [
        ({"peak_at": 0.5}, "--peak-at has no effect .* Received: --peak-at 0.5"),
        ({"schedule": "one_cycle", "drops": (100,)}, "--drops has .* Received: --drops 100"),
        ({"warmup_shape": "linear"}, "the schedule drops uses it with --warmup-steps above 0"),
        ({"flip": False, "alternate_flip": True}, "with --flip. Received: --alternate-flip"),
        ({"validation_fraction": 0.5}, "--dataset folder uses it.* use --validation-size"),
    ],
)
def test_messages_about_flags_spell_them_as_flags(values, message):
    with pytest.raises(UsageError, match=f"{message}$" if "Received" in message else message):
        check_has_effect(recipe_with(values), values, as_flags=True)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"learning_rate": -1.0}, "--learning-rate must be at least 0.0. Received: -1.0"),
        ({"drops": (0,)}, "--drops must be at least 1. Received: 0"),
        ({"decay_on": "kernel"}, "unknown --decay-on 'kernel'; known: kernels"),
    ],
)
def test_check_flags(values, message):
    with pytest.raises(UsageError, match=f"^{message}"):
        check_flags(values)


def test_check_flags_accepts_allowed_values():
    check_flags({"learning_rate": 1, "drops": (), "image_size": None, "nesterov": True})


@pytest.mark.parametrize(
    "others, given, varied",
    [
        ({"schedule": "drops"}, {"peak_at": 0.5}, "schedule"),
        ({"schedule": "one_cycle"}, {"drop_factor": 0.5}, "schedule"),
        ({}, {"warmup_rate": 0.1}, "warmup_steps"),
        ({"momentum": 0.0}, {"nesterov": True}, "momentum"),
        ({"option": "A"}, {"projection": "conv_bn"}, "option"),
    ],
)
def test_a_value_that_has_an_effect_in_some_trials_of_a_search_is_accepted(others, given, varied):
    recipe = recipe_with({**others, **given})
    check_has_effect(recipe, given, varied=[varied])
    with pytest.raises(UsageError, match="has no effect"):
        check_has_effect(recipe, given, varied=["learning_rate"])


def test_values_that_a_cycle_clears_are_refused_even_if_the_schedule_varies():
    recipe = recipe_with({"schedule": "one_cycle", "warmup_steps": 50})
    with pytest.raises(UsageError, match="warmup_steps has no effect"):
        check_has_effect(recipe, {"warmup_steps": 50}, varied=["schedule"])
