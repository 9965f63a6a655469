"""`resnet-keras export`: a SavedModel from a finished run or a `.keras` file."""

import argparse
import functools
import shlex
import sys

from resnet_keras.cli.backend import import_tensorflow
from resnet_keras.errors import UsageError
from resnet_keras.files import path_component

HELP = "Write a SavedModel from a finished run or a .keras file."


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the command."""
    parser.add_argument("path", metavar="RUN_OR_KERAS", help="a run folder or a .keras file")
    parser.add_argument(
        "--export-dir", default="saved_models", metavar="DIR", help="default: saved_models"
    )
    parser.add_argument("--name", help="the name of the export (default: the name of the network)")
    parser.add_argument(
        "--no-fold",
        dest="fold",
        action="store_false",
        help="do not fold batch normalization into the convolutions, for comparison",
    )
    parser.add_argument(
        "--serving-precision",
        choices=("float32", "bfloat16"),
        default="float32",
        help="bfloat16 is faster if the server's processor computes in it, and changes a few "
        "predictions in a thousand (default: float32)",
    )
    parser.add_argument(
        "--recalibrate-bn",
        action="store_true",
        help="replace the moving averages of batch normalization with averages over augmented "
        "training batches of the run, as the authors did; the .keras file does not change",
    )
    parser.add_argument(
        "--data-dir", metavar="DIR", help="with --recalibrate-bn: the folder of the data set"
    )


def run(args: argparse.Namespace) -> None:
    """Writes the SavedModel, and prints its folder and the command that measures it.

    The test error that training printed belongs to another export.

    Raises:
        UsageError: if flags do not fit together.
        UserError: if there is no such network, or the folder cannot be written.
    """
    if args.name is not None:
        path_component(args.name, "--name")
    if args.data_dir and not args.recalibrate_bn:
        raise UsageError("--data-dir needs --recalibrate-bn: exporting reads no images otherwise")
    import_tensorflow()
    from resnet_keras.export.saved_model import export_file

    change = None
    if args.recalibrate_bn:
        from resnet_keras.training.batch_norm_statistics import recalibrate_on_training_images

        change = functools.partial(recalibrate_on_training_images, data_dir=args.data_dir)
    version = export_file(
        args.path, args.export_dir, args.fold, args.serving_precision, args.name, change
    )
    print(version, flush=True)
    measure = shlex.join(["python", "evaluate.py", str(version), "--record"])
    print(
        f"its model card has no test error yet; to measure and record it: {measure}",
        file=sys.stderr,
    )
