"""`config.json`: the recipe of a run, and the machines, versions and data it ran with.

This module alone reads and writes the file. Training writes it; the command line, the tuner and
the reports read it.
"""

import dataclasses
import datetime
from pathlib import Path

from resnet_keras.errors import UsageError, UserError
from resnet_keras.files import read_json, write_json
from resnet_keras.recipe import Recipe
from resnet_keras.runs import provenance
from resnet_keras.runs.folder import RunOptions


def new_config(
    recipe: Recipe, options: RunOptions, machine: dict, data: dict, backend: str
) -> dict:
    """Returns the values of `config.json` for a run that starts.

    Args:
        recipe: fully resolved.
        options: where the run reads and writes.
        machine: what the run computes with: `device` and `precision_reason` at least.
        data: what the run trains on, such as `{"notes": [], "train_files_sha256": "…"}`.
        backend: the Keras backend.

    Returns:
        A JSON object. `places` holds the options under the name that earlier versions gave them.
    """
    return {
        "recipe": recipe.to_json(),
        "places": dataclasses.asdict(options),
        **machine,
        "started": _now(),
        **provenance.made_with(backend),
        "data": data,
    }


def resumed_config(config: dict, step: int, device: str, backend: str) -> dict:
    """Returns the values of `config.json` for a run that resumes.

    The list `continued` gets an entry if the device, the versions or the commit differ from those
    before, so that the file names every machine that contributed.

    Args:
        config: the values so far.
        step: the number of steps that are done.
        device: a description of the device from here on.
        backend: the Keras backend.
    """
    entries = config.get("continued") or []
    now = {
        "device": device,
        "versions": provenance.versions(backend),
        "git_commit": provenance.git_commit(),
    }
    before = entries[-1] if entries else config
    if all(before.get(name) == value for name, value in now.items()):
        return config
    return {**config, "continued": [*entries, {"step": step, "started": _now(), **now}]}


def write_config(path: Path, config: dict) -> None:
    """Writes `config.json`, completely or not at all.

    Raises:
        UserError: if the file cannot be written.
    """
    write_json(path, config)


def read_config(path: Path | str) -> tuple[Recipe, dict]:
    """Reads the recipe and all values of a run's `config.json`.

    Args:
        path: a `config.json`, or a file that holds nothing but a recipe.

    Returns:
        The recipe and the JSON object. Values that an older version did not write are filled in.

    Raises:
        UserError: if the file is missing or is not a JSON object.
        UsageError: if its values are not a recipe.
    """
    values = read_json(Path(path))
    try:
        recipe = Recipe.from_json(values.get("recipe", values))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    if "recipe" in values and recipe.augmentation is None:
        # Before there was a choice, every run padded and cropped.
        recipe = dataclasses.replace(recipe, augmentation="pad")
    return recipe, values


def read_recipe(path: Path | str) -> Recipe:
    """Reads the recipe of a run's `config.json`, or of a file that is a recipe alone.

    Raises:
        UserError: if the file is missing or is not a JSON object.
        UsageError: if its values are not a recipe.
    """
    return read_config(path)[0]


def check_same_recipe(path: Path, recipe: Recipe, backend: str = "tensorflow") -> dict:
    """Checks that a run folder belongs to a recipe.

    A different number of devices is accepted if the batch-norm statistics are those of the whole
    batch both now and then.

    Args:
        path: the `config.json` of the run.
        recipe: what would be computed now.
        backend: the Keras backend that would compute it.

    Returns:
        All values of `config.json`.

    Raises:
        UserError: if the recipes differ (the message names each difference), or if `config.json`
            is damaged.
    """
    before, config = read_config(path)
    backend_before = config.get("versions", {}).get("backend", "tensorflow")
    if _normalizes_whole_batches(recipe, backend) and _normalizes_whole_batches(
        before, backend_before
    ):
        before = dataclasses.replace(before, devices=recipe.devices, sync_bn=recipe.sync_bn)
    differences = recipe.differences(before)
    if differences:
        raise UserError(
            f"{path.parent} was started with other values ({'; '.join(differences)}). "
            "Use those values, choose another --name, or start over with --resume never"
        )
    return config


def _normalizes_whole_batches(recipe: Recipe, backend: str) -> bool:
    return recipe.devices == 1 or recipe.sync_bn or backend == "jax"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
