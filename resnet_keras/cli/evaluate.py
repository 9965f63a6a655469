"""`evaluate`: the error of a trained network on a test set."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from resnet_keras.cli.backend import import_tensorflow
from resnet_keras.cli.flags import add_data_dir
from resnet_keras.errors import UsageError
from resnet_keras.evaluation import VIEWS

HELP = "Measure a SavedModel, a .keras file or a finished run on a test set."

FIGURES = (".png", ".svg", ".pdf")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the command."""
    parser.add_argument(
        "path",
        nargs="?",
        metavar="PATH",
        help="saved_models/NAME (its newest version), saved_models/NAME/1, a .keras file or a run "
        "folder",
    )
    parser.add_argument(
        "--ensemble",
        nargs="+",
        default=[],
        metavar="PATH",
        help="average the probabilities of these networks, each with its own image size and "
        "preprocessing; a path given before the flag is one of them",
    )
    parser.add_argument(
        "--views",
        choices=VIEWS,
        default="center",
        help="the views of each image whose predictions are averaged. center: as when served; "
        "10crop: the four corners and the center at 256/224 of the network's size, and their "
        "mirrored versions; multiscale: the whole image at five scales (default: center)",
    )
    add_data_dir(parser)
    parser.add_argument(
        "--dataset", metavar="NAME", help="default: the data set the network was trained on"
    )
    parser.add_argument(
        "--all-images",
        action="store_true",
        help="measure on all images of DIR/<class>/*, not only on those held out during training; "
        "for images that the network was not trained on",
    )
    parser.add_argument(
        "--skip-corrupt",
        action="store_true",
        help="leave out image files that cannot be decoded instead of stopping; all are tried "
        "first (default: as in training)",
    )
    parser.add_argument(
        "--confusion",
        default="confusion.png",
        metavar="FILE",
        help="the figure of the confusion matrix (default: confusion.png)",
    )
    parser.add_argument(
        "--record",
        action="store_true",
        help="write the error into the model card of the SavedModel, as training does",
    )
    parser.add_argument(
        "--json", action="store_true", help="print nothing but one JSON object to standard output"
    )


def run(args: argparse.Namespace) -> None:
    """Measures, and prints the table or the JSON object.

    Raises:
        UsageError: if flags do not fit together.
        UserError: if the network or the data set is missing or damaged.
    """
    figure = Path(args.confusion)
    if figure.suffix.lower() not in FIGURES:
        raise UsageError(f"--confusion must be a {', '.join(FIGURES)} file. Received: {figure}")
    paths = [*([args.path] if args.path else []), *args.ensemble]
    if not paths or (args.ensemble and len(paths) < 2):
        raise UsageError("give one PATH, or --ensemble with at least two")
    if args.record and (args.ensemble or args.views != "center" or args.all_images):
        raise UsageError(
            "--record needs a single network, --views center and the test images, as when served: "
            "omit --ensemble, --views and --all-images"
        )
    import_tensorflow()
    from resnet_keras.evaluation.evaluate import evaluate, evaluate_ensemble

    choice = (args.dataset, args.data_dir, args.views, args.all_images, args.skip_corrupt)
    found: Any = (
        evaluate_ensemble(paths, *choice) if args.ensemble else evaluate(args.path, *choice)
    )
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr, flush=True)
    if args.json:
        print(json.dumps(found.to_json(), ensure_ascii=False, allow_nan=False), flush=True)
    else:
        print(found.table(), flush=True)
    if args.record:
        _record(found)
    # Drawn last, so that a failure to draw does not lose the numbers.
    _draw(found, figure)
    if not args.json:
        print(f"confusion matrix: {figure}")


def _record(found: Any) -> None:
    from resnet_keras.export.model_card import record_test_error

    measured = found.measurement
    record_test_error(
        found.path, measured.top1_error, measured.top5_error, measured.examples, found.dataset
    )


def _draw(found: Any, path: Path) -> None:
    from resnet_keras.reporting.confusion import draw_confusion

    draw_confusion(
        found.measurement.confusion,
        found.class_names,
        path,
        f"{found.name} on {found.dataset}: {found.measurement.top1_error:.2f} % error",
    )
