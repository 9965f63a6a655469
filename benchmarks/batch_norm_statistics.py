"""`python -m benchmarks.batch_norm_statistics RUN …`: test errors with other batch-norm statistics.

For each checkpoint of a run it prints the test error with the moving averages, with averages over
augmented training batches, as `--recalibrate-bn` computes them, and with averages over training
images without augmentation.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.options import run_command
from resnet_keras.cli.backend import import_tensorflow
from resnet_keras.cli.flags import add_data_dir
from resnet_keras.data.dataset import Files, Images
from resnet_keras.errors import UserError
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.runs.config import read_recipe
from resnet_keras.runs.folder import CONFIG


def main(arguments: list[str] | None = None) -> int:
    """Measures, and prints one table row per checkpoint and kind of statistics."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.batch_norm_statistics", description=__doc__.split("\n\n")[1]
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders")
    parser.add_argument(
        "--batches", default="25,100,391", metavar="N,N,…",
        help="numbers of augmented batches (default: 25,100,391)",
    )  # fmt: skip
    add_data_dir(parser)
    args = parser.parse_args(arguments)
    counts = [int(count) for count in args.batches.split(",")]
    import_tensorflow()
    print("| run | step | statistics | test error (%) |")
    print("|---|---:|---|---:|")
    for run in args.runs:
        measure_run(run, counts, args.data_dir)
    return 0


def measure_run(run: Path, counts: list[int], data_dir: str | None) -> None:
    """Prints the rows of all checkpoints of a run.

    Args:
        run: the run folder.
        counts: numbers of augmented batches.
        data_dir: the folder of the data set; `None` searches the usual places.

    Raises:
        UserError: if the run has no checkpoint, or the data set is missing.
    """
    from resnet_keras.data.sources import load_for_recipe
    from resnet_keras.evaluation.measure import measure
    from resnet_keras.evaluation.predictors import model_probabilities
    from resnet_keras.training import checkpoint
    from resnet_keras.training.batch_norm_statistics import recalibrate, statistics_batches
    from resnet_keras.training.fit import set_up
    from resnet_keras.training.resolve import resolve
    from resnet_keras.training.state import restore

    recipe = read_recipe(run / CONFIG)
    dataset = load_for_recipe(recipe, data_dir)
    setup = set_up(resolve(recipe, dataset))
    model, rule, train = setup.model, setup.preprocessing, setup.train
    probabilities = model_probabilities(model, rule)
    paths = checkpoint.paths(run / "checkpoints")
    if not paths:
        raise UserError(f"{run} has no checkpoints: train it, or put them back")
    for path in paths:
        saved = checkpoint.load(path)
        sources = {"moving averages": None}
        for count in counts:
            batches = statistics_batches(train, rule, recipe, count)
            sources[f"averages over {count} augmented batches"] = batches
        size = recipe.batch_size
        sources["averages over all training images, not augmented"] = unaugmented(train, rule, size)
        for name, batches in sources.items():
            restore(model, setup.state.metrics, saved.arrays, str(path))
            if batches is not None:
                recalibrate(model, batches)
            error = measure(probabilities, dataset.test, rule).top1_error
            print(f"| {run.name} | {saved.step:,} | {name} | {error:.2f} |", flush=True)


def unaugmented(train: Images | Files, rule: Preprocessing, size: int) -> Iterator[np.ndarray]:
    """Yields shuffled training images without augmentation, preprocessed, in batches."""
    from resnet_keras.data.decoding import evaluation_batches
    from resnet_keras.data.transforms import normalize

    order = np.random.default_rng(0).permutation(len(train))
    for start in range(0, len(order), size):
        indices = order[start : start + size]
        for images, _ in evaluation_batches(train.take(indices), rule, size):
            yield normalize(images, rule).numpy()


if __name__ == "__main__":
    sys.exit(run_command(main))
