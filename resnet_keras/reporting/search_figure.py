"""The figure of a search: the score of each trial over time and against each value searched."""

import math
import os
from pathlib import Path

import pandas as pd

from resnet_keras.errors import UserError
from resnet_keras.reporting.figures import BLUE, LITERAL, ORANGE, VERMILION, new_figure, save

NO_VALUES = ("id", "status", "part", "score", "steps", "seconds", "error")
COLUMNS = 3
# Values spread over more than this factor are drawn on a logarithmic axis.
LOG_FROM = 8.0


def draw_search(
    trials_csv_path: str | os.PathLike, out_png_path: str | os.PathLike, title: str
) -> None:
    """Draws it into a .png file.

    Args:
        trials_csv_path: the search's `trials.csv`, a row a trial.
        out_png_path: the file; an older one stays until the new one is whole.
        title: taken literally.

    Raises:
        UserError: if the trials cannot be read, none is done, or the figure cannot be written.
    """
    try:
        trials = pd.read_csv(trials_csv_path, dtype={"id": str, "error": str})
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {trials_csv_path}: {error}") from error
    missing = {"id", "status", "score", "part"} - set(trials.columns)
    if missing:
        raise UserError(f"{trials_csv_path} has no column {', '.join(sorted(missing))}")
    if trials["score"].isna().all():
        raise UserError(f"{trials_csv_path} has no trial that is done. Wait for the first")
    save(search_figure(trials, title), Path(out_png_path))


def search_figure(trials: pd.DataFrame, title: str):
    """Returns a matplotlib `Figure` of the trials, a `DataFrame` of the columns of `trials.csv`."""
    names = [name for name in trials.columns if name not in NO_VALUES]
    names = [name for name in names if trials[name].notna().any()]
    rows = math.ceil((1 + len(names)) / COLUMNS)
    figure = new_figure(3.4 * COLUMNS, 2.8 * rows + 0.5)
    grid = figure.subplots(rows, COLUMNS, squeeze=False, sharey=True).flatten()
    trials = trials.assign(number=range(len(trials)))
    best = _best(trials)
    _draw(grid[0], trials, trials["number"], best)
    _draw_best_so_far(grid[0], trials)
    grid[0].set_xlabel("trial")
    grid[0].locator_params(axis="x", integer=True)
    for axes, name in zip(grid[1:], names, strict=False):
        _draw(axes, trials, _positions(axes, trials[name]), best)
        axes.set_xlabel(name, **LITERAL)
    for axes in grid[1 + len(names) :]:
        axes.set_visible(False)
    for axes in grid[::COLUMNS]:
        axes.set_ylabel("held-out error (%)")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.suptitle(title, fontsize=11, **LITERAL)
    figure.legend(
        handles, labels, loc="upper center", ncols=len(labels), fontsize=9, frameon=False,
        bbox_to_anchor=(0.5, 1 - 0.26 / figure.get_figheight()),
    )  # fmt: skip
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.3 / figure.get_figheight()))
    return figure


def _best(trials):
    """The lowest score among the longest; a shortened trial's is no rival."""
    done = trials[trials["score"].notna()]
    return done[done["part"] == done["part"].max()]["score"].idxmin()


def _draw(axes, trials, x, best):
    longest = trials["part"] == trials["part"].max()
    done = trials["score"].notna()
    score = trials["score"]
    for chosen, face, label in (
        (done & longest, BLUE, "whole schedule"),
        (done & ~longest, "white", "shortened"),
    ):
        if chosen.any():
            axes.plot(
                x[chosen], score[chosen], "o", markersize=6, color=BLUE, markerfacecolor=face,
                alpha=0.85, label=label, gid=label,
            )  # fmt: skip
    failed = trials["status"] == "failed"
    if failed.any():
        # They have no score: at the upper edge, whatever the axis.
        axes.plot(
            x[failed], [0.97] * failed.sum(), "x", color=ORANGE, markersize=8, markeredgewidth=2,
            transform=axes.get_xaxis_transform(), label="failed", gid="failed",
        )  # fmt: skip
    axes.plot(
        [x[best]], [score[best]], "*", color=VERMILION, markersize=15, markeredgecolor="white",
        label=f"best, {score[best]:.2f} %", gid="best", zorder=4,
    )  # fmt: skip
    axes.margins(y=0.12)
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)


def _draw_best_so_far(axes, trials):
    whole = trials["score"].where(trials["part"] == trials["part"].max())
    axes.step(
        trials["number"], whole.cummin().ffill(), where="post", color=VERMILION, linewidth=1.2,
        label="best so far", gid="best so far", zorder=1,
    )  # fmt: skip


def _positions(axes, values):
    """Numbers as they are; names and choices of yes and no side by side."""
    numbers = pd.to_numeric(values, errors="coerce")
    if values.dtype == bool or numbers[values.notna()].isna().any():
        names = sorted(values.dropna().astype(str).unique())
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.5, len(names) - 0.5)
        places = {name: place for place, name in enumerate(names)}
        return values.astype(str).map(places)
    positive = numbers.dropna()
    if positive.min() > 0 and positive.max() / positive.min() >= LOG_FROM:
        axes.set_xscale("log")
    elif (choices := sorted(positive.unique())) and len(choices) <= 4:
        axes.set_xticks(choices)
    return numbers
