"""Tests of `experiments.catalogue`."""

import pytest

from resnet_keras import recipes
from resnet_keras.errors import UsageError
from resnet_keras.experiments.catalogue import EXPERIMENTS, get_experiment, run_name
from resnet_keras.experiments.plan import plan
from resnet_keras.reporting.gallery import FIGURES, TABLES


def labels(name, **given):
    return [recipe.architecture.label for recipe in get_experiment(name).recipes(**given)]


def test_the_experiments_contain_the_networks_of_the_paper():
    assert labels("plain-vs-residual") == [
        "plain20",
        "resnet20-A",
        "resnet20-B",
        "resnet20-B-average",
    ]
    assert labels("options") == ["resnet20-A", "resnet20-B", "resnet20-C"]
    assert labels("table6") == [f"resnet{d}-A" for d in (20, 32, 44, 56, 110, 1202)]
    kinds = {f"{kind}{d}" for kind in ("plain", "resnet") for d in (20, 32, 44, 56, 110)}
    assert {label.removesuffix("-A") for label in labels("depth")} == kinds
    assert labels("imagenet-table5").count("resnet152-B") == 2


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_has_distinct_runs_and_known_figures(name):
    experiment = get_experiment(name)
    planned = plan(experiment, seeds=3, scale=0.1)
    names = [one.name for one in planned]
    # The ensemble contains ResNet-152 with the seeds 0 and 1. Three seeds of each are 0 to 2 and
    # 1 to 3, of which two are the same.
    again = 2 if name == "imagenet-table5" else 0
    assert len(names) == 3 * len(experiment.networks) - again
    assert len(set(names)) == len(names)
    if name not in ("fast", "fast-ablation", "precision"):
        assert all(one.recipe.steps in (6_400, 60_000) for one in planned)
    assert set(experiment.figures) <= set(FIGURES)
    assert set(experiment.tables) <= set(TABLES)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_network_is_shown_in_a_figure_or_table_of_its_experiment(name):
    experiment = get_experiment(name)
    shown = {n for f in experiment.figures for n in FIGURES[f].networks}
    shown |= {n for t in experiment.tables for n in TABLES[t].networks}
    assert set(labels(name)) <= shown


def test_all_networks_are_trained_with_one_seed_before_the_next():
    recipes_ = get_experiment("options").recipes(seeds=2)
    assert [recipe.seed for recipe in recipes_] == [0, 0, 0, 1, 1, 1]


def test_the_warm_up_of_110_layers_is_scaled():
    (recipe,) = get_experiment("table6").recipes(scale=0.1, only=("resnet110",))
    assert recipe.warmup_steps == 40


def test_networks_are_selected_by_name_and_label():
    assert labels("plain-vs-residual", only=("plain20",)) == ["plain20"]
    assert labels("plain-vs-residual", only=("resnet20-B",)) == ["resnet20-B"]
    assert len(labels("plain-vs-residual", only=("resnet20",))) == 3
    with pytest.raises(UsageError, match=r"unknown network.*known: resnet20-A,"):
        labels("plain-vs-residual", only=("resnet20-D",))


def test_an_unknown_experiment_lists_the_nearest_name_first():
    with pytest.raises(UsageError, match="known: options,"):
        get_experiment("option")


def test_run_names_contain_scale_and_precision():
    recipe = recipes.make("paper", "resnet20", seed=1)
    assert run_name(recipe) == "resnet20-A-seed1"
    assert run_name(recipe.scaled(0.1), 0.1) == "resnet20-A-seed1-x0.1"
    assert run_name(recipe, 0.5, "float32") == "resnet20-A-seed1-x0.5-float32"


def test_a_given_eval_every_is_not_scaled():
    assert get_experiment("options").recipes(scale=0.01, eval_every=7)[0].eval_every == 7


@pytest.mark.parametrize("name", ["table2", "table3", "table4", "table5", "fig4"])
def test_imagenet_is_trained_as_in_section_3_4(name):
    for recipe in get_experiment(f"imagenet-{name}").recipes():
        assert (recipe.dataset, recipe.batch_size, recipe.steps) == ("imagenet2012", 256, 600_000)
        assert (recipe.learning_rate, recipe.drops, recipe.decay) == (0.1, (150_000, 300_000), 1e-4)
        assert (recipe.augmentation, recipe.lighting) == ("scale", 0.1)


def test_fast_trains_for_whole_epochs_on_all_images():
    planned = plan(get_experiment("fast"), seeds=3)
    assert len(planned) == 15
    epochs = [round(one.recipe.steps * 128 / 50_000) for one in planned[:4]]
    assert epochs == [5, 10, 20, 30]
    assert planned[3].name == "resnet20-A-seed0-fast-30"
    assert planned[3].recipe.steps == recipes.make("fast", "resnet20").steps
    assert all(one.recipe.validation_size == 0 for one in planned)
    # These two runs show the effect of Muon.
    with_muon, without = planned[2].recipe, planned[4].recipe
    assert planned[4].name == "resnet20-A-seed0-fast-20-sgd"
    assert without.differences(with_muon) == ["muon: 0.0 here, 0.15 there"]


def test_the_ablation_changes_one_part_at_a_time_and_holds_images_out():
    # Values that depend on the changed part.
    dependent = {
        "batch_size": {"learning_rate", "muon", "steps", "eval_every"},
        "schedule": {"learning_rate", "drops"},
    }
    together = {"ablation-smoothing-0.1-pad-2": {"label_smoothing", "pad"}}
    (_, base), *others = get_experiment("fast-ablation").tagged_recipes()
    assert base.validation_size == 10_000 and base.schedule == "one_cycle"
    for tag, other in others:
        changed = {name for name, value in other.to_json().items() if value != base.to_json()[name]}
        if tag in together:
            assert changed == together.pop(tag)
        else:
            (part,) = changed & dependent.keys() or changed
            assert changed == {part} | dependent.get(part, set())
        assert round(other.steps * other.batch_size / 40_000, 1) == 5.0
    assert not together


def test_the_ablation_does_not_depend_on_the_recipe_fast(monkeypatch):
    before = get_experiment("fast-ablation").recipes()
    monkeypatch.setitem(recipes.RECIPES, "fast", lambda arch: {"decay": 0.5, "pad": 1})
    assert get_experiment("fast-ablation").recipes() == before


def test_networks_are_selected_by_tag():
    (one,) = plan(get_experiment("fast"), only=("fast-10",))
    assert one.recipe.steps == 3_906


def test_the_precision_experiment_changes_only_the_precision():
    one, other = get_experiment("precision").recipes()
    assert {one.precision, other.precision} == {"float32", "mixed_bfloat16"}
    assert len(one.differences(other)) == 1 and one.steps == 2_000


def test_the_ablation_with_other_batch_sizes_keeps_its_values():
    found = dict(get_experiment("fast-ablation").tagged_recipes())
    for batch_size, steps, learning_rate, muon in (
        (64, 3125, 0.1, 0.2121),
        (256, 781, 0.4, 0.1061),
    ):
        recipe = found[f"ablation-batch-{batch_size}"]
        assert (recipe.batch_size, recipe.steps, recipe.eval_every) == (batch_size, steps, steps)
        assert (recipe.learning_rate, recipe.muon) == (learning_rate, muon)
