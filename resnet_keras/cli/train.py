"""`train`: one run, from a recipe to a measured export."""

import argparse

from resnet_keras.cli import distributed_flags
from resnet_keras.cli.backend import import_tensorflow
from resnet_keras.cli.flags import (
    SIGNAL_STATUS,
    add_data_dir,
    add_recipe_flags,
    positive,
    recipe_from,
)
from resnet_keras.files import path_component

HELP = "Train a network, export it and measure the export."


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the command."""
    add_recipe_flags(parser)
    folders = parser.add_argument_group("folders and resuming")
    add_data_dir(folders)
    folders.add_argument("--runs-dir", default="runs", metavar="DIR", help="default: runs")
    folders.add_argument(
        "--export-dir", default="saved_models", metavar="DIR", help="default: saved_models"
    )
    folders.add_argument(
        "--name",
        help="the name of the run folder and of the export (default: derived from network, data "
        "set and, for the run folder, seed)",
    )
    folders.add_argument(
        "--resume",
        choices=("auto", "must", "never"),
        default="auto",
        help="resume from the last checkpoint if there is one (auto, the default), fail if there "
        "is none (must), or start over (never)",
    )
    folders.add_argument(
        "--checkpoint-every",
        type=positive,
        metavar="N",
        help="steps between checkpoints (default: one every two minutes)",
    )
    distributed_flags.add_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Trains, and prints the test error.

    Returns:
        0 if the run is complete, 128 + n after the signal n.

    Raises:
        UsageError: if the flags describe no recipe, or values do not suit data set or machine.
        UserError: if something outside the program is wrong; see `training.job.run`.
    """
    recipe = recipe_from(args)
    # Checked before the import of TensorFlow, which takes seconds.
    if args.name is not None:
        path_component(args.name, "--name")
    distributed_flags.check(args)
    import_tensorflow()
    process_group = distributed_flags.join(args, recipe)
    from resnet_keras.runs.folder import RunOptions
    from resnet_keras.training.job import run

    result = run(
        recipe,
        RunOptions(
            data_dir=args.data_dir,
            runs_dir=args.runs_dir,
            export_dir=args.export_dir,
            name=args.name,
            resume=args.resume,
            checkpoint_every=args.checkpoint_every,
        ),
        process_group=process_group,
    )
    if result.stopped_by:
        return SIGNAL_STATUS + result.stopped_by
    print(f"test error: {result.test_error:.2f} %")
    return 0
