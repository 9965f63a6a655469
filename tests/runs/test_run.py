"""Reading folders of runs."""

import dataclasses

import pytest

from resnet_keras import recipes
from resnet_keras.cli.flags import add_recipe_flags, recipe_from
from resnet_keras.errors import UserError
from resnet_keras.recipe import Recipe
from resnet_keras.runs.reading import find_runs, read_run, train_command
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


def test_complete_without_result_json(tmp_path):
    assert read_run(make_run(tmp_path, result=False)).complete


def test_an_unfinished_run(tmp_path):
    run = read_run(make_run(tmp_path, until=0.5))
    assert not run.complete
    assert run.step == 3200


def test_a_csv_cut_short_in_a_line_is_read_up_to_it(tmp_path):
    folder = make_run(tmp_path)
    text = (folder / "metrics.csv").read_text()
    (folder / "metrics.csv").write_text(text[: len(text) - 30])
    assert read_run(folder).step == 6200


@pytest.mark.parametrize("content", ["", "step,learning", "step,loss\n1,2\n"])
def test_a_csv_cut_short_in_its_header_is_named(tmp_path, content):
    folder = make_run(tmp_path)
    (folder / "metrics.csv").write_text(content)
    with pytest.raises(UserError, match=r"metrics\.csv"):
        read_run(folder)


@pytest.mark.parametrize("content", ["", "[]", '{"recipe": {"arch": "resnet21"}}', "{"])
def test_a_damaged_config_is_named(tmp_path, content):
    folder = make_run(tmp_path)
    (folder / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"config\.json"):
        read_run(folder)


def test_no_run_at_all(tmp_path):
    with pytest.raises(UserError, match="no folder"):
        find_runs(tmp_path / "none")
    with pytest.raises(UserError, match="holds no run"):
        find_runs(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        read_run(tmp_path / "none")
    with pytest.raises(UserError, match=r"holds no config\.json"):
        read_run(tmp_path)


def test_finds_runs_and_names_those_it_cannot_read(tmp_path):
    make_run(tmp_path)
    broken = make_run(tmp_path, "plain20")
    (broken / "metrics.csv").unlink()
    (tmp_path / "exports" / "x").mkdir(parents=True)
    runs, problems = find_runs(tmp_path)
    assert [run.name for run in runs] == ["resnet20-A-seed0-x0.1"]
    assert len(problems) == 1
    assert "plain20" in problems[0]


@pytest.mark.parametrize(
    "recipe",
    [
        recipes.make("paper", "resnet110").scaled(0.1),
        recipes.make("paper", "resnet110", warmup_steps=0, flip=False, deterministic=True),
        recipes.make("paper", "resnet20", option="B", projection="average", seed=4, flip=True),
        recipes.make("demo", "plain20", precision="float32", devices=1),
        recipes.make("fast", "resnet20", steps=7_812, eval_every=7_812),
    ],
)
def test_the_command_makes_an_equal_recipe(recipe):
    import argparse
    import shlex

    parser = argparse.ArgumentParser()
    add_recipe_flags(parser)
    words = shlex.split(train_command(recipe, "a name"))
    assert words[:4] == ["python", "-m", "resnet_keras", "train"]
    assert words[-2:] == ["--name", "a name"]
    assert recipe_from(parser.parse_args(words[4:-2])) == recipe


def test_defaults_are_left_out_of_the_command():
    command = train_command(Recipe(arch="resnet20"), "it")
    assert command == "python -m resnet_keras train --arch resnet20 --warmup-steps 0 --name it"
    assert "--seed 2" in train_command(dataclasses.replace(Recipe(arch="resnet20"), seed=2), "it")


def test_the_command_says_where_the_data_are_if_the_run_did():
    command = train_command(Recipe(arch="resnet18", dataset="folder"), "it", "my photos")
    assert command.endswith("--data-dir 'my photos' --name it")


def test_a_file_is_no_folder_of_a_run(tmp_path):
    (tmp_path / "README.md").touch()
    with pytest.raises(UserError, match=r"README\.md is no folder of a run: it is a file"):
        read_run(tmp_path / "README.md")
