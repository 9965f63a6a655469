"""The training curve of one run, in the style of Fig. 6: thin training error, bold test error."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_keras.errors import UserError
from resnet_keras.reporting.figures import (
    ALWAYS_SHOWN_FROM,
    BLUE,
    LITERAL,
    VERMILION,
    draw_grid,
    draw_legend,
    error_limit,
    new_figure,
    save_figure,
)
from resnet_keras.runs.metrics import read_table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Curve = tuple[np.ndarray, np.ndarray]  # x in axis units, error in percent

# The learning rate drops if it is divided by at least this number. Smooth schedules have no drops.
_DROP_FACTOR = 2.0
_EVALUATED_SPLITS = ("test", "validation")


def draw_curve(
    metrics_csv_path: str | os.PathLike[str],
    out_png_path: str | os.PathLike[str],
    title: str,
    total_steps: int | None = None,
    dropped_at: Sequence[int] | None = None,
) -> None:
    """Draws the training curve of a run into a .png file.

    Args:
        metrics_csv_path: the `metrics.csv` of the run.
        out_png_path: the file to write. An existing file is replaced only when the new one is
            complete.
        title: the title of the figure, taken literally, including dollar signs.
        total_steps: the number of steps of the complete run. A run with fewer steps is marked as
            unfinished.
        dropped_at: the steps after which the learning rate drops. `None` finds them in the rows,
            only as precisely as these are spaced.

    Raises:
        UserError: if the metrics cannot be read or hold no error, or the figure cannot be written.

    Example:

    >>> from resnet_keras.runs.metrics import Row, append_row
    >>> append_row(Path("metrics.csv"), Row(500, 0.1, 1.2, 45.0, None, 41.5, 12.5, 5120.0))
    >>> draw_curve("metrics.csv", "curve.png", "my run", total_steps=64_000)
    >>> Path("curve.png").exists()
    True
    """
    metrics = read_table(metrics_csv_path)
    if metrics[["train_error", "validation_error", "test_error"]].isna().all(axis=None):
        raise UserError(
            f"{metrics_csv_path} has no error measured yet. Wait for the run's first evaluation"
        )
    save_figure(curve_figure(metrics, title, total_steps, dropped_at), Path(out_png_path))


def curve_figure(
    metrics: pd.DataFrame,
    title: str,
    total_steps: int | None = None,
    dropped_at: Sequence[int] | None = None,
) -> Figure:
    """Returns a figure of the training curve of a run.

    Args:
        metrics: the rows of `metrics.csv`, as `runs.metrics.read_table` returns them.
        title: see `draw_curve`.
        total_steps: see `draw_curve`.
        dropped_at: see `draw_curve`.

    Example:

    >>> import pandas as pd
    >>> metrics = pd.DataFrame({"step": [500, 1000], "learning_rate": 0.1, "train_error": [45, 38],
    ...                         "validation_error": float("nan"), "test_error": [41.5, 36.0]})
    >>> figure = curve_figure(metrics, "my run")
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['training error (last: 38.00 %)', 'test error (last: 36.00 %)']
    """
    figure = new_figure(6.4, 4.2)
    axes = figure.add_subplot()
    last = int(metrics["step"].iloc[-1])
    end = max(last, total_steps or 0)
    scale, unit = (1e4, " (1e4)") if end >= 10_000 else (1.0, "")
    curves = {"train": _measured(metrics, "train", scale)}
    bold = _bold_split(metrics)
    if bold:
        curves[bold] = _measured(metrics, bold, scale)
    _draw_errors(axes, curves, bold)
    if bold == "validation":
        _draw_single_test(axes, metrics, scale)
    _set_limits(axes, curves, error_limit(_highest_shown(metrics)), end / scale)
    x, y = curves[bold or "train"]
    if len(x):
        _annotate_last(axes, float(x[-1]), float(y[-1]))
    drops = learning_rate_drops(metrics) if dropped_at is None else dropped_at
    for step in drops:
        if step < last:
            axes.axvline(
                step / scale, color="0.6", linewidth=0.8, linestyle=":", zorder=0, gid="drop"
            )
    axes.set_xlabel(f"iterations{unit}")
    axes.set_ylabel("error (%)")
    axes.locator_params(axis="y", steps=[1, 2, 5, 10])
    axes.set_title(title, fontsize=11, pad=18, **LITERAL)
    draw_grid(axes)
    if total_steps is not None and last < total_steps:
        _mark_unfinished(axes, last, total_steps, scale)
    draw_legend(axes, loc="upper right", fontsize=9)
    figure.tight_layout()
    return figure


def learning_rate_drops(metrics: pd.DataFrame) -> list[int]:
    """Returns the steps at which the learning rate drops.

    Args:
        metrics: a `DataFrame` with the columns `step` and `learning_rate`.

    Returns:
        For each drop, the step of the last row with the old learning rate.

    Example:

    >>> import pandas as pd
    >>> metrics = pd.DataFrame({"step": [100, 200, 300], "learning_rate": [0.1, 0.1, 0.01]})
    >>> learning_rate_drops(metrics)
    [200]
    """
    measured = metrics[metrics["learning_rate"].notna()]
    rates, steps = measured["learning_rate"].to_numpy(), measured["step"].to_numpy()
    return [
        int(steps[i])
        for i in range(len(rates) - 1)
        if rates[i + 1] > 0 and rates[i] / rates[i + 1] >= _DROP_FACTOR * (1 - 1e-6)
    ]


def _measured(metrics: pd.DataFrame, split: str, scale: float) -> Curve:
    rows = metrics[metrics[f"{split}_error"].notna()]
    return (rows["step"] / scale).to_numpy(), rows[f"{split}_error"].to_numpy()


def _bold_split(metrics: pd.DataFrame) -> str | None:
    """Returns the test error, or the validation error if the test error was measured only once."""
    counts = {split: int(metrics[f"{split}_error"].notna().sum()) for split in _EVALUATED_SPLITS}
    if counts["test"] <= 1 and counts["validation"] > counts["test"]:
        return "validation"
    return "test" if counts["test"] else None


def _draw_errors(axes: Axes, curves: dict[str, Curve], bold: str | None) -> None:
    names = {"train": "training"}
    for split, (x, y) in curves.items():
        if not len(x):
            continue
        style: dict[str, Any] = (
            {"color": VERMILION, "linewidth": 2.2, "zorder": 3}
            if split == bold
            else {"color": BLUE, "linewidth": 0.9, "linestyle": (0, (4, 1.5)), "zorder": 2}
        )
        marker = "o" if len(x) == 1 else None
        label = f"{names.get(split, split)} error (last: {y[-1]:.2f} %)"
        axes.plot(x, y, marker=marker, label=label, gid=split, **style)


def _draw_single_test(axes: Axes, metrics: pd.DataFrame, scale: float) -> None:
    x, y = _measured(metrics, "test", scale)
    if len(x):
        axes.plot(
            x, y, "s", color="black", markersize=6, zorder=5, gid="test",
            label=f"test error ({y[-1]:.2f} %)",
        )  # fmt: skip


def _annotate_last(axes: Axes, x: float, y: float) -> None:
    # To the right of the last point if there is room because the run is unfinished, else above it.
    position: dict[str, Any] = {"xytext": (0, 7), "ha": "right", "va": "bottom"}
    if x < 0.85 * axes.get_xlim()[1]:
        position = {"xytext": (6, 0), "ha": "left", "va": "center"}
    axes.annotate(
        f"{y:.2f} %", (x, y), textcoords="offset points", **position,
        fontsize=9, weight="bold", gid="last",
        bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1}, zorder=4,
    )  # fmt: skip


def _highest_shown(metrics: pd.DataFrame) -> float:
    """Returns the highest error from `ALWAYS_SHOWN_FROM` on."""
    late = metrics[metrics["step"] >= ALWAYS_SHOWN_FROM * metrics["step"].iloc[-1]]
    columns = [f"{split}_error" for split in ("train", *_EVALUATED_SPLITS)]
    shown = late if late[columns].notna().any(axis=None) else metrics
    return float(shown[columns].max(axis=None))


def _set_limits(axes: Axes, curves: dict[str, Curve], top: float, right: float) -> None:
    axes.set_ylim(0, top)
    left = min((float(x[0]) for x, _ in curves.values() if len(x)), default=0.0)
    axes.set_xlim(min(0.0, left), right * 1.02 if right > 0 else 1.0)
    highest = max((float(y.max()) for _, y in curves.values() if len(y)), default=0.0)
    if highest > top:
        axes.text(
            0, 1.015, f"↑ up to {highest:.0f} %", transform=axes.transAxes, fontsize=8,
            va="bottom", color="0.3", gid="cut",
        )  # fmt: skip


def _mark_unfinished(axes: Axes, last: int, total_steps: int, scale: float) -> None:
    axes.axvspan(last / scale, total_steps / scale, color="0.93", zorder=0, gid="unfinished")
    axes.text(
        1, 1.015, f"unfinished: {last:,} of {total_steps:,} iterations", fontsize=8,
        transform=axes.transAxes, ha="right", va="bottom", color="0.3", gid="unfinished",
    )  # fmt: skip
