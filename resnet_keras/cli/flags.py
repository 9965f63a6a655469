"""Command-line flags that several commands share, and the recipe that flags describe."""

import argparse
import dataclasses
import sys
from collections.abc import Collection
from typing import Any

from resnet_keras import recipes
from resnet_keras.errors import UsageError, UserError
from resnet_keras.recipe import Recipe, check_flags, check_has_effect, flag_of, value_type

# The exit status after the signal n is this plus n, as in a shell.
SIGNAL_STATUS = 128

# What `--help` shows as the value of a flag, by type.
_METAVARS = {int: "N", float: "X", str: "NAME", tuple: "N,N,…"}


def positive(text: str) -> int:
    """Parses a positive integer, for argparse.

    Raises:
        argparse.ArgumentTypeError: if the text is not a positive integer.

    Example:

    >>> positive("12")
    12
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive integer. Received: {text!r}")
    return int(text)


def add_data_dir(parser: Any) -> None:
    """Adds `--data-dir`.

    Args:
        parser: the parser, or one of its groups.

    Example:

    >>> parser = argparse.ArgumentParser()
    >>> add_data_dir(parser)
    >>> parser.parse_args(["--data-dir", "photos"]).data_dir
    'photos'
    """
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="the folder that holds the data set, or its archive (default: $RESNET_KERAS_DATA, "
        "then TensorFlow Datasets)",
    )


def print_status(text: str) -> None:
    """Prints a line to standard error at once.

    Example:

    >>> print_status("loading")
    """
    print(text, file=sys.stderr, flush=True)


def add_recipe_flags(parser: argparse.ArgumentParser) -> None:
    """Adds `--recipe`, `--config`, `--steps-scale`, `--scale-lr` and one flag per recipe field.

    A flag that is not given does not appear in the parsed arguments, so that the value of the
    named recipe or of the file applies.

    Example:

    >>> parser = argparse.ArgumentParser()
    >>> add_recipe_flags(parser)
    >>> vars(parser.parse_args(["--arch", "resnet20"]))["arch"]
    'resnet20'
    """
    source = parser.add_argument_group("recipe")
    source.add_argument(
        "--recipe",
        metavar="NAME",
        help=f"the recipe that provides the values: {', '.join(recipes.RECIPES)} (default: paper)",
    )
    source.add_argument(
        "--config", metavar="FILE", help="take the values from the config.json of a run instead"
    )
    source.add_argument(
        "--steps-scale",
        type=float,
        default=1.0,
        metavar="X",
        help="multiply the whole schedule by this factor: 0.1 for a tenth (default: 1)",
    )
    source.add_argument(
        "--scale-lr",
        action="store_true",
        help="adapt the schedule to --batch-size: a proportional learning rate, the same number of "
        "epochs, and a linear warm-up; see docs/scaling.md",
    )
    values = parser.add_argument_group(
        "values that override those of the recipe (defaults: --recipe paper)"
    )
    for spec in dataclasses.fields(Recipe):
        _add_flag(values, spec)


def recipe_from(args: argparse.Namespace, varied: Collection[str] = ()) -> Recipe:
    """Returns the recipe that the flags describe.

    Values that come from `--config`, `--recipe` or `--train-from` may have no effect, for example
    after `--config FILE --schedule one_cycle`. Values given as flags have to have one.

    Args:
        args: the parsed flags; see `add_recipe_flags`.
        varied: the fields that a search varies; see `recipe.values_without_effect`.

    Raises:
        UsageError: if `--arch` is missing, if a name is unknown, or if a value is not allowed or
            has no effect.
        UserError: if `--config` cannot be read, or `--train-from` cannot and `--arch` is missing.

    Example:

    >>> parser = argparse.ArgumentParser()
    >>> add_recipe_flags(parser)
    >>> recipe_from(parser.parse_args(["--arch", "resnet20", "--seed", "3"])).run_name
    'resnet20-A-seed3'
    """
    names = [spec.name for spec in dataclasses.fields(Recipe)]
    given = {name: getattr(args, name) for name in names if hasattr(args, name)}
    check_flags(given)
    if args.config and args.recipe is not None:
        raise UsageError("--config and --recipe both provide the values: give only one of them")
    batch_size = given.pop("batch_size", None) if args.scale_lr else None
    if args.scale_lr and batch_size is None:
        raise UsageError("--scale-lr adapts the schedule to a batch size: also give --batch-size")
    if args.config:
        # Imported here, because `--help` does not need it.
        from resnet_keras.runs.config import read_recipe

        recipe = read_recipe(args.config)
        changes = dict(given)
        if given.get("arch", recipe.arch) != recipe.arch and "option" not in given:
            # Another network takes its own default, not the option in the file.
            changes["option"] = None
        recipe = dataclasses.replace(recipe, **changes)
    else:
        network = {}
        if given.get("train_from"):
            network = _network_of(given["train_from"], given.get("arch"))
        if "arch" not in given and "arch" not in network:
            raise UsageError(
                "--arch is missing: use for example --arch resnet32, or --train-from FILE, whose "
                "network is used"
            )
        values = {**network, **given}
        name = "paper" if args.recipe is None else args.recipe
        recipe = recipes.make(name, values.pop("arch"), defaults=values)
    if batch_size is not None:
        recipe = _scaled_for_batch(recipe, batch_size, given)
    # After the scaling, which may add the warm-up that a given --warmup-rate belongs to.
    check_has_effect(recipe, given, varied, as_flags=True)
    return recipe if args.steps_scale == 1.0 else recipe.scaled(args.steps_scale)


def _scaled_for_batch(recipe: Recipe, batch_size: int, given: dict[str, Any]) -> Recipe:
    """Returns the recipe for `--batch-size` with `--scale-lr`."""
    if recipes.scaling_adds_warmup(recipe, batch_size):
        for name in ("warmup_steps", "warmup_shape"):
            if name in given:
                raise UsageError(
                    f"--scale-lr chooses {flag_of(name)} for a larger batch: omit "
                    f"{flag_of(name)} (--warmup-rate sets where the linear warm-up starts), or "
                    f"omit --scale-lr. Received: {flag_of(name)} {given[name]}"
                )
    return recipes.for_batch(recipe, batch_size, warmup_rate=given.get("warmup_rate"))


def _network_of(path: str, arch: str | None) -> dict[str, Any]:
    """Returns the recipe values of the network in a file, or nothing if `arch` is another one.

    A run that resumes no longer needs the file; without it, `--arch` names the network.
    """
    from resnet_keras.description import architecture_fields, read_description

    try:
        found = architecture_fields(read_description(path), path)
    except UserError as error:
        if arch:
            return {}
        raise UserError(f"--train-from: {error}") from error
    return found if arch in (None, found["arch"]) else {}


def _add_flag(group: Any, spec: dataclasses.Field) -> None:
    """Adds the flag of a recipe field."""
    kind, _ = value_type(spec)
    meta = spec.metadata
    flag = flag_of(spec.name)
    notes = [f"in {meta['unit']}"] if meta["unit"] else []
    if spec.default not in (dataclasses.MISSING, None):
        notes.append(f"default: {_format_value(spec.default)}")
    text = meta["help"]
    if notes:
        # A help text that ends in parentheses gets no second pair.
        text = f"{text[:-1]}; " if text.endswith(")") else f"{text} ("
        text += "; ".join(notes) + ")"
    if kind is bool:
        group.add_argument(
            flag,
            dest=spec.name,
            action=argparse.BooleanOptionalAction,
            default=argparse.SUPPRESS,
            help=text,
        )
        return
    if meta["choices"]:
        metavar = "|".join(meta["choices"])
    else:
        metavar = "FILE" if spec.name == "train_from" else _METAVARS[kind]
    group.add_argument(
        flag,
        dest=spec.name,
        type=_integers if kind is tuple else kind,
        default=argparse.SUPPRESS,
        metavar=metavar,
        help=text,
    )


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected integers separated by commas, such as 32000,48000. Received: {text!r}"
        ) from None


def _format_value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(map(str, value)) if isinstance(value, tuple) else f"{value}"
