"""Whole numbers on command lines."""

import argparse
import dataclasses

from resnet_keras import recipes
from resnet_keras.errors import UsageError, UserError
from resnet_keras.recipe import Recipe, value_type


def positive(text: str) -> int:
    """Reads a whole number from 1 on, for argparse.

    Raises:
        argparse.ArgumentTypeError: if it is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1 on is needed, not {text!r}")
    return int(text)


def add_recipe_flags(parser: argparse.ArgumentParser) -> None:
    """Adds `--recipe`, `--config`, `--steps-scale` and a flag a field of `Recipe`.

    A flag that is not given does not appear in the parsed arguments: the named recipe, or the
    file, then has the word.
    """
    source = parser.add_argument_group("recipe")
    source.add_argument(
        "--recipe",
        metavar="NAME",
        help=f"where the values come from: {', '.join(recipes.RECIPES)} (default: paper)",
    )
    source.add_argument(
        "--config", metavar="FILE", help="take them from a run's config.json instead"
    )
    source.add_argument(
        "--steps-scale",
        type=float,
        default=1.0,
        metavar="X",
        help="shorten the whole schedule alike: 0.1 for a tenth (default: 1)",
    )
    source.add_argument(
        "--scale-lr",
        action="store_true",
        help="fit the schedule to --batch-size: the rate in proportion, as many epochs, a linear "
        "warm-up; see docs/scaling.md",
    )
    values = parser.add_argument_group("values of the recipe, over those it brings")
    for spec in dataclasses.fields(Recipe):
        _add_flag(values, spec)


def recipe_from(args: argparse.Namespace) -> Recipe:
    """Returns the recipe that the flags describe.

    Raises:
        UsageError: for unknown names, values that do not fit, or no `--arch`.
        UserError: if `--config` cannot be read, or `--train-from` cannot and `--arch` is missing.
    """
    names = [spec.name for spec in dataclasses.fields(Recipe)]
    given = {name: getattr(args, name) for name in names if hasattr(args, name)}
    if args.config and args.recipe is not None:
        raise UsageError("--config and --recipe both say where the values come from: give one")
    batch_size = given.pop("batch_size", None) if args.scale_lr else None
    if args.scale_lr and batch_size is None:
        raise UsageError("--scale-lr fits the schedule to a batch: give --batch-size too")
    if given.get("train_from") and not args.config:
        given = {**_network_of(given["train_from"], given.get("arch")), **given}
    if args.config:
        # Imported here: whoever only asks for help reads no run.
        from resnet_keras.runs.config import read_recipe

        recipe = read_recipe(args.config)
        if given.get("arch", recipe.arch) != recipe.arch and "option" not in given:
            given["option"] = None
        recipe = dataclasses.replace(recipe, **given)
    elif "arch" not in given:
        raise UsageError(
            "--arch is missing: say which network, such as --arch resnet32; with --train-from the "
            "file says it"
        )
    else:
        name = "paper" if args.recipe is None else args.recipe
        recipe = recipes.make(name, given.pop("arch"), **given)
    if args.scale_lr:
        recipe = recipes.for_batch(recipe, batch_size)
    return recipe if args.steps_scale == 1.0 else recipe.scaled(args.steps_scale)


def _network_of(path, arch):
    """Returns the values of the network in the file at `path`, unless `arch` is another one.

    A run that goes on needs the file no more: without it, `--arch` says which network.
    """
    from resnet_keras.models.keras_file import network_in, read_description

    try:
        found = network_in(read_description(path), path)
    except UserError as error:
        if arch:
            return {}
        raise UserError(f"--train-from: {error}") from error
    return found if arch in (None, found["arch"]) else {}


def _add_flag(group, spec):
    kind, _ = value_type(spec)
    meta = spec.metadata
    flag = f"--{spec.name.replace('_', '-')}"
    words = meta["help"] + (f", in {meta['unit']}" if meta["unit"] else "")
    if spec.default not in (dataclasses.MISSING, None):
        words += f" (paper: {_spelled(spec.default)})"
    if kind is bool:
        group.add_argument(
            flag,
            dest=spec.name,
            action=argparse.BooleanOptionalAction,
            default=argparse.SUPPRESS,
            help=words,
        )
        return
    group.add_argument(
        flag,
        dest=spec.name,
        type=_steps if kind is tuple else kind,
        default=argparse.SUPPRESS,
        metavar="|".join(meta["choices"]) if meta["choices"] else _METAVARS[kind],
        help=words,
    )


_METAVARS = {int: "N", float: "X", str: "NAME", tuple: "N,N,…"}


def _steps(text):
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"steps are whole numbers with commas between them, such as 32000,48000, not {text!r}"
        ) from None


def _spelled(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(map(str, value)) if isinstance(value, tuple) else f"{value}"
