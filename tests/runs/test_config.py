"""`config.json`: the recipe of a run, and the machines that the run used."""

import json

import pytest

from resnet_keras.errors import UserError
from resnet_keras.files import read_json, write_json
from resnet_keras.recipe import Recipe
from resnet_keras.runs import provenance
from resnet_keras.runs.config import check_same_recipe, read_config, read_recipe, resumed_config


@pytest.fixture
def config():
    return {
        "device": "one processor",
        "versions": provenance.versions("tensorflow"),
        "git_commit": provenance.git_commit(),
    }


def test_resuming_on_the_same_machine_adds_no_entry(config):
    assert resumed_config(config, 7, "one processor", "tensorflow") == config


def test_each_change_of_the_machine_adds_an_entry(config):
    away = resumed_config(config, 7, "another processor", "tensorflow")
    assert resumed_config(away, 8, "another processor", "tensorflow") == away
    back = resumed_config(away, 9, "one processor", "tensorflow")
    assert [(entry["step"], entry["device"]) for entry in back["continued"]] == [
        (7, "another processor"), (9, "one processor"),
    ]  # fmt: skip
    assert {name: back[name] for name in config} == config
    assert "continued" not in config


def test_another_version_or_commit_adds_an_entry(config):
    before = {**config, "git_commit": "0123456789ab", "versions": {"keras": "3.0.0"}}
    (entry,) = resumed_config(before, 3, "one processor", "tensorflow")["continued"]
    assert (entry["versions"], entry["git_commit"]) == (config["versions"], config["git_commit"])


def test_configs_of_earlier_versions_can_be_resumed():
    # They may hold nothing but the recipe.
    resumed = resumed_config({"recipe": {}}, 3, "one processor", "tensorflow")
    assert resumed["continued"][0]["step"] == 3


def write_started(tmp_path, recipe, backend="tensorflow"):
    path = tmp_path / "run" / "config.json"
    path.parent.mkdir(exist_ok=True)
    write_json(path, {"recipe": recipe.to_json(), "versions": {"keras": "3", "backend": backend}})
    return path


def test_check_same_recipe_names_each_difference(tmp_path):
    recipe = Recipe("resnet20", drops=(5, 7), learning_rate=0.3)
    path = write_started(tmp_path, recipe)
    assert check_same_recipe(path, recipe) == read_json(path)
    check_same_recipe(path, Recipe("resnet20", option="A", drops=(5, 7), learning_rate=0.3))
    other = Recipe("resnet20", drops=(5, 8), learning_rate=0.3, seed=4)
    with pytest.raises(UserError) as caught:
        check_same_recipe(path, other)
    message = str(caught.value)
    assert "drops: 5,8 here, 5,7 there" in message and "seed: 4 here, 0 there" in message
    assert "learning_rate" not in message and str(path.parent) in message


def test_the_number_of_devices_may_change_if_whole_batches_are_normalized(tmp_path):
    one = Recipe("resnet20", devices=1)
    synchronized = Recipe("resnet20", devices=2, sync_bn=True)
    separate = Recipe("resnet20", devices=2)
    path = write_started(tmp_path, one)
    check_same_recipe(path, synchronized)
    with pytest.raises(UserError, match="devices: 2 here, 1 there"):
        check_same_recipe(path, separate)
    # On JAX, batch normalization always uses the statistics of the whole batch.
    check_same_recipe(path, separate, "jax")
    with pytest.raises(UserError, match="devices: 1 here, 2 there"):
        check_same_recipe(write_started(tmp_path, separate), one)
    check_same_recipe(write_started(tmp_path, separate, "jax"), one)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"recipe": 3}', '{"recipe": {}}', '{"recipe": {"arch": "x"}}',
             '{"arch": "resnet20", "colour": 1}', '{"recipe": {"arch": "resnet20", "steps": "3"}}'],
)  # fmt: skip
def test_the_error_for_a_damaged_config_names_the_file(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"config\.json"):
        read_recipe(path)


def test_a_config_that_cannot_be_read_is_an_error(tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"config\.json"):
        read_recipe(path)
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(UserError, match=f"cannot read {path}"):
            read_recipe(path)


def test_a_recipe_can_be_read_alone_or_from_a_config(tmp_path):
    recipe = Recipe("resnet56", seed=3)
    write_json(tmp_path / "a.json", recipe.to_json())
    write_json(tmp_path / "b.json", {"recipe": recipe.to_json(), "device": "x"})
    assert read_recipe(tmp_path / "a.json") == read_recipe(str(tmp_path / "b.json")) == recipe


def test_runs_of_versions_without_a_choice_of_augmentation_padded(tmp_path):
    values = Recipe("resnet18", dataset="cifar10").to_json()
    del values["augmentation"]
    write_json(tmp_path / "config.json", {"recipe": values})
    assert read_config(tmp_path / "config.json")[0].augmentation == "pad"


def test_json_files(tmp_path):
    values = {"a": [1, 2.5, None], "ü": {"b": "ß"}}
    write_json(tmp_path / "x.json", values)
    assert read_json(tmp_path / "x.json") == values
    assert json.loads((tmp_path / "x.json").read_text("utf-8")) == values
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"a": object()})
    assert read_json(tmp_path / "x.json") == values
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
