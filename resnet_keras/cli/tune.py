"""`resnet-keras tune`: a hyperparameter search, scored on held-out training images."""

import argparse
import dataclasses

from resnet_keras.cli.backend import import_tensorflow
from resnet_keras.cli.flags import (
    SIGNAL_STATUS,
    add_data_dir,
    add_recipe_flags,
    positive,
    print_status,
    recipe_from,
)
from resnet_keras.errors import UsageError, unknown
from resnet_keras.files import path_component

HELP = "Search for hyperparameters, scored on held-out training images."
TUNERS = ("hyperband", "bayesian", "random")
_HELD_OUT = 5000


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the command."""
    search = parser.add_argument_group("search")
    search.add_argument(
        "--tuner", default="hyperband", metavar="|".join(TUNERS), help="default: hyperband"
    )
    search.add_argument(
        "--trials",
        type=positive,
        default=20,
        metavar="N",
        help="the maximum number of trials (default: 20)",
    )
    search.add_argument(
        "--space", metavar="FILE", help="the search space, a TOML file (default: see --print-space)"
    )
    search.add_argument(
        "--print-space", action="store_true", help="print the default search space, and run nothing"
    )
    search.add_argument(
        "--network", action="store_true", help="also search the table [network] of the search space"
    )
    search.add_argument(
        "--max-failed", type=positive, default=3, metavar="N",
        help="stop after this many failed trials in a row (default: 3)",
    )  # fmt: skip
    folders = parser.add_argument_group("folders")
    add_data_dir(folders)
    folders.add_argument("--tuning-dir", default="tuning", metavar="DIR", help="default: tuning")
    folders.add_argument(
        "--name",
        help="the folder of the search (default: derived from network, data set and tuner)",
    )
    add_recipe_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Searches, and prints the best trial.

    Returns:
        0 if a trial succeeded, 1 if none did, 128 + n after the signal n.

    Raises:
        UsageError: if a flag or the search space is wrong.
        UserError: if something outside the program is wrong; see `tuning.search.search`.
    """
    # These modules do not import TensorFlow, so mistakes are reported before that takes seconds.
    from resnet_keras.tuning import workers
    from resnet_keras.tuning.space import DEFAULT_SPACE, check_space, read_space

    if args.print_space:
        print(DEFAULT_SPACE.read_text(encoding="utf-8"), end="")
        return 0
    if args.tuner not in TUNERS:
        raise unknown("tuner", args.tuner, TUNERS)
    space = read_space(args.space or DEFAULT_SPACE, args.network)
    base = recipe_from(args, varied=[searched.name for searched in space])
    if not base.validation_size:
        if hasattr(args, "validation_size"):
            raise UsageError(
                "a search needs held-out images: use for example --validation-size 5000"
            )
        # A fifth of the 1,437 digits.
        held_out = 300 if base.dataset == "digits" else _HELD_OUT
        base = dataclasses.replace(base, validation_size=held_out)
    check_space(space, base)
    workers.check_environment()
    name = path_component(args.name or f"{base.run_name}-{args.tuner}", "--name")
    import_tensorflow()
    from resnet_keras.tuning.search import SearchConfig, search

    config = SearchConfig(base, space, args.tuner, args.trials, args.max_failed)
    result = search(config, args.tuning_dir, name, args.data_dir, print_status)
    if result.stopped_by:
        return SIGNAL_STATUS + result.stopped_by
    if result.best:
        print(
            f"best: trial {result.best['id']}, {result.best['score']:.2f} % error on the "
            f"{base.validation_size} held-out images"
        )
        print(f"python train.py --config {result.folder / 'config.json'}")
    elif not workers.is_worker():
        print(f"no trial succeeded; see {result.folder / 'trials.csv'}")
        return 1
    return 0
