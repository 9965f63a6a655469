"""`resnet-keras responses`: the standard deviation of layer responses, as in Fig. 7."""

import argparse
import csv
import io
import sys
from pathlib import Path

from resnet_keras.cli.flags import add_data_dir
from resnet_keras.errors import UsageError, UserError

HELP = "Measure the standard deviation of layer responses and draw it as in Fig. 7."


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the command."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="finished runs or .keras files")
    parser.add_argument(
        "--split", choices=("test", "train"), default="test",
        help="the images to measure on, without augmentation (default: test)",
    )  # fmt: skip
    parser.add_argument(
        "--images", type=int, default=2000, metavar="N",
        help="the number of images, starting with the first (default: 2000)",
    )  # fmt: skip
    add_data_dir(parser)
    parser.add_argument(
        "--out", default="results", metavar="DIR",
        help="the folder for responses/NAME.csv, and for fig7.png of all networks found there "
        "(default: results)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Measures, writes one CSV file per network, and draws all networks into one figure.

    Raises:
        UsageError: if `--images` is not positive, or two networks have the same name.
        UserError: if a path is not a network, or a file cannot be written.
    """
    if args.images < 1:
        raise UsageError(f"--images must be a positive integer. Received: {args.images}")
    from resnet_keras.cli.backend import import_tensorflow

    import_tensorflow()
    from resnet_keras.files import make_folder, write_text
    from resnet_keras.reporting.responses_figure import RESPONSES_FOLDER, draw_responses

    make_folder(Path(args.out) / RESPONSES_FOLDER)
    for name, path in _paths_by_name(args.paths).items():
        text, mean = _measure_network(path, args)
        target = Path(args.out) / RESPONSES_FOLDER / f"{name}.csv"
        write_text(target, text)
        print(f"{name}: mean over the layers {mean:.2f}, written to {target}")
    figure, errors = draw_responses(args.out)
    for error in errors:
        print(error, file=sys.stderr)
    print(f"figure of all networks in {Path(args.out) / RESPONSES_FOLDER}: {figure}")
    return 0


def _paths_by_name(paths: list[str]) -> dict[str, str]:
    """Returns the paths by network name, which becomes the name of the CSV file."""
    named: dict[str, str] = {}
    for path in paths:
        name = Path(path).resolve().name.removesuffix(".keras")
        if name == "model":
            name = Path(path).resolve().parent.name
        if name in named:
            raise UsageError(f"two networks have the name {name}: {named[name]} and {path}")
        named[name] = path
    return named


def _measure_network(path: str, args: argparse.Namespace) -> tuple[str, float]:
    """Returns the text of a CSV file and the mean standard deviation over the layers."""
    from resnet_keras.data.sources import load_for_recipe
    from resnet_keras.evaluation.responses import layer_responses, load_network
    from resnet_keras.runs.config import stored_recipe

    model, description = load_network(path)
    if not description.card.get("recipe"):
        raise UserError(
            f"{path} does not name its data set: use a run folder, or a .keras file that training "
            "wrote"
        )
    recipe = stored_recipe(description.card["recipe"])
    dataset = load_for_recipe(recipe, args.data_dir)
    images = dataset.test if args.split == "test" else dataset.train
    images = images.take(slice(args.images))
    found = layer_responses(model, description.preprocessing, images)
    stream = io.StringIO()
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(["network", "index", "layer", "std", "images", "split", "recipe_steps"])
    for index, response in enumerate(found, 1):
        rows.writerow(
            [recipe.label, index, response.layer, f"{response.std:.6g}", len(images), args.split,
             recipe.steps]
        )  # fmt: skip
    return stream.getvalue(), sum(response.std for response in found) / len(found)
