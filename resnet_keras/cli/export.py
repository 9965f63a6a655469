"""`export`: a SavedModel from a finished run or a `.keras` file."""

import argparse
import functools
import shlex
import sys

from resnet_keras.cli.backend import import_tensorflow
from resnet_keras.errors import UsageError
from resnet_keras.files import one_component

HELP = "Write a SavedModel from a finished run or a .keras file."


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument("path", metavar="RUN_OR_KERAS", help="a run's folder, or a .keras file")
    parser.add_argument(
        "--export-dir", default="saved_models", metavar="DIR", help="default: saved_models"
    )
    parser.add_argument("--name", help="name of the export (default: the one the network has)")
    parser.add_argument(
        "--no-fold",
        dest="fold",
        action="store_false",
        help="keep batch normalization apart from the convolutions, for comparison",
    )
    parser.add_argument(
        "--serving-precision",
        choices=("float32", "bfloat16"),
        default="float32",
        help="bfloat16 is faster where the server computes in it, and as accurate to within a few "
        "answers in a thousand (default: float32)",
    )
    parser.add_argument(
        "--recalibrate-bn",
        action="store_true",
        help="replace batch norm's moving averages by true ones over the images the run trained "
        "on, as the paper's authors did; the .keras file stays as it is",
    )
    parser.add_argument(
        "--data-dir", metavar="DIR", help="with --recalibrate-bn: where the data set is"
    )


def run(args: argparse.Namespace) -> None:
    """Runs it; prints the folder it wrote, and how to measure that: the test error that training
    printed is another export's."""
    if args.name is not None:
        one_component(args.name, "--name")
    if args.data_dir and not args.recalibrate_bn:
        raise UsageError("--data-dir is for --recalibrate-bn: nothing else here reads images")
    import_tensorflow()
    from resnet_keras.export.saved_model import export_file

    change = None
    if args.recalibrate_bn:
        from resnet_keras.training.batch_norm_statistics import recalibrate_as_trained

        change = functools.partial(recalibrate_as_trained, data_dir=args.data_dir)
    version = export_file(
        args.path, args.export_dir, args.fold, args.serving_precision, args.name, change
    )
    print(version, flush=True)
    measure = shlex.join(["python", "evaluate.py", str(version), "--record"])
    print(f"its card has no test error yet; {measure} measures and notes it", file=sys.stderr)
