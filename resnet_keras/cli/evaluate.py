"""`evaluate`: the error of a trained network on a test set."""

import argparse
import json
import sys
from pathlib import Path

from resnet_keras.cli.backend import import_tensorflow
from resnet_keras.errors import UsageError

HELP = "Measure a SavedModel, a .keras file or a finished run on a test set."

FIGURES = (".png", ".svg", ".pdf")
# `evaluation.views.VIEWS`, without importing TensorFlow to show the flags.
VIEWS = ("center", "10crop", "multiscale")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument(
        "path",
        nargs="?",
        help="saved_models/NAME (its newest version), saved_models/NAME/1, a .keras file",
    )
    parser.add_argument(
        "--ensemble",
        nargs="+",
        default=[],
        metavar="PATH",
        help="average the probabilities of these networks, of any sizes, each with its own "
        "preprocessing; a path before it is one of them too",
    )
    parser.add_argument(
        "--views",
        choices=VIEWS,
        default="center",
        help="what is seen of each image: the centre, as when served; the four corners and the "
        "centre at 256/224 of the network's size, and their mirror images; or the whole image at "
        "five scales, averaged (default: center)",
    )
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="the folder that holds the data set, or its archive (default: $RESNET_KERAS_DATA, "
        "then TensorFlow Datasets)",
    )
    parser.add_argument(
        "--dataset", metavar="NAME", help="default: the data set the network was trained for"
    )
    parser.add_argument(
        "--all-images",
        action="store_true",
        help="measure on all images of DIR/<class>/*, not only on the share that training keeps "
        "for the test; for images that the network was not trained on",
    )
    parser.add_argument(
        "--skip-corrupt",
        action="store_true",
        help="leave out image files that cannot be decoded, instead of stopping at one; all are "
        "tried first (default: as the network was trained)",
    )
    parser.add_argument(
        "--confusion",
        default="confusion.png",
        metavar="FILE",
        help="where the confusion matrix is drawn (default: confusion.png)",
    )
    parser.add_argument(
        "--record",
        action="store_true",
        help="write the error into the SavedModel's card, as training does with its own export",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object to standard output, no more"
    )


def run(args: argparse.Namespace) -> None:
    """Runs it; prints the table, or the JSON object."""
    figure = Path(args.confusion)
    if figure.suffix.lower() not in FIGURES:
        raise UsageError(f"--confusion is a file {' or '.join(FIGURES)}. Received: {figure}")
    paths = [*([args.path] if args.path else []), *args.ensemble]
    if not paths or (args.ensemble and len(paths) < 2):
        raise UsageError("give one PATH, or --ensemble and two or more")
    if args.record and (args.ensemble or args.views != "center" or args.all_images):
        raise UsageError(
            "--record is for one network and what it answers when served: --views center, and "
            "for the images left for the test: no --all-images"
        )
    import_tensorflow()
    if args.ensemble:
        from resnet_keras.evaluation.ensemble import evaluate_ensemble

        measure, what = evaluate_ensemble, paths
    else:
        from resnet_keras.evaluation.evaluate import evaluate

        measure, what = evaluate, args.path
    choice = {"all_images": args.all_images, "skip_corrupt": args.skip_corrupt}
    found = measure(what, args.dataset, args.data_dir, args.views, **choice)
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr, flush=True)
    if args.json:
        print(json.dumps(found.to_json(), ensure_ascii=False, allow_nan=False), flush=True)
    else:
        print(found.table(), flush=True)
    if args.record:
        _record(found)
    # Drawn last: whatever happens to a figure, the numbers are out.
    _draw(found, figure)
    if not args.json:
        print(f"confusion matrix: {figure}")


def _record(found):
    from resnet_keras.export.model_card import record_test_error

    measured = found.measurement
    record_test_error(
        found.path, measured.top1_error, measured.top5_error, measured.examples, found.dataset
    )


def _draw(found, path):
    from resnet_keras.reporting.confusion import draw_confusion

    draw_confusion(
        found.measurement.confusion,
        found.class_names,
        path,
        f"{found.name} on {found.dataset}: {found.measurement.top1_error:.2f} % error",
    )
