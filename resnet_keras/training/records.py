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
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **_made_with(),
    }


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


def _made_with():
    return {
        "versions": provenance.versions(),
        "git_commit": provenance.git_commit(),
        "command": provenance.command(),
    }
