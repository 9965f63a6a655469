"""`python -m resnet_keras responses`: how strongly each layer responds, as in Fig. 7."""

import argparse
import csv
import io
import sys
from pathlib import Path

from resnet_keras.errors import UsageError, UserError

HELP = "Measure the standard deviation of each layer's response; draw it as in Fig. 7."


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="folders of finished runs, or .keras files"
    )
    parser.add_argument(
        "--split", choices=("test", "train"), default="test",
        help="the images to measure on, without augmentation (default: test)",
    )  # fmt: skip
    parser.add_argument(
        "--images", type=int, default=2000, metavar="N",
        help="how many of them, from the first on (default: 2000)",
    )  # fmt: skip
    parser.add_argument(
        "--data-dir", metavar="DIR",
        help="the folder that holds the data set, or its archive (default: $RESNET_KERAS_DATA, "
        "then TensorFlow Datasets)",
    )  # fmt: skip
    parser.add_argument(
        "--out", default="results", metavar="DIR",
        help="where responses/NAME.csv are written, and fig7.png of all that lie there (default: "
        "results)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Measures, writes a csv file a network, and draws all that are there into one figure.

    Raises:
        UsageError: for fewer than one image.
        UserError: for a path that is no network, or a file that cannot be written.
    """
    if args.images < 1:
        raise UsageError(f"--images is a whole number from 1 on. Received: {args.images}")
    from resnet_keras.cli.backend import import_tensorflow

    import_tensorflow()
    from resnet_keras.files import make_folder, write_text
    from resnet_keras.reporting.responses_figure import FOLDER, draw_responses

    make_folder(Path(args.out) / FOLDER)
    for name, path in _named(args.paths).items():
        text, mean = _measured(path, args)
        target = Path(args.out) / FOLDER / f"{name}.csv"
        write_text(target, text)
        print(f"{name}: mean over layers {mean:.2f} → {target}")
    figure, problems = draw_responses(args.out)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"figure, of all networks in {Path(args.out) / FOLDER}: {figure}")
    return 0


def _named(paths):
    """Returns the paths by the name that each network's csv file gets."""
    named = {}
    for path in paths:
        name = Path(path).resolve().name.removesuffix(".keras")
        if name == "model":
            name = Path(path).resolve().parent.name
        if name in named:
            raise UsageError(f"two networks are called {name}: {named[name]} and {path}")
        named[name] = path
    return named


def _measured(path, args):
    from resnet_keras.data.sources import load_for
    from resnet_keras.evaluation.responses import open_network, responses
    from resnet_keras.recipe import Recipe

    model, description = open_network(path)
    if not description.card.get("recipe"):
        raise UserError(
            f"{path} does not say what it was trained for: responses are measured on the images of "
            "a run of this program, or of its .keras file"
        )
    recipe = Recipe.from_json(description.card["recipe"])
    dataset = load_for(recipe, args.data_dir)
    images = dataset.test if args.split == "test" else dataset.train
    images = images.take(slice(args.images))
    found = responses(model, description.preprocessing, images)
    stream = io.StringIO()
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(["network", "index", "layer", "std", "images", "split", "recipe_steps"])
    for index, response in enumerate(found, 1):
        rows.writerow(
            [recipe.label, index, response.layer, f"{response.std:.6g}", len(images), args.split,
             recipe.steps]
        )  # fmt: skip
    return stream.getvalue(), sum(response.std for response in found) / len(found)
