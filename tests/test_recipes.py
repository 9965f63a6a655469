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


def test_a_larger_batch_by_the_linear_scaling_rule():
    recipe = recipes.for_batch(Recipe("resnet20"), 1024)
    assert (recipe.batch_size, recipe.steps, recipe.drops) == (1024, 8_000, (4_000, 6_000))
    assert recipe.learning_rate == pytest.approx(0.8)
    # As many images as before, and five ninetieths of them on the way up.
    assert recipe.steps * recipe.batch_size == 64_000 * 128
    assert (recipe.warmup_steps, recipe.warmup_rate) == (444, 0.1)
    assert recipe.warmup_shape == "linear"


def test_a_smaller_batch_needs_no_warm_up():
    recipe = recipes.for_batch(Recipe("resnet20"), 32)
    assert (recipe.steps, recipe.learning_rate, recipe.warmup_steps) == (256_000, 0.025, 0)
    deep = recipes.for_batch(recipes.make("paper", "resnet110"), 64)
    assert (deep.warmup_steps, deep.warmup_rate) == (800, 0.01)


def test_the_deepest_rise_from_the_rate_they_begin_with():
    # Section 4.2 found 0.1 too large for 110 layers at first.
    deep = recipes.for_batch(recipes.make("paper", "resnet110"), 256)
    assert (deep.learning_rate, deep.warmup_steps, deep.warmup_rate) == (0.2, 1_778, 0.01)
    assert deep.warmup_shape == "linear"


@pytest.mark.parametrize("size", [0, -4, 1.5])
def test_there_is_no_such_batch(size):
    with pytest.raises(UsageError, match=f"batch_size.*{size}"):
        recipes.for_batch(Recipe("resnet20"), size)


def test_a_cycle_rises_by_itself():
    recipe = recipes.for_batch(recipes.make("fast", "resnet20"), 512)
    # Muon's step, this times the rate, is twice as long with four times the batch.
    assert recipe.muon == 0.15 / 2
    assert (recipe.steps, recipe.learning_rate, recipe.warmup_steps) == (2_930, 0.8, 0)


def test_the_batch_it_has_changes_nothing():
    assert recipes.for_batch(Recipe("resnet20"), 128) == Recipe("resnet20")
