"""`train`: one run, from a recipe to a measured export."""

import argparse

from resnet_keras.cli import distributed_flags
from resnet_keras.cli.backend import import_tensorflow
from resnet_keras.cli.flags import add_recipe_flags, positive, recipe_from
from resnet_keras.files import one_component

HELP = "Train a network, export it and measure the export."

# The numbers of the signals are those a shell reports: 128 + 15 and 128 + 2.
_SIGNAL_STATUS = 128


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    add_recipe_flags(parser)
    places = parser.add_argument_group("places")
    places.add_argument(
        "--data-dir",
        metavar="DIR",
        help="the folder that holds the data set, or its archive (default: $RESNET_KERAS_DATA, "
        "then TensorFlow Datasets)",
    )
    places.add_argument("--runs-dir", default="runs", metavar="DIR", help="default: runs")
    places.add_argument(
        "--export-dir", default="saved_models", metavar="DIR", help="default: saved_models"
    )
    places.add_argument(
        "--name",
        help="name of the run's folder and of the export's (default: made of network and data "
        "set; the run's has the seed too)",
    )
    places.add_argument(
        "--resume",
        choices=("auto", "must", "never"),
        default="auto",
        help="go on from the run's last checkpoint if there is one (auto, the default), or fail "
        "without one (must), or start over (never)",
    )
    places.add_argument(
        "--checkpoint-every",
        type=positive,
        metavar="N",
        help="steps between checkpoints (default: as many as take about two minutes)",
    )
    distributed_flags.add_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Runs it; returns the exit status."""
    recipe = recipe_from(args)
    # Said now, not after the seconds that TensorFlow takes.
    if args.name is not None:
        one_component(args.name, "--name")
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
        return _SIGNAL_STATUS + result.stopped_by
    print(f"test error: {result.test_error:.2f} %")
    return 0
