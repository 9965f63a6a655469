"""The search space: a TOML file with a range or a list of choices for each value to search."""

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnet_keras.errors import UsageError, UserError, unknown
from resnet_keras.recipe import Recipe, value_type

DEFAULT_SPACE = Path(__file__).with_name("space.toml")

_SCALES = ("linear", "log", "reverse_log")
_KEYS = ("choices", "low", "high", "step", "scale")
# The values of the table [network]. `depth` is not a field of `Recipe`.
_NETWORK = ("option", "projection", "bottleneck_stride", "depth")
# Values that a search cannot vary, so that all trials are scored alike and on the same images; and
# `drops`, because keras-tuner cannot vary a tuple.
_FIXED = (
    "arch", "dataset", "image_size", "validation_size", "validation_fraction", "skip_corrupt",
    "seed", "steps", "drops", "eval_every", "deterministic", "devices",
)  # fmt: skip


@dataclass(frozen=True)
class Range:
    """The values to try for one field: one of `choices`, or a number from `low` to `high`.

    Attributes:
        name: a field of `Recipe`, or `depth`.
        choices: the values to choose from; empty for a range of numbers.
        low: the smallest number.
        high: the largest number.
        step: the distance between neighboring numbers; `None` for any number.
        scale: `"linear"`, `"log"` or `"reverse_log"`.
    """

    name: str
    choices: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    step: float | None = None
    scale: str = "linear"


