"""What `config.json` says of the machines that a run went on with."""

import dataclasses

import pytest

from resnet_keras.recipe import Recipe
from resnet_keras.runs import provenance
from resnet_keras.runs.config import resumed_config
from resnet_keras.training import hardware


@pytest.fixture
def machine():
    return hardware.choose(Recipe(arch="resnet8"))


@pytest.fixture
def config(machine):
    return {
        "device": machine.description,
        "versions": provenance.versions("tensorflow"),
        "git_commit": provenance.git_commit(),
    }


def test_the_same_machine_is_not_named_twice(config, machine):
    assert resumed_config(config, 7, machine.description, "tensorflow") == config


def test_another_machine_and_the_way_back_are_entries(config, machine):
    other = dataclasses.replace(machine, description="another processor")
    away = resumed_config(config, 7, other.description, "tensorflow")
    assert resumed_config(away, 8, other.description, "tensorflow") == away
    back = resumed_config(away, 9, machine.description, "tensorflow")
    assert [(entry["step"], entry["device"]) for entry in back["continued"]] == [
        (7, "another processor"), (9, machine.description),
    ]  # fmt: skip
    assert {name: back[name] for name in config} == config
    assert "continued" not in config


def test_other_code_is_an_entry(config, machine):
    before = {**config, "git_commit": "0123456789ab", "versions": {"keras": "3.0.0"}}
    (entry,) = resumed_config(before, 3, machine.description, "tensorflow")["continued"]
    assert (entry["versions"], entry["git_commit"]) == (config["versions"], config["git_commit"])


def test_configs_of_earlier_versions_go_on(machine):
    # They may lack anything but the recipe.
    assert config.continued({"recipe": {}}, 3, machine)["continued"][0]["step"] == 3
