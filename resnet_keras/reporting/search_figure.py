"""A figure of a hyperparameter search: the score of each trial over time and by value."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_keras.errors import UserError
from resnet_keras.reporting.figures import (
    BLUE,
    LITERAL,
    ORANGE,
    VERMILION,
    draw_grid,
    new_figure,
    save_figure,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The columns of `trials.csv` that are not values of a recipe.
_NOT_SEARCHED = ("id", "status", "part", "score", "steps", "seconds", "error")
_PANELS_PER_ROW = 3
# Values that span at least this factor have a logarithmic axis.
_LOGARITHMIC_FROM = 8.0


def draw_search(
    trials_csv_path: str | os.PathLike[str], out_png_path: str | os.PathLike[str], title: str
) -> None:
    """Draws a hyperparameter search into a .png file.

    Args:
        trials_csv_path: the `trials.csv` of the search, with one row per trial.
        out_png_path: the file to write. An existing file is replaced only when the new one is
            complete.
        title: the title of the figure, taken literally.

    Raises:
        UserError: if the trials cannot be read, none of them is complete, or the figure cannot be
            written.

    Example:

    >>> _ = Path("trials.csv").write_text("id,status,part,score,decay\\n0,done,1.0,9.5,0.0001\\n")
    >>> draw_search("trials.csv", "search.png", "my search")
    >>> Path("search.png").exists()
    True
    """
    import pandas as pd

    try:
        trials = pd.read_csv(trials_csv_path, dtype={"id": str, "error": str})
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {trials_csv_path}: {error}") from error
    missing = {"id", "status", "score", "part"} - set(trials.columns)
    if missing:
        raise UserError(
            f"{trials_csv_path} is not the trials.csv of a search: it lacks the columns "
            f"{', '.join(sorted(missing))}"
        )
    if trials["score"].isna().all():
        raise UserError(f"{trials_csv_path} has no complete trial. Wait for the first one")
    save_figure(search_figure(trials, title), Path(out_png_path))


def search_figure(trials: pd.DataFrame, title: str) -> Figure:
    """Returns a figure of a hyperparameter search.

    The first panel shows the scores in the order of the trials, the others show them against each
    value that was searched.

    Args:
        trials: a `DataFrame` with the columns of `trials.csv`.
        title: the title of the figure, taken literally.

    Example:

    >>> import pandas as pd
    >>> trials = pd.DataFrame({"id": ["0", "1"], "status": "done", "part": 1.0,
    ...                        "score": [9.5, 9.1], "decay": [1e-4, 5e-4]})
    >>> figure = search_figure(trials, "my search")
    >>> [axes.get_xlabel() for axes in figure.axes if axes.get_visible()]
    ['trial', 'decay']
    """
    names = [name for name in trials.columns if name not in _NOT_SEARCHED]
    names = [name for name in names if trials[name].notna().any()]
    rows = math.ceil((1 + len(names)) / _PANELS_PER_ROW)
    figure = new_figure(3.4 * _PANELS_PER_ROW, 2.8 * rows + 0.5)
    panels = figure.subplots(rows, _PANELS_PER_ROW, squeeze=False, sharey=True).flatten()
    trials = trials.assign(number=range(len(trials)))
    best = _best_trial(trials)
    _draw_trials(panels[0], trials, trials["number"], best)
    _draw_best_so_far(panels[0], trials)
    panels[0].set_xlabel("trial")
    panels[0].locator_params(axis="x", integer=True)
    for axes, name in zip(panels[1:], names, strict=False):
        _draw_trials(axes, trials, _set_up_x_axis(axes, trials[name]), best)
        axes.set_xlabel(name, **LITERAL)
    for axes in panels[1 + len(names) :]:
        axes.set_visible(False)
    for axes in panels[::_PANELS_PER_ROW]:
        axes.set_ylabel("held-out error (%)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.suptitle(title, fontsize=11, **LITERAL)
    figure.legend(
        handles, labels, loc="upper center", ncols=len(labels), fontsize=9, frameon=False,
        bbox_to_anchor=(0.5, 1 - 0.26 / figure.get_figheight()),
    )  # fmt: skip
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.3 / figure.get_figheight()))
    return figure


def _best_trial(trials: pd.DataFrame) -> int:
    """Returns the index of the lowest score among the trials with the longest schedule.

    The scores of trials with a shortened schedule are not comparable.
    """
    done = trials[trials["score"].notna()]
    return int(done[done["part"] == done["part"].max()]["score"].idxmin())


def _draw_trials(axes: Axes, trials: pd.DataFrame, x: pd.Series, best: int) -> None:
    longest = trials["part"] == trials["part"].max()
    done = trials["score"].notna()
    score = trials["score"]
    for chosen, face, label in (
        (done & longest, BLUE, "full schedule"),
        (done & ~longest, "white", "shortened schedule"),
    ):
        if chosen.any():
            axes.plot(
                x[chosen], score[chosen], "o", markersize=6, color=BLUE, markerfacecolor=face,
                alpha=0.85, label=label, gid=label,
            )  # fmt: skip
    failed = trials["status"] == "failed"
    if failed.any():
        # Failed trials have no score, so they are drawn at the upper edge of the axes.
        axes.plot(
            x[failed], [0.97] * failed.sum(), "x", color=ORANGE, markersize=8, markeredgewidth=2,
            transform=axes.get_xaxis_transform(), label="failed", gid="failed",
        )  # fmt: skip
    axes.plot(
        [x[best]], [score[best]], "*", color=VERMILION, markersize=15, markeredgecolor="white",
        label=f"best trial ({score[best]:.2f} %)", gid="best", zorder=4,
    )  # fmt: skip
    axes.margins(y=0.12)
    draw_grid(axes)


def _draw_best_so_far(axes: Axes, trials: pd.DataFrame) -> None:
    full = trials["score"].where(trials["part"] == trials["part"].max())
    axes.step(
        trials["number"], full.cummin().ffill(), where="post", color=VERMILION, linewidth=1.2,
        label="best so far", gid="best so far", zorder=1,
    )  # fmt: skip


def _set_up_x_axis(axes: Axes, values: pd.Series) -> pd.Series:
    """Sets the scale and the ticks of the axis for the values of a parameter.

    Returns:
        The positions of the values: numbers as they are, names and booleans at 0, 1, 2, …
    """
    import pandas as pd

    numbers = pd.to_numeric(values, errors="coerce")
    if values.dtype == bool or numbers[values.notna()].isna().any():
        names = sorted(values.dropna().astype(str).unique())
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.5, len(names) - 0.5)
        positions = {name: position for position, name in enumerate(names)}
        return values.astype(str).map(positions)
    known = numbers.dropna()
    if known.min() > 0 and known.max() / known.min() >= _LOGARITHMIC_FROM:
        axes.set_xscale("log")
    elif (choices := sorted(known.unique())) and len(choices) <= 4:
        axes.set_xticks(choices)
    return numbers
