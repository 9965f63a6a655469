"""Run folders with made-up numbers: curves of a realistic shape that no network produced."""

import json
import math
import random
from pathlib import Path

from resnet_keras import recipes
from resnet_keras.recipe import Recipe
from resnet_keras.runs.metrics import COLUMNS

FINAL_ERRORS = {"plain20": 9.9, "plain56": 13.4, "resnet20": 8.9, "resnet56": 7.2}


def make_run(
    runs_dir: Path,
    arch: str = "resnet20",
    scale: float = 0.1,
    seed: int = 0,
    fraction_done: float = 1.0,
    name: str | None = None,
    final_error: float | None = None,
    with_result: bool = True,
    **recipe_values: object,
) -> Path:
    """Writes `config.json`, `metrics.csv` and, for a complete run, `result.json`.

    Args:
        runs_dir: the folder in which the run folder is created.
        arch: the network.
        scale: the length of the schedule as a fraction of the paper's.
        seed: the seed of the recipe and of the noise.
        fraction_done: the fraction of the steps that are done.
        name: the name of the run folder; `None` takes the name that `reproduce` would choose.
        final_error: the approximate final test error in percent; `None` takes a realistic one.
        with_result: whether a complete run has its `result.json`.
        **recipe_values: further values of the recipe.

    Returns:
        The run folder.
    """
    values = {"precision": "mixed_bfloat16", "flip": True, "devices": 1, **recipe_values}
    recipe = recipes.make("paper", arch, defaults=values, seed=seed).scaled(scale)
    folder = Path(runs_dir) / (name or f"{recipe.run_name}-x{scale:g}")
    folder.mkdir(parents=True)
    random_numbers = random.Random(f"{recipe.label}{seed}")
    if final_error is None:
        final_error = FINAL_ERRORS.get(arch, 10.0)
    final_error += random_numbers.gauss(0, 0.2)
    lines = [",".join(COLUMNS)]
    last = round(recipe.steps * fraction_done)
    for step in sorted({*range(recipe.eval_every, last, recipe.eval_every), last}):
        lines.append(_row(recipe, step, final_error, random_numbers))
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    config = {
        "recipe": recipe.to_json(),
        "device": "Made-up Processor <TM>",
        "precision_reason": "made up",
        "started": "2000-01-01T00:00:00+00:00",
        "git_commit": None,
        "versions": {"keras": "0.0", "made_up": "1"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    if fraction_done >= 1 and with_result:
        result = {"test_error": final_error, "export": "none"}
        (folder / "result.json").write_text(json.dumps(result))
    return folder


def _row(recipe: Recipe, step: int, final_error: float, random_numbers: random.Random) -> str:
    fraction = step / recipe.steps
    drops = sum(step > drop for drop in recipe.drops)
    noise = random_numbers.gauss(0, 1.5 if drops == 0 else 0.12)
    early = 9 + 60 * math.exp(-fraction * 15)
    test = max(1.0, final_error + (early if drops == 0 else 0.3 * (2 - drops)) + noise)
    train = max(0.2, test * (0.9 - 0.35 * drops) + random_numbers.gauss(0, 0.2))
    if step == recipe.steps:
        test = final_error
    values = {
        "step": step,
        "learning_rate": recipe.learning_rate * recipe.drop_factor**drops,
        "loss": 1.0,
        "train_error": train,
        "validation_error": "",
        "test_error": test,
        "seconds": step * 0.2,
        "images_per_second": 640.0,
    }
    return ",".join(str(values[name]) for name in COLUMNS)
