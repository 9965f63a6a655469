"""The named recipes."""

import pytest

from resnet_keras import recipes
from resnet_keras.errors import UsageError
from resnet_keras.recipe import Recipe


@pytest.mark.parametrize("arch", ["resnet110", "resnet1202", "plain110"])
def test_deep_networks_warm_up(arch):
    recipe = recipes.make("paper", arch)
    assert (recipe.warmup_steps, recipe.warmup_rate) == (400, 0.01)
    assert recipe == Recipe(arch, warmup_steps=400)


@pytest.mark.parametrize("arch", ["resnet20", "plain56", "resnet56", "resnet26"])
def test_others_do_not(arch):
    assert recipes.make("paper", arch) == Recipe(arch)


def test_what_is_given_goes_over_the_recipe():
    recipe = recipes.make("paper", "resnet110", warmup_steps=0, option="B", seed=3)
    assert recipe == Recipe("resnet110", option="B", seed=3)


def test_demo_is_short_and_embedded():
    recipe = recipes.make("demo", "resnet20")
    assert recipe.dataset == "digits"
    assert recipe.steps <= 1000
    assert 0 < recipe.drops[0] < recipe.drops[1] < recipe.steps
    # The paper's proportions: half and three quarters of the way.
    assert [drop / recipe.steps for drop in recipe.drops] == [0.5, 0.75]


def test_unknown_recipe_lists_the_nearest_first():
    with pytest.raises(UsageError, match=r"'papre'; known: paper"):
        recipes.make("papre", "resnet20")


def test_unknown_network():
    with pytest.raises(UsageError, match="resnet21"):
        recipes.make("demo", "resnet21")


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_all_make_valid_recipes(name):
    for arch in ("resnet20", "resnet110", "plain20", "resnet50"):
        given = {"train_from": "model.keras"} if name == "finetune" else {}
        assert recipes.make(name, arch, **given).arch == arch
