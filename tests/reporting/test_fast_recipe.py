"""The figure of errors against epochs, and the table of the ablation."""

import json
import math

import pytest

from resnet_keras import recipes
from resnet_keras.reporting.fast_recipe import (
    ablation_notes,
    ablation_table,
    epochs_figure,
    format_ablation,
)
from resnet_keras.reporting.gallery import TABLES, draw_figures, write_tables
from resnet_keras.reporting.groups import group_runs
from resnet_keras.runs.metrics import COLUMNS
from resnet_keras.runs.run import read_run
from tests.made_up_runs import make_run

# Error against epochs.


def fast_run(folder, epochs, error, seed=0, done=True, examples=50_000, **changes):
    """A run of the recipe `fast` with the given final test error."""
    steps = round(epochs * 50_000 / 128)
    values = recipes.RECIPES["fast"]("resnet20")
    values = values | {"steps": steps, "eval_every": steps} | changes
    name = f"{epochs}-{seed}-{len(list(folder.glob('*')))}"
    path = make_run(
        folder, scale=1.0, seed=seed, fraction_done=1.0 if done else 0.5, name=name, **values
    )
    lines = (path / "metrics.csv").read_text().splitlines()
    columns, row = lines[0].split(","), lines[-1].split(",")
    row[columns.index("test_error")] = str(error)
    (path / "metrics.csv").write_text("\n".join([*lines[:-1], ",".join(row)]) + "\n")
    config = json.loads((path / "config.json").read_text()) | {"train_examples": examples}
    (path / "config.json").write_text(json.dumps(config))
    return read_run(path)


def texts(figure):
    return " ".join(" ".join(text.get_text() for text in figure.texts).split())


def series(axes):
    """The points of each recipe by its label."""
    found = {c.get_label(): c.lines[0].get_xydata().tolist() for c in axes.containers}
    return {label: [tuple(point) for point in points] for label, points in found.items()}


def test_one_point_per_length_and_one_line_per_recipe(tmp_path):
    runs = [
        fast_run(tmp_path, 20, 9.0),
        fast_run(tmp_path, 20, 9.5, seed=1),
        fast_run(tmp_path, 5, 15.0),
        fast_run(tmp_path, 20, 10.25, muon=0.0),
    ]
    figure = epochs_figure(group_runs(runs))
    (axes,) = figure.axes
    assert series(axes) == {
        "muon 0.15": [(5.0, 15.0), (20.0, 9.25)],
        "SGD": [(20.0, 10.25)],
    }
    assert [text.get_text() for text in axes.get_xticklabels()] == ["5", "20"]
    assert {text.get_text() for text in axes.texts} == {"15.00", "9.25", "10.25"}
    # Numbers at the same number of epochs do not overlap.
    sides = {text.get_text(): text.get_va() for text in axes.texts}
    assert sides == {"15.00": "bottom", "9.25": "top", "10.25": "bottom"}
    assert "from the lowest to the highest of up to 2 seeds" in texts(figure)


@pytest.mark.parametrize("batch_size", [128, 256])
def test_the_paper_error_and_its_epochs(tmp_path, batch_size):
    runs = [fast_run(tmp_path, epochs, 12.0, batch_size=batch_size) for epochs in (5, 10)]
    figure = epochs_figure(group_runs(runs))
    (axes,) = figure.axes
    (line,) = [line for line in axes.get_lines() if line.get_gid() == "paper"]
    assert set(line.get_ydata()) == {8.75}
    # 64,000 steps with 128 of 50,000 images.
    assert line.get_label() == "8.75 % in the paper, 164 epochs"
    assert "one seed per network" in texts(figure)
    assert list(series(axes)) == ["test error"]


def test_there_may_be_more_recipes_than_colors(tmp_path):
    runs = [fast_run(tmp_path, 5, 15.0 - n, pad=n) for n in range(9)]
    assert len(series(epochs_figure(group_runs(runs)).axes[0])) == 9


def test_unfinished_runs_are_named_and_have_no_point(tmp_path):
    runs = [
        fast_run(tmp_path, 5, 15.0),
        fast_run(tmp_path, 10, 30.0, done=False),
        fast_run(tmp_path, 5, 30.0, done=False, muon=0.0),
    ]
    figure = epochs_figure(group_runs(runs))
    assert series(figure.axes[0]) == {"muon 0.15": [(5.0, 15.0)]}
    names = f"{runs[1].name}, {runs[2].name}"
    assert f"Unfinished runs are left out: {names}." in texts(figure)


@pytest.mark.parametrize(
    "changes",
    [
        {"done": False},
        {"dataset": "cifar100"},
        {"validation_size": 5_000},
        {"schedule": "drops", "drops": (10, 20)},
        {"train_from": "a.keras"},
        {"examples": None},
    ],
)
def test_the_gallery_needs_several_complete_one_cycle_runs(tmp_path, changes):
    runs = [fast_run(tmp_path / "runs", 5, 15.0), fast_run(tmp_path / "runs", 10, 12.0, **changes)]
    assert draw_figures(runs, tmp_path / "results", ("fast",)) == []
    runs.append(fast_run(tmp_path / "runs", 20, 11.0))
    (item,) = draw_figures(runs, tmp_path / "results", ("fast",))
    assert item.path.name == "fast.png" and item.path.stat().st_size > 1000


