"""Tests of `tuning.space`: reading a search space, and applying its values."""

import subprocess
import sys

import pytest

from resnet_keras.errors import UsageError, UserError
from resnet_keras.recipe import Recipe
from resnet_keras.tuning.space import DEFAULT_SPACE, Range, check_space, read_space, with_values

BASE = Recipe(arch="resnet20", steps=6400, drops=(3200, 4800))


def read(tmp_path, text, **given):
    path = tmp_path / "space.toml"
    path.write_text(text)
    return read_space(path, **given)


def test_the_default_space_fits_the_default_recipe():
    space = read_space(DEFAULT_SPACE, network=True)
    check_space(space, Recipe(arch="resnet20"))
    assert {"learning_rate", "batch_size", "depth", "option"} <= {one.name for one in space}


def test_the_network_is_searched_only_on_request():
    assert not {"depth", "option", "projection"} & {one.name for one in read_space(DEFAULT_SPACE)}


def test_ranges_and_choices_have_the_types_of_the_fields(tmp_path):
    space = read(
        tmp_path,
        "[recipe]\nlearning_rate = {low = 1, high = 2}\npad = {choices = [0, 4]}\n",
    )
    assert space == (Range("learning_rate", low=1.0, high=2.0), Range("pad", choices=(0, 4)))
    assert isinstance(space[0].low, float)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[recipe]\nmomentum = {low = 0.1,\n", "line 2"),
        ("[recipe]\nlearning_rte = {low = 0.1, high = 1}", "learning_rte.*known: learning_rate"),
        ("[recpe]\n", "'recpe'; known: recipe"),
        ("[recipe]\nmomentum = 0.9", "recipe.momentum: .*choices.*0.9"),
        ("[recipe]\nmomentum = {low = 0.9}", "recipe.momentum: high is missing"),
        ("[recipe]\nmomentum = {low = 0.9, hihg = 1}", "'hihg'; known: high"),
        ("[recipe]\nmomentum = {low = 0.9, high = 0.8}", "low must be below high"),
        ("[recipe]\ndecay = {low = 0, high = 1, scale = 'log'}", "low above 0"),
        ("[recipe]\ndecay = {low = 0.1, high = 1, scale = 'lgo'}", "known: log"),
        ("[recipe]\nschedule = {low = 0, high = 1}", "recipe.schedule: a range needs numbers"),
        ("[recipe]\npad = {choices = [0, 1.5]}", "type int. Received: 1.5"),
        ("[recipe]\npad = {choices = []}", "not empty"),
        ("[recipe]\nsteps = {choices = [1, 2]}", "'steps'"),
        ("[recipe]\nvalidation_fraction = {low = 0.1, high = 0.3}", "'validation_fraction'"),
        ("[recipe]\nskip_corrupt = {choices = [false, true]}", "'skip_corrupt'"),
        ("[recipe]\noption = {choices = ['A']}", "'option'"),
        ("", "nothing to search"),
    ],
)
def test_the_error_for_an_invalid_space_names_the_place(tmp_path, text, words):
    with pytest.raises(UsageError, match=words):
        read(tmp_path, text)


def test_the_error_for_a_missing_space_names_the_file(tmp_path):
    with pytest.raises(UserError, match=r"none\.toml"):
        read_space(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (Range("momentum", low=0.5, high=1.5), "momentum.*from 0.0 to 1.0"),
        (Range("schedule", choices=("drops", "circle")), "circle"),
        (Range("depth", choices=(20, 21)), "21"),
        (Range("option", choices=("A", "D")), "D"),
    ],
)
def test_values_that_the_recipe_does_not_allow_are_found_before_the_search(one, words):
    with pytest.raises(UsageError, match=words):
        check_space((one,), BASE)


def test_larger_batches_take_fewer_steps_and_see_the_same_number_of_images():
    recipe = with_values(BASE, {"batch_size": 256})
    assert recipe.steps * recipe.batch_size == BASE.steps * BASE.batch_size
    assert recipe.drops == (1600, 2400)


def test_every_network_of_the_default_space_can_be_built():
    space = {one.name: one.choices for one in read_space(DEFAULT_SPACE, network=True)}
    made = [
        with_values(BASE, {"option": option, "projection": projection}).architecture
        for option in space["option"]
        for projection in space["projection"]
    ]
    assert [(one.option, one.projection) for one in made] == [
        *(("A", "conv_bn"), ("A", "conv_bn")),
        *(("B", "conv_bn"), ("B", "average"), ("C", "conv_bn"), ("C", "average")),
    ]
    base = Recipe(arch="resnet20", option="B", projection="average")
    assert with_values(base, {"option": "A"}).architecture.projection == "conv_bn"


def test_a_projection_that_no_trial_would_use_is_refused():
    projection = Range("projection", choices=("conv_bn", "average"))
    with pytest.raises(UsageError, match="no effect with option A"):
        check_space((projection,), BASE)
    check_space((projection,), Recipe(arch="resnet20", option="B"))
    check_space((Range("option", choices=("A", "B")), projection), BASE)


def test_drops_instead_of_one_cycle_come_at_the_same_fractions_as_in_the_paper():
    base = Recipe(arch="resnet20", steps=6400, schedule="one_cycle")
    assert with_values(base, {"schedule": "drops"}).drops == (3200, 4800)


def test_the_depth_does_not_change_the_family():
    assert with_values(Recipe(arch="plain20"), {"depth": 32}).arch == "plain32"


def test_the_space_is_read_without_tensorflow():
    code = "import sys, resnet_keras.tuning.space; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
