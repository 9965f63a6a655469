"""Groups of runs that differ only in their seed, and sets of groups with equal conditions."""

import math

import pytest

from resnet_keras import recipes
from resnet_keras.recipe import Recipe
from resnet_keras.reporting.groups import (
    Group,
    group_runs,
    mean_and_std,
    split_by_conditions,
)
from resnet_keras.runs.run import read_run
from tests.made_up_runs import make_run


def runs(tmp_path, *specs):
    return [read_run(make_run(tmp_path, **spec)) for spec in specs]


def test_runs_that_differ_in_their_seed_are_one_group(tmp_path):
    made = runs(tmp_path, {"seed": 2}, {"seed": 0}, {"arch": "plain20"})
    plain, residual = group_runs(made)
    assert plain.label == "plain20"
    assert [run.recipe.seed for run in residual.runs] == [0, 2]


def test_labels_name_the_differing_values(tmp_path):
    made = runs(tmp_path, {}, {"scale": 0.2}, {"precision": "float32", "name": "other"})
    labels = {group.label for group in group_runs(made)}
    assert labels == {
        "resnet20-A (6,400 steps, mixed_bfloat16)",
        "resnet20-A (12,800 steps, mixed_bfloat16)",
        "resnet20-A (6,400 steps, float32)",
    }


def test_labels_leave_out_values_of_the_paper_unless_they_are_needed(tmp_path):
    fast = {**recipes.RECIPES["fast"]("resnet20"), "steps": 7812, "scale": 1, "name": "fast"}
    nesterov = {"nesterov": True, "name": "nesterov"}
    labels = [group.label for group in group_runs(runs(tmp_path, {}, fast))]
    assert labels == [
        "resnet20-A (pad 2, 7,812 steps, one cycle, learning rate 0.2, nesterov, decay 0.0005, "
        "muon 0.15)",
        "resnet20-A (6,400 steps)",
    ]
    labels = [g.label for g in group_runs(runs(tmp_path / "2", {}, nesterov, {"scale": 1}))]
    assert labels[0] == "resnet20-A (64,000 steps)"
    assert len(set(labels)) == 3
    assert sum("nesterov" in label for label in labels) == 1


def test_a_run_and_its_copy_count_once(tmp_path):
    made = runs(tmp_path, {"fraction_done": 0.5, "name": "early"}, {"name": "a"}, {"name": "copy"})
    (group,) = group_runs(made)
    assert [run.name for run in group.runs] == ["a"]
    assert group_runs(made[::-1])[0].runs[0].complete


def test_labels_have_no_distinctions_if_nothing_differs(tmp_path):
    assert group_runs(runs(tmp_path, {"dataset": "digits"}))[0].label == "resnet20-A"


def test_the_envelope_contains_only_complete_runs(tmp_path):
    (group,) = group_runs(
        runs(tmp_path, {"seed": 0}, {"seed": 1}, {"seed": 2, "fraction_done": 0.5})
    )
    envelope = group.envelope("test")
    assert envelope["step"].iloc[-1] == 6400
    first, second = group.last_errors("test")
    assert envelope["mean"].iloc[-1] == pytest.approx((first + second) / 2)
    assert envelope["low"].iloc[-1] == min(first, second)
    assert len(group.unfinished) == 1


def test_conditions_separate_schedules_and_data_sets_but_not_networks(tmp_path):
    made = runs(
        tmp_path,
        {"arch": "plain20"},
        {"arch": "resnet20"},
        {"arch": "resnet110"},
        {"arch": "resnet20", "scale": 1},
        {"arch": "resnet20", "dataset": "digits"},
    )
    sets = [
        [group.network for group in members] for members in split_by_conditions(group_runs(made))
    ]
    assert sets == [["plain20", "resnet20-A", "resnet110-A"], ["resnet20-A"], ["resnet20-A"]]


@pytest.mark.parametrize(
    "values, title",
    [
        ({"arch": "plain20"}, "Plain-20"),
        ({"arch": "resnet20", "option": "B"}, "ResNet-20 (B)"),
        ({"arch": "resnet20", "option": "B", "projection": "average"}, "ResNet-20 (B, average)"),
        ({"arch": "resnet50", "bottleneck_stride": "3x3"}, "ResNet-50 (B, v1.5)"),
        ({"arch": "vgg19"}, "VGG-19"),
    ],
)
def test_titles_spell_networks_as_the_paper_does(values, title):
    assert Group(Recipe(**values), ()).title == title


def test_mean_and_std():
    assert mean_and_std([1.0, 3.0]) == (2.0, pytest.approx(math.sqrt(2)))
    mean, std = mean_and_std([5.0])
    assert mean == 5.0
    assert math.isnan(std)
    assert math.isnan(mean_and_std([])[0])


def test_runs_that_were_evaluated_at_other_steps_are_seeds_of_one_recipe(tmp_path):
    folders = [
        make_run(tmp_path, seed=0, eval_every=100), make_run(tmp_path, seed=1, eval_every=200)
    ]  # fmt: skip
    made = [read_run(folder) for folder in folders]
    (group,) = group_runs(made)
    assert len(group.runs) == 2
    assert group.envelope("test")["step"].tolist() == made[1].metrics["step"].tolist()
