"""The table of a recipe's parts."""

import json
import math

import pytest

from resnet_keras import recipes
from resnet_keras.reporting.fast_recipe import ablation_table, notes, readable
from resnet_keras.reporting.gallery import TABLES, draw_figures, write_tables
from resnet_keras.reporting.groups import group_runs
from resnet_keras.runs.metrics import COLUMNS
from resnet_keras.runs.reading import read_run


def ablation_run(folder, error, seed=0, done=True, **changes):
    """A run folder with one row, whose held-out error is `error`."""
    values = {"steps": 100, "eval_every": 100, "validation_size": 5000, "precision": "float32"}
    values = {**recipes.ONE_CYCLE, **values, **changes}
    recipe = recipes.make("paper", "resnet20", seed=seed, **values)
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


def test_rows_say_what_differs_and_by_how_much(tmp_path):
    runs = [
        ablation_run(tmp_path / "a", 20.0),
        ablation_run(tmp_path / "b", 21.0, seed=1),
        ablation_run(tmp_path / "c", 19.25, label_smoothing=0.1),
        ablation_run(tmp_path / "d", 23.0, nesterov=False),
    ]
    table = ablation_table(group_runs(runs))
    assert table.change.tolist() == [
        "",
        "label smoothing 0.1 for 0.0",
        "nesterov no for yes",
    ]
    assert table.validation_error.tolist() == [20.5, 19.25, 23.0]
    assert table.difference.tolist() == pytest.approx([0.0, -1.25, 2.5])
    assert table.n.tolist() == [2, 1, 1]
    assert table.epochs.tolist() == [1.0] * 3
    shown = readable(table)
    assert shown.iloc[0].tolist() == ["none", "1", "20.50 ± 0.71 (2)", "+0.00"]
    assert shown.iloc[1].tolist()[-1] == "−1.25"


def test_runs_are_compared_with_those_of_their_length_and_images_alone(tmp_path):
    longer = {"steps": 200, "eval_every": 200}
    runs = [
        ablation_run(tmp_path / "a", 20.0),
        ablation_run(tmp_path / "b", 19.0, pad=2),
        ablation_run(tmp_path / "c", 15.0, **longer),
        ablation_run(tmp_path / "d", 15.5, pad=2, **longer),
        ablation_run(tmp_path / "e", 30.0, pad=2, validation_size=1_000),
    ]
    table = ablation_table(group_runs(runs)).set_index(["epochs", "held_out", "change"])
    assert table.difference[1.0, 5_000, "pad 2 for 4"] == -1.0
    assert table.difference[2.0, 5_000, "pad 2 for 4"] == 0.5
    assert math.isnan(table.difference[1.0, 1_000, "pad 2 for 4"])


def test_what_is_not_finished_has_no_number(tmp_path):
    runs = [
        ablation_run(tmp_path / "a", 20.0, done=False),
        ablation_run(tmp_path / "c", 19.0, label_smoothing=0.1),
    ]
    shown = readable(ablation_table(group_runs(runs)))
    assert shown.iloc[0].tolist()[2:] == ["unfinished", "–"]
    assert shown.iloc[1].tolist()[-1] == "–"


def test_held_out_runs_and_cycles_are_not_the_papers(tmp_path):
    held_out = ablation_run(tmp_path / "a", 20.0)
    cycle = ablation_run(tmp_path / "b", None, validation_size=0)
    groups = group_runs([held_out, cycle])
    assert [len(TABLES[name].rows(groups)) for name in ("fast_ablation", "fast")] == [1, 1]
    assert TABLES["table6"].rows(groups) == []
    assert len(TABLES["all"].rows(groups)) == 2
    assert draw_figures([held_out, cycle], tmp_path / "results") == []
    names = {shown.path.name for shown in write_tables([held_out, cycle], tmp_path / "results")}
    assert names == {"fast_ablation.csv", "fast.csv", "all.csv"}


def test_the_note_says_which_images_and_which_arithmetic(tmp_path):
    runs = [
        ablation_run(tmp_path / "a", 20.0),
        ablation_run(tmp_path / "b", 19.0, pad=2, precision="mixed_bfloat16"),
    ]
    (note,) = notes(group_runs(runs))
    assert "on 5,000 training images held out" in note
    assert "Arithmetic: float32 and mixed_bfloat16." in note