# The ablation.


def ablation_run(folder, error, seed=0, done=True, **changes):
    """A run with one row and the given held-out error."""
    values = {"steps": 100, "eval_every": 100, "validation_size": 5000, "precision": "float32"}
    values = {**recipes.ONE_CYCLE, **values, **changes}
    recipe = recipes.make("paper", "resnet20", seed=seed, defaults=values)
    folder.mkdir(parents=True)
    row = dict.fromkeys(COLUMNS, 1.0) | {
        "step": recipe.steps if done else 50,
        "test_error": 66.0,
    }
    row["validation_error"] = error if recipe.validation_size else ""
    lines = [",".join(COLUMNS), ",".join(str(row[name]) for name in COLUMNS)]
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    config = {"recipe": recipe.to_json(), "train_examples": 12_800}
    (folder / "config.json").write_text(json.dumps(config))
    if done:
        (folder / "result.json").write_text("{}")
    return read_run(folder)


def test_rows_describe_the_change_and_its_effect(tmp_path):
    runs = [
        ablation_run(tmp_path / "a", 20.0),
        ablation_run(tmp_path / "b", 21.0, seed=1),
        ablation_run(tmp_path / "c", 19.25, label_smoothing=0.1),
        ablation_run(tmp_path / "d", 23.0, nesterov=False),
    ]
    table = ablation_table(group_runs(runs))
    assert table.change.tolist() == [
        "",
        "label smoothing 0.1 instead of 0.0",
        "nesterov no instead of yes",
    ]
    assert table.validation_error.tolist() == [20.5, 19.25, 23.0]
    assert table.difference.tolist() == pytest.approx([0.0, -1.25, 2.5])
    assert table.n.tolist() == [2, 1, 1]
    assert table.epochs.tolist() == [1.0] * 3
    formatted = format_ablation(table)
    assert formatted.iloc[0].tolist() == ["none", "1", "20.50 ± 0.71 (2)", "+0.00"]
    assert formatted.iloc[1].tolist()[-1] == "−1.25"


def test_differences_are_between_runs_with_as_many_epochs_and_held_out_images(tmp_path):
    longer = {"steps": 200, "eval_every": 200}
    runs = [
        ablation_run(tmp_path / "a", 20.0),
        ablation_run(tmp_path / "b", 19.0, pad=2),
        ablation_run(tmp_path / "c", 15.0, **longer),
        ablation_run(tmp_path / "d", 15.5, pad=2, **longer),
        ablation_run(tmp_path / "e", 30.0, pad=2, validation_size=1_000),
    ]
    table = ablation_table(group_runs(runs)).set_index(["epochs", "held_out", "change"])
    assert table.difference[1.0, 5_000, "pad 2 instead of 4"] == -1.0
    assert table.difference[2.0, 5_000, "pad 2 instead of 4"] == 0.5
    assert math.isnan(table.difference[1.0, 1_000, "pad 2 instead of 4"])


def test_unfinished_runs_have_no_error(tmp_path):
    runs = [
        ablation_run(tmp_path / "a", 20.0, done=False),
        ablation_run(tmp_path / "c", 19.0, label_smoothing=0.1),
    ]
    formatted = format_ablation(ablation_table(group_runs(runs)))
    assert formatted.iloc[0].tolist()[2:] == ["unfinished", "–"]
    assert formatted.iloc[1].tolist()[-1] == "–"


def test_runs_of_the_ablation_are_not_in_the_figures_and_tables_of_the_paper(tmp_path):
    held_out = ablation_run(tmp_path / "a", 20.0)
    cycle = ablation_run(tmp_path / "b", None, validation_size=0)
    groups = group_runs([held_out, cycle])
    assert [len(TABLES[name].select_groups(groups)) for name in ("fast_ablation", "fast")] == [1, 1]
    assert TABLES["table6"].select_groups(groups) == []
    assert len(TABLES["all"].select_groups(groups)) == 2
    assert draw_figures([held_out, cycle], tmp_path / "results") == []
    names = {item.path.name for item in write_tables([held_out, cycle], tmp_path / "results")}
    assert names == {"fast_ablation.csv", "fast.csv", "all.csv"}


def test_the_notes_name_the_images_and_the_precisions(tmp_path):
    runs = [
        ablation_run(tmp_path / "a", 20.0),
        ablation_run(tmp_path / "b", 19.0, pad=2, precision="mixed_bfloat16"),
    ]
    notes = " ".join(ablation_notes(group_runs(runs)))
    assert "on 5,000 held-out training images" in notes
    assert "Trained with float32 and mixed_bfloat16." in notes
