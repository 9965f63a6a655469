"""The results of a search: `trials.csv`, `search.png` and the `config.json` of the best trial."""

import csv
import dataclasses
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras_tuner

from resnet_keras.errors import last_line
from resnet_keras.files import atomic_write, read_json
from resnet_keras.recipe import Recipe
from resnet_keras.reporting.search_figure import draw_search
from resnet_keras.runs.config import write_config
from resnet_keras.runs.folder import CONFIG
from resnet_keras.tuning.keras_tuner_private import recipe_values, schedule_fraction
from resnet_keras.tuning.space import Range, with_values
from resnet_keras.tuning.trial import RECORD

_STATUSES = {"COMPLETED": "done", "RUNNING": "running"}


def write_results(
    folder: Path,
    trials: Iterable[keras_tuner.engine.trial.Trial],
    base: Recipe,
    space: tuple[Range, ...],
    name: str,
) -> dict[str, Any] | None:
    """Writes the results of a search, as far as it has got.

    Args:
        folder: the folder of the search.
        trials: its trials, in any order.
        base: the recipe that the trials vary.
        space: the search space.
        name: the name of the search, for the title of the figure.

    Returns:
        The best trial's row of `trials.csv`, or `None` if no trial is complete.

    Raises:
        UserError: if a file cannot be written.

    Example:

    >>> write_results(Path("."), [], Recipe("resnet8"), (Range("pad", choices=(0, 4)),), "search")
    >>> Path("trials.csv").read_text()
    'id,status,pad,part,score,steps,seconds,error\\n'
    """
    rows = [_row(folder, trial, space) for trial in sorted(trials, key=lambda t: int(t.trial_id))]
    names = [entry.name for entry in space]
    columns = ["id", "status", *names, "part", "score", "steps", "seconds", "error"]
    with (
        atomic_write(folder / "trials.csv") as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    best = best_row(rows)
    if best is None:
        return None
    draw_search(folder / "trials.csv", folder / "search.png", name)
    values = {name: best[name] for name in names}
    # The search is over, so the recipe trains on all images again, as in the paper.
    recipe = dataclasses.replace(with_values(base, values), validation_size=0)
    search = {
        "trial": best["id"],
        "validation_error": best["score"],
        "part_of_schedule": best["part"],
        "held_out": base.validation_size,
        "values": values,
    }
    write_config(folder / CONFIG, {"recipe": recipe.to_json(), "search": search})
    return best


def best_row(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Returns the row with the lowest score among those with the longest schedule.

    The score of a shortened run can only be compared with those of equally short runs.

    Args:
        rows: rows of `trials.csv`, with the columns `part` and `score`.

    Returns:
        The row, or `None` if no row has a score.

    Example:

    >>> rows = [{"id": i, "part": p, "score": s} for i, p, s in [(0, 1 / 3, 4.0), (1, 1.0, 5.0)]]
    >>> best_row(rows)["id"]
    1
    """
    scored = [row for row in rows if row["score"] is not None]
    longest = max((row["part"] for row in scored), default=None)
    candidates = [row for row in scored if row["part"] == longest]
    return min(candidates, key=lambda row: row["score"], default=None)


def _row(
    folder: Path, trial: keras_tuner.engine.trial.Trial, space: tuple[Range, ...]
) -> dict[str, Any]:
    path = folder / "trials" / trial.trial_id / RECORD
    record = read_json(path) if path.exists() else {}
    chosen = trial.hyperparameters.values
    scored = trial.status == "COMPLETED" and trial.score is not None and math.isfinite(trial.score)
    status = _STATUSES.get(trial.status, "failed")
    row = {
        "id": trial.trial_id,
        "status": status,
        "part": round(schedule_fraction(chosen), 4),
        "score": trial.score if scored else None,
        "steps": record.get("steps"),
        "seconds": record.get("seconds"),
        "error": None if status != "failed" else record.get("error") or last_line(trial.message),
    }
    values = recipe_values(chosen)
    return row | {entry.name: values.get(entry.name) for entry in space}
