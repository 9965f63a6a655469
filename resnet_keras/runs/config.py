"""`config.json`: the recipe of a run, and the machines, versions and data it ran with.

This module alone reads and writes the file. Training writes it; the command line, the tuner and
the reports read it.
"""

import dataclasses
import datetime
import shlex
from pathlib import Path, PurePath
from typing import Any

from resnet_keras.errors import UsageError, UserError
from resnet_keras.files import read_json, write_json
from resnet_keras.recipe import Recipe
from resnet_keras.runs import provenance
from resnet_keras.runs.folder import RunOptions


def new_config(
    recipe: Recipe,
    options: RunOptions,
    machine: dict[str, Any],
    data: dict[str, Any],
    backend: str,
) -> dict[str, Any]:
    """Returns the values of `config.json` for a run that starts.

    Args:
        recipe: the recipe, fully resolved.
        options: where the run reads and writes.
        machine: the machine that the run uses, with at least the keys `device` and
            `precision_reason`.
        data: the images that the run trains on, such as
            `{"notes": [], "train_files_sha256": "…"}`.
        backend: the Keras backend.

    Returns:
        A JSON object. The key `places` holds the options; earlier versions gave it that name.

    Example:

    >>> machine = {"device": "CPU", "precision_reason": "the default"}
    >>> config = new_config(Recipe("resnet20"), RunOptions(), machine, {"notes": []}, "tensorflow")
    >>> config["recipe"]["arch"], config["device"], config["versions"]["backend"]
    ('resnet20', 'CPU', 'tensorflow')
    """
    return {
        "recipe": recipe.to_json(),
        "places": dataclasses.asdict(options),
        **machine,
        "started": _now(),
        **provenance.collect(backend),
        "data": data,
    }


def resumed_config(config: dict[str, Any], step: int, device: str, backend: str) -> dict[str, Any]:
    """Returns the values of `config.json` for a run that resumes.

    If the device, the versions or the commit have changed, an entry is added to the list
    `continued`, so that the file names every machine that contributed to the run.

    Args:
        config: the values so far. Older versions may have written nothing but the recipe.
        step: the number of steps that are done.
        device: a description of the device from here on.
        backend: the Keras backend.

    Returns:
        A new JSON object, or `config` itself if nothing has changed.

    Example:

    >>> config = resumed_config({"recipe": {"arch": "resnet20"}}, 400, "GPU", "tensorflow")
    >>> [(entry["step"], entry["device"]) for entry in config["continued"]]
    [(400, 'GPU')]
    >>> resumed_config(config, 500, "GPU", "tensorflow") is config
    True
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


def write_config(path: Path, config: dict[str, Any]) -> None:
    """Writes `config.json`, completely or not at all.

    Args:
        path: the file.
        config: the values, from `new_config` or `resumed_config`.

    Raises:
        UserError: if the file cannot be written.

    Example:

    >>> write_config(Path("config.json"), {"recipe": Recipe("resnet56").to_json()})
    >>> read_recipe("config.json").arch
    'resnet56'
    """
    write_json(path, config)


def read_config(path: Path | str) -> tuple[Recipe, dict[str, Any]]:
    """Reads the recipe and all values of a run's `config.json`.

    Args:
        path: a `config.json`, or a file that holds nothing but a recipe.

    Returns:
        The recipe and the JSON object. Values that an older version did not write are filled in
        in the recipe.

    Raises:
        UserError: if the file is missing or is not a JSON object.
        UsageError: if its values are not a recipe.

    Example:

    >>> write_config(Path("run.json"), {"recipe": {"arch": "plain20"}, "device": "CPU"})
    >>> recipe, config = read_config("run.json")
    >>> recipe.arch, config["device"]
    ('plain20', 'CPU')
    """
    values = read_json(Path(path))
    try:
        if "recipe" in values:
            return stored_recipe(values["recipe"]), values
        return Recipe.from_json(values), values
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def stored_recipe(values: Any) -> Recipe:
    """Returns the recipe that a run stored in its `config.json` or its model card.

    Values that the run's version did not write are filled in.

    Args:
        values: the JSON object.

    Raises:
        UsageError: if the values are not a recipe.

    Example:

    >>> stored_recipe({"arch": "resnet20"}).augmentation
    'pad'
    """
    recipe = Recipe.from_json(values)
    if "augmentation" not in values:
        # Before there was a choice, every run padded and cropped.
        recipe = dataclasses.replace(recipe, augmentation="pad")
    return recipe


def without_absolute_paths(config: dict[str, Any]) -> dict[str, Any]:
    """Returns the values of `config.json` without absolute paths, which name a machine.

    Of each absolute path in the options and in the command line, only the last component stays.

    Args:
        config: the values of a `config.json`.

    Example:

    >>> config = {"places": {"runs_dir": "/home/me/runs"}, "command": "train.py --runs-dir /a/runs"}
    >>> without_absolute_paths(config)
    {'places': {'runs_dir': 'runs'}, 'command': 'train.py --runs-dir runs'}
    """

    def shortened(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        flag, equals, path = value.partition("=") if value.startswith("--") else ("", "", value)
        return f"{flag}{equals}{PurePath(path).name}" if PurePath(path).is_absolute() else value

    changed = dict(config)
    if isinstance(config.get("places"), dict):
        changed["places"] = {key: shortened(value) for key, value in config["places"].items()}
    if isinstance(config.get("command"), str):
        changed["command"] = shlex.join(map(shortened, shlex.split(config["command"])))
    return changed


def read_recipe(path: Path | str) -> Recipe:
    """Reads the recipe of a run.

    Args:
        path: a `config.json`, or a file that holds nothing but a recipe.

    Returns:
        The recipe.

    Raises:
        UserError: if the file is missing or is not a JSON object.
        UsageError: if its values are not a recipe.

    Example:

    >>> _ = Path("recipe.json").write_text('{"arch": "resnet20", "seed": 3}')
    >>> read_recipe("recipe.json").seed
    3
    """
    return read_config(path)[0]


def check_same_recipe(path: Path, recipe: Recipe, backend: str = "tensorflow") -> dict[str, Any]:
    """Checks that a run was started with a given recipe.

    A different number of devices is accepted if batch normalization used the statistics of the
    whole batch before and does so now.

    Args:
        path: the `config.json` of the run.
        recipe: the recipe to continue with.
        backend: the Keras backend to continue with.

    Returns:
        All values of `config.json`.

    Raises:
        UserError: if the recipes differ (the message names each difference), or if `config.json`
            is damaged.

    Example:

    >>> write_config(Path("same.json"), {"recipe": Recipe("resnet20").to_json()})
    >>> config = check_same_recipe(Path("same.json"), Recipe("resnet20"))
    >>> config["recipe"]["arch"]
    'resnet20'
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
