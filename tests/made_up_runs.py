"""Run folders with made-up numbers: curves of the usual shape that no network ever produced."""

import json
import math
import random
from pathlib import Path

from resnet_keras import recipes
from resnet_keras.runs.metrics import COLUMNS

FINAL = {"plain20": 9.9, "plain56": 13.4, "resnet20": 8.9, "resnet56": 7.2}


def make_run(
    runs_dir,
    arch="resnet20",
    scale=0.1,
    seed=0,
    until=1.0,
    name=None,
    final=None,
    result=True,
    **given,
) -> Path:
    """Writes `config.json`, `metrics.csv` and, for a complete run, `result.json`.

    `until` is the part of the run that has been done, `final` about the test error it comes to;
    `result` says whether a complete run has its `result.json`. The folder is called as
    `reproduce` would, unless `name` is given. What else is `given` is of the recipe.
    """
    given = {"precision": "mixed_bfloat16", "flip": True, "devices": 1, **given}
    recipe = recipes.make("paper", arch, seed=seed, **given).scaled(scale)
    folder = Path(runs_dir) / (name or f"{recipe.run_name}-x{scale:g}")
    folder.mkdir(parents=True)
    dice = random.Random(f"{recipe.label}{seed}")
    final = (FINAL.get(arch, 10.0) if final is None else final) + dice.gauss(0, 0.2)
    lines = [",".join(COLUMNS)]
    last = round(recipe.steps * until)
    for step in sorted({*range(recipe.eval_every, last, recipe.eval_every), last}):
        lines.append(_row(recipe, step, final, dice))
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
    if until >= 1 and result:
        (folder / "result.json").write_text(json.dumps({"test_error": final, "export": "none"}))
    return folder


def _row(recipe, step, final, dice):
    part = step / recipe.steps
    drops = sum(step > drop for drop in recipe.drops)
    noise = dice.gauss(0, 1.5 if drops == 0 else 0.12)
    early = 9 + 60 * math.exp(-part * 15)
    test = max(1.0, final + (early if drops == 0 else 0.3 * (2 - drops)) + noise)
    train = max(0.2, test * (0.9 - 0.35 * drops) + dice.gauss(0, 0.2))
    if step == recipe.steps:
        test = final
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


def change_recipe(folder: Path, **values) -> None:
    """Overwrites values of a made-up run's recipe."""
    path = Path(folder) / "config.json"
    config = json.loads(path.read_text())
    config["recipe"].update(values)
    path.write_text(json.dumps(config))