def read_space(path: Path | str, network: bool = False) -> tuple[Range, ...]:
    """Reads a search space.

    Args:
        path: the TOML file.
        network: whether to read the table `[network]` as well.

    Raises:
        UsageError: if the file is not a search space. The message names the line or the field.
        UserError: if the file cannot be read.

    Example:

    >>> _ = Path("space.toml").write_text("[recipe]\\nmomentum = { low = 0.8, high = 0.98 }")
    >>> [(entry.name, entry.low, entry.high) for entry in read_space("space.toml")]
    [('momentum', 0.8, 0.98)]
    """
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the search space {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not a TOML file: {error}") from error
    for name, table in tables.items():
        if name not in ("recipe", "network"):
            raise UsageError(f"{path}: {unknown('table', name, ('recipe', 'network'))}")
        if not isinstance(table, dict):
            raise UsageError(f"{path}: {name} must be a table, [{name}]. Received: {table!r}")
    kinds = {spec.name: value_type(spec)[0] for spec in dataclasses.fields(Recipe)}
    kinds["depth"] = int
    known = {
        "network": [name for name in kinds if name in _NETWORK],
        "recipe": [name for name in kinds if name not in (*_NETWORK, *_FIXED)],
    }
    space = []
    for table_name in ("network", "recipe") if network else ("recipe",):
        for name, entry in tables.get(table_name, {}).items():
            try:
                if name not in known[table_name]:
                    raise unknown("value to search", name, known[table_name])
                space.append(_range(name, entry, kinds[name]))
            except UsageError as error:
                raise UsageError(f"{path}: {table_name}.{name}: {error}") from error
    if not space:
        raise UsageError(f"{path} contains nothing to search. List values under [recipe]")
    return tuple(space)


def check_space(space: tuple[Range, ...], base: Recipe) -> None:
    """Checks that the recipe accepts every choice and both ends of every range.

    Args:
        space: the search space.
        base: the recipe that the trials vary.

    Raises:
        UsageError: if a value is not allowed, or if no trial would use it.

    Example:

    >>> check_space((Range("momentum", low=0.8, high=0.98),), Recipe("resnet20"))
    """
    options = next((entry.choices for entry in space if entry.name == "option"), (base.option,))
    for entry in space:
        if entry.name == "projection" and set(options) == {"A"}:
            raise UsageError(
                "the search space contains projection, which has no effect with option A; only "
                "the options B and C use it. Add option to the space, or give --option B"
            )
        for value in entry.choices or (entry.low, entry.high):
            values = {entry.name: value}
            if entry.name == "projection":
                # `with_values` would ignore it under option A.
                values["option"] = "B"
            try:
                with_values(base, values)
            except UsageError as error:
                raise UsageError(f"the search space of {entry.name}: {error}") from error


def with_values(base: Recipe, values: dict[str, Any]) -> Recipe:
    """Returns a recipe with values of a search space.

    The number of training images stays the same: a larger batch size takes fewer steps. If the
    schedule changes from one_cycle to drops, the drops come after a half and three quarters of the
    steps, as in the paper. Under option A, the projection is ignored.

    Args:
        base: the recipe that the trials vary.
        values: the values by name, with `depth` for the number of layers.

    Raises:
        UsageError: if the values contradict each other.

    Example:

    >>> recipe = with_values(Recipe("plain20"), {"depth": 32, "batch_size": 256})
    >>> recipe.arch, recipe.steps, recipe.drops
    ('plain32', 32000, (16000, 24000))
    """
    changes = dict(values)
    if changes.get("option", base.option) == "A":
        changes["projection"] = Recipe.projection
    if "depth" in changes:
        family = base.arch.rstrip("0123456789")
        changes["arch"] = f"{family}{changes.pop('depth')}"
    recipe = dataclasses.replace(base, **changes)
    if recipe.schedule == "drops" and base.schedule != "drops":
        drops = (round(recipe.steps / 2), round(recipe.steps * 3 / 4))
        recipe = dataclasses.replace(recipe, drops=drops)
    scale = base.batch_size / recipe.batch_size
    return recipe if scale == 1 else recipe.scaled(scale)


def _range(name: str, entry: Any, kind: type) -> Range:
    if not isinstance(entry, dict):
        raise UsageError(
            f"expected {{ choices = [ … ] }} or {{ low = …, high = … }}. Received: {entry!r}"
        )
    for key in entry:
        if key not in _KEYS:
            raise unknown("key", key, _KEYS)
    if "choices" in entry:
        return _range_of_choices(name, entry, kind)
    if kind not in (int, float):
        raise UsageError(
            f"a range needs numbers, and the values of {name} are not. Received: {entry}; use "
            "{ choices = [ … ] }"
        )
    for key in ("low", "high"):
        if key not in entry:
            raise UsageError(
                f"{key} is missing. Received: {entry}; use {{ low = …, high = … }} or "
                "{ choices = [ … ] }"
            )
    numbers = {key: _typed(entry[key], kind) for key in ("low", "high", "step") if key in entry}
    if numbers["low"] >= numbers["high"]:
        raise UsageError(
            f"low must be below high. Received: low = {numbers['low']}, high = {numbers['high']}"
        )
    if numbers.get("step", 1) <= 0:
        raise UsageError(f"step must be above 0. Received: {numbers['step']}")
    scale = entry.get("scale", "linear")
    if scale not in _SCALES:
        raise unknown("scale", scale, _SCALES)
    if scale != "linear" and (numbers["low"] <= 0 or "step" in numbers):
        raise UsageError(f"the scale {scale} needs low above 0 and no step. Received: {entry}")
    return Range(name, scale=scale, **numbers)


def _range_of_choices(name: str, entry: dict[str, Any], kind: type) -> Range:
    if len(entry) > 1:
        others = ", ".join(sorted(set(entry) - {"choices"}))
        raise UsageError(f"choices cannot be combined with other keys. Received: {others}")
    choices = entry["choices"]
    if not isinstance(choices, list) or not choices:
        raise UsageError(f"choices must be a list that is not empty. Received: {choices!r}")
    typed = tuple(_typed(value, kind) for value in choices)
    if len(set(typed)) < len(typed):
        raise UsageError(f"choices must differ from each other. Received: {choices}")
    return Range(name, choices=typed)


def _typed(value: Any, kind: type) -> Any:
    is_int = isinstance(value, int) and not isinstance(value, bool)
    if kind is int:
        matches = is_int
    elif kind is float:
        matches = is_int or isinstance(value, float)
    else:
        matches = isinstance(value, kind)
    if not matches:
        raise UsageError(f"expected a value of type {kind.__name__}. Received: {value!r}")
    return kind(value)
