"""Tests of `recipes`: the named recipes, and recipes for other batch sizes."""

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
def test_other_networks_do_not_warm_up(arch):
    assert recipes.make("paper", arch) == Recipe(arch)


def test_given_values_replace_those_of_the_recipe():
    recipe = recipes.make("paper", "resnet110", warmup_steps=0, option="B", seed=3)
    assert recipe == Recipe("resnet110", option="B", seed=3)


def test_demo_is_short_and_needs_no_download():
    recipe = recipes.make("demo", "resnet20")
    assert recipe.dataset == "digits"
    assert recipe.steps <= 1000
    assert 0 < recipe.drops[0] < recipe.drops[1] < recipe.steps
    # As in the paper, after a half and three quarters of the steps.
    assert [drop / recipe.steps for drop in recipe.drops] == [0.5, 0.75]


def test_an_unknown_recipe_lists_the_nearest_name_first():
    with pytest.raises(UsageError, match=r"'papre'; known: paper"):
        recipes.make("papre", "resnet20")


def test_an_unknown_network_is_refused():
    with pytest.raises(UsageError, match="resnet21"):
        recipes.make("demo", "resnet21")


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_recipe_is_valid_for_every_kind_of_network(name):
    for arch in ("resnet20", "resnet110", "plain20", "resnet50"):
        given = {"train_from": "model.keras"} if name == "finetune" else {}
        assert recipes.make(name, arch, **given).arch == arch


def test_a_larger_batch_by_the_linear_scaling_rule():
    recipe = recipes.for_batch(Recipe("resnet20"), 1024)
    assert (recipe.batch_size, recipe.steps, recipe.drops) == (1024, 8_000, (4_000, 6_000))
    assert recipe.learning_rate == pytest.approx(0.8)
    # As many images as before, and five ninetieths of them during the warm-up.
    assert recipe.steps * recipe.batch_size == 64_000 * 128
    assert (recipe.warmup_steps, recipe.warmup_rate) == (444, 0.1)
    assert recipe.warmup_shape == "linear"


def test_a_smaller_batch_needs_no_warm_up():
    recipe = recipes.for_batch(Recipe("resnet20"), 32)
    assert (recipe.steps, recipe.learning_rate, recipe.warmup_steps) == (256_000, 0.025, 0)
    deep = recipes.for_batch(recipes.make("paper", "resnet110"), 64)
    assert (deep.warmup_steps, deep.warmup_rate) == (800, 0.01)


def test_the_warm_up_starts_at_the_rate_that_the_recipe_starts_with():
    # Section 4.2 found 0.1 too large for 110 layers at first.
    deep = recipes.for_batch(recipes.make("paper", "resnet110"), 256)
    assert (deep.learning_rate, deep.warmup_steps, deep.warmup_rate) == (0.2, 1_778, 0.01)
    assert deep.warmup_shape == "linear"


@pytest.mark.parametrize("size", [0, -4, 1.5])
def test_batch_sizes_that_are_refused(size):
    with pytest.raises(UsageError, match=f"batch_size.*{size}"):
        recipes.for_batch(Recipe("resnet20"), size)


def test_the_start_of_the_warm_up_can_be_given():
    for arch in ("resnet20", "resnet110"):
        recipe = recipes.for_batch(recipes.make("paper", arch), 256, warmup_rate=0.03)
        assert (recipe.warmup_steps, recipe.warmup_rate) == (1_778, 0.03)
    # There is no new warm-up for a smaller batch.
    assert recipes.for_batch(Recipe("resnet20"), 64, warmup_rate=0.03).warmup_rate == 0.01


def test_one_cycle_gets_no_warm_up():
    recipe = recipes.for_batch(recipes.make("fast", "resnet20"), 512)
    # A step of Muon, `muon * learning_rate`, is twice as long with four times the batch size.
    assert recipe.muon == 0.15 / 2
    assert (recipe.steps, recipe.learning_rate, recipe.warmup_steps) == (2_930, 0.8, 0)


def test_the_same_batch_size_changes_nothing():
    assert recipes.for_batch(Recipe("resnet20"), 128) == Recipe("resnet20")


@pytest.mark.parametrize(
    "name, given, words",
    [
        ("fast", {"drops": (100,), "warmup_steps": 50}, "drops has no effect.*schedule drops"),
        ("fast", {"warmup_steps": 50}, "warmup_steps has no effect.*schedule drops"),
        ("paper", {"peak_at": 0.5}, "peak_at has no effect.*schedule one_cycle"),
        ("paper", {"peak_at": 0.2}, "peak_at has no effect.*schedule one_cycle"),
        ("paper-imagenet", {"pad": 2}, "pad has no effect.*augmentation pad"),
    ],
)
def test_given_values_without_effect_are_refused(name, given, words):
    with pytest.raises(UsageError, match=words):
        recipes.make(name, "resnet20", **given)


def test_switching_the_schedule_of_a_recipe_is_no_error():
    assert recipes.make("fast", "resnet20", schedule="drops").peak_at == 0.2
    cycle = recipes.make("paper", "resnet110", schedule="one_cycle", peak_at=0.4)
    assert (cycle.drops, cycle.warmup_steps, cycle.peak_at) == ((), 0, 0.4)
    assert recipes.make("fast", "resnet20", schedule="drops", drops=(9,)).drops == (9,)


def test_defaults_replace_those_of_the_recipe_and_may_have_no_effect():
    defaults = {"peak_at": 0.5, "seed": 1}
    recipe = recipes.make("paper", "resnet20", defaults=defaults, seed=2)
    assert (recipe.peak_at, recipe.seed) == (0.5, 2)


def test_recipes_with_values_without_effect_take_another_batch_size():
    recipe = recipes.make("paper", "resnet20", defaults={"peak_at": 0.5, "warmup_rate": 0.3})
    assert recipes.for_batch(recipe, 256).peak_at == 0.5
