"""`python -m resnet_keras tune`: a search for a recipe, scored on held-out training images."""

import argparse
import dataclasses
import sys

from resnet_keras.cli.backend import import_tensorflow
from resnet_keras.cli.flags import add_recipe_flags, positive, recipe_from
from resnet_keras.errors import UsageError, unknown
from resnet_keras.files import one_component

HELP = "Search for a recipe, scored on held-out training images."
TUNERS = ("hyperband", "bayesian", "random")
_SIGNAL_STATUS = 128
_HELD_OUT = 5000


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    search = parser.add_argument_group("search")
    search.add_argument(
        "--tuner", default="hyperband", metavar="|".join(TUNERS), help="default: hyperband"
    )
    search.add_argument(
        "--trials", type=positive, default=20, metavar="N", help="at most so many (default: 20)"
    )
    search.add_argument(
        "--space", metavar="FILE", help="what to search, in TOML (default: see --print-space)"
    )
    search.add_argument(
        "--print-space", action="store_true", help="print the default space, to copy; run nothing"
    )
    search.add_argument(
        "--network", action="store_true", help="search the table [network] of the space as well"
    )
    search.add_argument(
        "--max-failed", type=positive, default=3, metavar="N",
        help="end after so many failed trials in a row (default: 3)",
    )  # fmt: skip
    places = parser.add_argument_group("places")
    places.add_argument(
        "--data-dir", metavar="DIR",
        help="the folder that holds the data set, or its archive (default: $RESNET_KERAS_DATA, "
        "then TensorFlow Datasets)",
    )  # fmt: skip
    places.add_argument("--tuning-dir", default="tuning", metavar="DIR", help="default: tuning")
    places.add_argument(
        "--name", help="the search's folder (default: made of network, data set and tuner)"
    )
    add_recipe_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Searches; returns the exit status."""
    # Light: what is wrong is said before the seconds that TensorFlow takes.
    from resnet_keras.tuning import workers
    from resnet_keras.tuning.space import DEFAULT, check_space, read_space

    if args.print_space:
        print(DEFAULT.read_text(encoding="utf-8"), end="")
        return 0
    if args.tuner not in TUNERS:
        raise unknown("tuner", args.tuner, TUNERS)
    base = recipe_from(args)
    if not base.validation_size:
        if hasattr(args, "validation_size"):
            raise UsageError("a search needs held-out images: --validation-size 5000")
        # Of the 1,437 digits a fifth.
        held_out = 300 if base.dataset == "digits" else _HELD_OUT
        base = dataclasses.replace(base, validation_size=held_out)
    space = read_space(args.space or DEFAULT, args.network)
    check_space(space, base)
    workers.check()
    name = one_component(args.name or f"{base.run_name}-{args.tuner}", "--name")
    import_tensorflow()
    from resnet_keras.tuning.search import Plan, search

    plan = Plan(base, space, args.tuner, args.trials, args.max_failed)
    outcome = search(plan, args.tuning_dir, name, args.data_dir, _say)
    if outcome.stopped_by:
        return _SIGNAL_STATUS + outcome.stopped_by
    if outcome.best:
        print(
            f"best: trial {outcome.best['id']}, {outcome.best['score']:.2f} % of the "
            f"{base.validation_size} held-out images wrong"
        )
        print(f"python train.py --config {outcome.folder / 'config.json'}")
    elif not workers.is_worker():
        print(f"no trial is done; {outcome.folder / 'trials.csv'} says why")
        return 1
    return 0


def _say(text):
    print(text, file=sys.stderr, flush=True)
