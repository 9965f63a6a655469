"""The search space: a TOML file that says between what each value of a recipe may lie."""

import dataclasses
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from resnet_keras.errors import UsageError, UserError, unknown
from resnet_keras.recipe import Recipe, value_type

DEFAULT = Path(__file__).with_name("space.toml")
SCALES = ("linear", "log", "reverse_log")
NETWORK = ("option", "projection", "bottleneck_stride", "depth")
# What the search itself decides or fixes, so that all trials are scored alike, on the same images;
# and drops, a list, which keras-tuner does not vary.
FIXED = (
    "arch", "dataset", "image_size", "validation_size", "validation_fraction", "skip_corrupt",
    "seed", "steps", "drops", "eval_every", "deterministic", "devices",
)  # fmt: skip
# What a recipe has where nothing is projected.
_PROJECTION = Recipe.projection
KEYS = ("choices", "low", "high", "step", "scale")


@dataclass(frozen=True)
class Range:
    """What one value may be: one of `choices`, or a number from `low` to `high`.

    Attributes:
        name: a field of `Recipe`, or `depth`.
        choices: empty for a range.
        low: the least number.
        high: the greatest.
        step: the distance of two; `None` allows all.
        scale: one of `SCALES`.
    """

    name: str
    choices: tuple = ()
    low: float | None = None
    high: float | None = None
    step: float | None = None
    scale: str = "linear"


def read_space(path: Path | str, network: bool = False) -> tuple[Range, ...]:
    """Reads a space.

    Args:
        path: the file.
        network: reads the table `[network]` too.

    Raises:
        UsageError: for what can be no space; the message names line or field.
        UserError: if the file cannot be read.
    """
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the space {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is no TOML: {error}") from error
    for name, table in tables.items():
        if name not in ("recipe", "network"):
            raise UsageError(f"{path}: {unknown('table', name, ('recipe', 'network'))}")
        if not isinstance(table, dict):
            raise UsageError(f"{path}: {name} is a table, [{name}]. Received: {table!r}")
    kinds = {spec.name: value_type(spec)[0] for spec in dataclasses.fields(Recipe)}
    kinds["depth"] = int
    known = {
        "network": [name for name in kinds if name in NETWORK],
        "recipe": [name for name in kinds if name not in (*NETWORK, *FIXED)],
    }
    ranges = []
    for table in ("network", "recipe"):
        if table == "network" and not network:
            continue
        for name, entry in tables.get(table, {}).items():
            try:
                if name not in known[table]:
                    raise unknown("value to search", name, known[table])
                ranges.append(_range(name, entry, kinds[name]))
            except UsageError as error:
                raise UsageError(f"{path}: {table}.{name}: {error}") from error
    if not ranges:
        raise UsageError(f"{path} names nothing to search: list values under [recipe]")
    return tuple(ranges)


def check_space(space: tuple[Range, ...], base: Recipe) -> None:
    """Tries the ends of every range, and every choice, on the recipe that is searched from.

    Raises:
        UsageError: naming the first that the recipe does not take.
    """
    options = next((one.choices for one in space if one.name == "option"), (base.option,))
    for one in space:
        if one.name == "projection" and set(options) == {"A"}:
            raise UsageError(
                "the space's projection: option A projects nothing, so all choices are one. List "
                "options B or C too, or give --option B"
            )
        for value in one.choices or (one.low, one.high):
            try:
                _try(base, one.name, value)
            except UsageError as error:
                raise UsageError(f"the space's {one.name}: {error}") from error


def with_values(base: Recipe, values: dict) -> Recipe:
    """Returns the recipe with values of a space put over it, `depth` among them.

    The number of images stays: a larger batch takes fewer steps. Where one cycle gives way to
    drops, these come after a half and three quarters of the steps, as in the paper. Option A
    projects nothing: there a projection is passed over.

    Raises:
        UsageError: for values that do not go together.
    """
    given = dict(values)
    if given.get("option", base.option) == "A":
        given["projection"] = _PROJECTION
    if "depth" in given:
        given["arch"] = f"{re.match('[a-z]*', base.arch)[0]}{given.pop('depth')}"
    recipe = dataclasses.replace(base, **given)
    if recipe.schedule == "drops" and base.schedule != "drops":
        drops = (round(recipe.steps / 2), round(recipe.steps * 3 / 4))
        recipe = dataclasses.replace(recipe, drops=drops)
    scale = base.batch_size / recipe.batch_size
    return recipe if scale == 1 else recipe.scaled(scale)


def _try(base, name, value):
    # With option A it would be passed over.
    if name != "projection":
        with_values(base, {name: value})
        return
    with_values(base, {name: value, "option": "B"})


def _range(name, entry, kind):
    if not isinstance(entry, dict):
        raise UsageError(f"{{ choices = […] }} or {{ low = …, high = … }}. Received: {entry!r}")
    for key in entry:
        if key not in KEYS:
            raise unknown("key", key, KEYS)
    if "choices" in entry:
        return _choices(name, entry, kind)
    if kind not in (int, float):
        raise UsageError("is no number: give { choices = […] }")
    for key in ("low", "high"):
        if key not in entry:
            raise UsageError(f"{key} is missing: {{ low = …, high = … }} or {{ choices = […] }}")
    numbers = {key: _value(entry[key], kind) for key in ("low", "high", "step") if key in entry}
    if numbers["low"] >= numbers["high"]:
        raise UsageError(f"low must be below high. Received: {numbers['low']}, {numbers['high']}")
    if numbers.get("step", 1) <= 0:
        raise UsageError(f"step is more than 0. Received: {numbers['step']}")
    scale = entry.get("scale", "linear")
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    if scale != "linear" and (numbers["low"] <= 0 or "step" in numbers):
        raise UsageError(f"the scale {scale} needs low above 0 and no step")
    return Range(name, scale=scale, **numbers)


def _choices(name, entry, kind):
    if len(entry) > 1:
        raise UsageError(
            f"choices stand alone. Received besides: {', '.join(set(entry) - {'choices'})}"
        )
    choices = entry["choices"]
    if not isinstance(choices, list) or not choices:
        raise UsageError(f"choices are a list with something in it. Received: {choices!r}")
    choices = tuple(_value(value, kind) for value in choices)
    if len(set(choices)) < len(choices):
        raise UsageError(f"a choice is there twice. Received: {list(choices)}")
    return Range(name, choices=choices)


def _value(value, kind):
    whole = isinstance(value, int) and not isinstance(value, bool)
    fits = whole or isinstance(value, float) if kind is float else isinstance(value, kind)
    if not fits or (kind is int and not whole):
        raise UsageError(f"{value!r} is no {kind.__name__}")
    return kind(value)
