"""What a search leaves behind: `trials.csv`, `search.png` and the best trial's `config.json`."""

import csv
import dataclasses
import json
import math
from pathlib import Path

from keras_tuner.src import utils

from resnet_keras.files import read_json, write_json, written_whole
from resnet_keras.recipe import Recipe
from resnet_keras.reporting.search_figure import draw_search
from resnet_keras.tuning.oracles import own, part_of
from resnet_keras.tuning.space import Range, with_values
from resnet_keras.tuning.trial import RECORD


def save_json(path: str, values: dict) -> str:
    """Stands in for keras-tuner's function of that name: writes `values`, returns the text.

    Raises:
        UserError: if the file cannot be written; an older one is then left as it was.
    """
    text = json.dumps(values)
    with written_whole(Path(path)) as beside:
        beside.write_text(text, "utf-8")
    return text


def keep_whole() -> None:
    """Has keras-tuner write all its files by `save_json`, in this process."""
    utils.save_json = save_json


STATUSES = {"COMPLETED": "done", "RUNNING": "running"}


def write_results(
    folder: Path, trials: list, base: Recipe, space: tuple[Range, ...], name: str
) -> dict | None:
    """Writes all three.

    Args:
        folder: the search's.
        trials: keras-tuner's, in any order.
        base: the recipe searched from.
        space: what was searched.
        name: the search's, for the figure's title.

    Returns:
        The best trial's row of `trials.csv`; `None` if none is done.
    """
    rows = [_row(folder, trial, space) for trial in sorted(trials, key=lambda t: int(t.trial_id))]
    names = [one.name for one in space]
    columns = ["id", "status", *names, "part", "score", "steps", "seconds", "error"]
    with (
        written_whole(folder / "trials.csv") as beside,
        open(beside, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    best = best_row(rows)
    if best is None:
        return None
    draw_search(folder / "trials.csv", folder / "search.png", name)
    values = {name: best[name] for name in names}
    # The search is over: the held-out images are trained on again, as the paper did.
    recipe = dataclasses.replace(with_values(base, values), validation_size=0)
    found = {
        "trial": best["id"],
        "validation_error": best["score"],
        "part_of_schedule": best["part"],
        "held_out": base.validation_size,
        "values": values,
    }
    write_json(folder / "config.json", {"recipe": recipe.to_json(), "search": found})
    return best


def best_row(rows: list[dict]) -> dict | None:
    """Returns the row with the lowest score among those with most of their schedule.

    A shortened run's score says how it compares with others as short, not with longer ones.
    """
    done = [row for row in rows if row["score"] is not None]
    longest = max((row["part"] for row in done), default=None)
    return min((row for row in done if row["part"] == longest), key=_score, default=None)


def _score(row):
    return row["score"]


def _row(folder, trial, space):
    path = folder / "trials" / trial.trial_id / RECORD
    record = read_json(path) if path.exists() else {}
    values = trial.hyperparameters.values
    scored = trial.status == "COMPLETED" and trial.score is not None and math.isfinite(trial.score)
    status = STATUSES.get(trial.status, "failed")
    row = {
        "id": trial.trial_id,
        "status": status,
        "part": round(part_of(values), 4),
        "score": trial.score if scored else None,
        "steps": record.get("steps"),
        "seconds": record.get("seconds"),
        "error": None if status != "failed" else record.get("error") or _last_line(trial.message),
    }
    mine = own(values)
    return row | {one.name: mine.get(one.name) for one in space}


def _last_line(message):
    lines = (message or "").strip().splitlines()
    return lines[-1] if lines else None
