"""Run folders that are read, described as a command, and copied."""

import argparse
import dataclasses
import json
import shlex

import pytest

from resnet_keras import recipes
from resnet_keras.cli.flags import add_recipe_flags, recipe_from
from resnet_keras.errors import UserError
from resnet_keras.recipe import Recipe
from resnet_keras.runs.run import copy_run, find_runs, read_run, train_command
from tests.made_up_runs import make_run


def test_a_complete_run(tmp_path):
    run = read_run(make_run(tmp_path, "resnet20", seed=3))
    assert run.name == "resnet20-A-seed3-x0.1"
    assert (run.recipe.steps, run.step, run.complete) == (6400, 6400, True)
    assert run.recipe.seed == 3
    assert run.seconds == pytest.approx(1280)
    assert run.device == "Made-up Processor <TM>"
    assert run.last_error("validation") is None
    assert run.last_error("test") == run.metrics["test_error"].iloc[-1]


def test_a_run_without_result_json_can_be_complete(tmp_path):
    assert read_run(make_run(tmp_path, with_result=False)).complete


def test_an_unfinished_run(tmp_path):
    run = read_run(make_run(tmp_path, fraction_done=0.5))
    assert not run.complete
    assert run.step == 3200


def test_an_incomplete_last_line_is_ignored(tmp_path):
    folder = make_run(tmp_path)
    text = (folder / "metrics.csv").read_text()
    (folder / "metrics.csv").write_text(text[: len(text) - 30])
    assert read_run(folder).step == 6200


@pytest.mark.parametrize("content", ["", "step,learning", "step,loss\n1,2\n"])
def test_the_error_for_an_incomplete_header_names_the_file(tmp_path, content):
    folder = make_run(tmp_path)
    (folder / "metrics.csv").write_text(content)
    with pytest.raises(UserError, match=r"metrics\.csv"):
        read_run(folder)


@pytest.mark.parametrize("content", ["", "[]", '{"recipe": {"arch": "resnet21"}}', "{"])
def test_the_error_for_a_damaged_config_names_the_file(tmp_path, content):
    folder = make_run(tmp_path)
    (folder / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"config\.json"):
        read_run(folder)


def test_folders_without_runs_are_errors(tmp_path):
    with pytest.raises(UserError, match="no folder"):
        find_runs(tmp_path / "none")
    with pytest.raises(UserError, match="holds no run"):
        find_runs(tmp_path)
    with pytest.raises(UserError, match="not a run folder: it does not exist"):
        read_run(tmp_path / "none")
    with pytest.raises(UserError, match=r"not a run folder: it has no config\.json"):
        read_run(tmp_path)


def test_a_file_is_not_a_run_folder(tmp_path):
    (tmp_path / "README.md").touch()
    with pytest.raises(UserError, match=r"README\.md is not a run folder: it is a file"):
        read_run(tmp_path / "README.md")


def test_find_runs_reports_the_runs_that_it_cannot_read(tmp_path):
    make_run(tmp_path)
    broken = make_run(tmp_path, "plain20")
    (broken / "metrics.csv").unlink()
    (tmp_path / "exports" / "x").mkdir(parents=True)
    runs, errors = find_runs(tmp_path)
    assert [run.name for run in runs] == ["resnet20-A-seed0-x0.1"]
    assert len(errors) == 1
    assert "plain20" in errors[0]


@pytest.mark.parametrize(
    "recipe",
    [
        recipes.make("paper", "resnet110").scaled(0.1),
        recipes.make("paper", "resnet110", warmup_steps=0, flip=False, deterministic=True),
        recipes.make("paper", "resnet20", option="B", projection="average", seed=4, flip=True),
        recipes.make("demo", "plain20", precision="float32", devices=1),
        recipes.make("fast", "resnet20", steps=7_812, eval_every=7_812),
        # The warm-up of the recipe `paper` takes 400 steps.
        recipes.make("paper", "resnet110", steps=100),
    ],
)
def test_the_train_command_gives_an_equal_recipe(recipe):
    parser = argparse.ArgumentParser()
    add_recipe_flags(parser)
    words = shlex.split(train_command(recipe, "a name"))
    assert words[:4] == ["python", "-m", "resnet_keras", "train"]
    assert words[-2:] == ["--name", "a name"]
    assert recipe_from(parser.parse_args(words[4:-2])) == recipe


def test_the_train_command_leaves_out_values_without_effect():
    # `train` would refuse them, but recipes in files may contain them.
    recipe = Recipe("resnet20", peak_at=0.5, warmup_rate=0.3, warmup_shape="linear")
    command = train_command(recipe, "it")
    assert command == "python -m resnet_keras train --arch resnet20 --warmup-steps 0 --name it"
    command = train_command(dataclasses.replace(recipe, schedule="one_cycle"), "it")
    assert "--schedule one_cycle --peak-at 0.5 --name it" in command


def test_the_train_command_leaves_out_defaults():
    command = train_command(Recipe(arch="resnet20"), "it")
    assert command == "python -m resnet_keras train --arch resnet20 --warmup-steps 0 --name it"
    assert "--seed 2" in train_command(dataclasses.replace(Recipe(arch="resnet20"), seed=2), "it")


def test_the_train_command_names_the_folder_of_the_data_set():
    command = train_command(Recipe(arch="resnet18", dataset="folder"), "it", "my photos")
    assert command.endswith("--data-dir 'my photos' --name it")


def test_a_copy_of_a_run_is_a_run(tmp_path):
    folder = make_run(tmp_path / "runs")
    copy_run(folder, tmp_path / "results")
    copies, _ = find_runs(tmp_path / "results" / "runs")
    assert [(run.name, run.complete) for run in copies] == [(folder.name, True)]
    assert sorted(path.name for path in copies[0].path.iterdir()) == ["config.json", "metrics.csv"]
    with pytest.raises(UserError, match="cannot read"):
        copy_run(tmp_path / "none", tmp_path / "results")


def test_a_copy_names_no_folder_of_the_machine(tmp_path):
    folder = make_run(tmp_path / "runs")
    config = json.loads((folder / "config.json").read_text())
    config["places"] = {"data_dir": None, "runs_dir": f"{tmp_path}/runs", "export_dir": "exports"}
    config["command"] = f"python train.py --runs-dir {tmp_path}/runs --data-dir={tmp_path}/data"
    (folder / "config.json").write_text(json.dumps(config))
    copied = (copy_run(folder, tmp_path / "results") / "config.json").read_text()
    assert str(tmp_path) not in copied
    assert json.loads(copied)["places"] == {
        "data_dir": None, "runs_dir": "runs", "export_dir": "exports",
    }  # fmt: skip
    assert json.loads(copied)["command"] == "python train.py --runs-dir runs --data-dir=data"
    assert json.loads(copied)["recipe"] == config["recipe"]
