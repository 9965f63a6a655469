"""What a run writes down of itself: its `config.json`, and the card of its network."""

import dataclasses
import datetime
import math

import keras

from resnet_keras.recipe import Recipe
from resnet_keras.training import provenance
from resnet_keras.training.hardware import Hardware


def config(
    recipe: Recipe, places, machine: Hardware, model: keras.Model, train_examples: int
) -> dict:
    """Returns the values of `config.json`: the recipe, and where and with what it ran.

    Args:
        recipe: with all that was left to data set and machine written down.
        places: the job's `Places`.
        machine: what it runs on.
        model: the network.
        train_examples: images trained on.
    """
    return {
        "recipe": recipe.to_json(),
        "places": dataclasses.asdict(places),
        "precision_reason": machine.precision_reason,
        "device": machine.description,
        "devices": list(machine.devices),
        "jit_compile": machine.jit_compile,
        "steps_per_execution": machine.steps_per_execution,
        "parameters": parameters(model),
        "train_examples": train_examples,
        "started": _now(),
        **_made_with(),
    }


def continued(config: dict, step: int, machine: Hardware) -> dict:
    """Returns the values of `config.json` when a run goes on: its list `continued` gets an entry
    if machine, versions or commit are no longer those of before.

    Args:
        config: the values so far.
        step: steps that are done.
        machine: what it runs on from here.
    """
    entries = config.get("continued") or []
    now = {"device": machine.description, "versions": provenance.versions()}
    now["git_commit"] = provenance.git_commit()
    before = entries[-1] if entries else config
    if all(before.get(name) == value for name, value in now.items()):
        return config
    return {**config, "continued": [*entries, {"step": step, "started": _now(), **now}]}


def card(name: str, recipe: Recipe, model: keras.Model) -> dict:
    """Returns the card that goes with the network; see `resnet_keras.artefact.Description`."""
    architecture = recipe.architecture
    return {
        "name": name,
        "arch": architecture.name,
        "option": architecture.option,
        "projection": architecture.projection,
        "dataset": recipe.dataset,
        "parameters": parameters(model),
        "precision": recipe.precision,
        "recipe": recipe.to_json(),
        **_made_with(),
    }


def parameters(model: keras.Model) -> int:
    """Returns the number of trainable parameters, of frozen layers too."""
    averages = ("moving_mean", "moving_variance")
    return sum(
        math.prod(variable.shape) for variable in model.weights if variable.name not in averages
    )


def _now():
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _made_with():
    return {
        "versions": provenance.versions(),
        "git_commit": provenance.git_commit(),
        "command": provenance.command(),
    }
