"""A run's training curve as in Fig. 6: error over iterations, training thin, test bold."""

import os
from collections.abc import Sequence
from pathlib import Path

from resnet_keras.errors import UserError
from resnet_keras.reporting.figures import BLUE, LITERAL, VERMILION, new_figure, save
from resnet_keras.runs.metrics import read_metrics

# A learning rate divided by at least this much is a drop; schedules that glide have none.
DROP_FACTOR = 2.0
# From this part of the run on, everything lies inside the axes. What comes before may start at
# 90 %, which would press the rest flat; Fig. 6 cuts it off at 20 %.
ALWAYS_SHOWN_FROM = 0.25
TOPS = (1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100)
SPLITS = ("test", "validation")


def draw_curve(
    metrics_csv_path: str | os.PathLike,
    out_png_path: str | os.PathLike,
    title: str,
    total_steps: int | None = None,
    dropped_at: Sequence[int] | None = None,
) -> None:
    """Draws the curve of a run into a .png file.

    Args:
        metrics_csv_path: the run's `metrics.csv`, see `metrics_file.read_metrics`.
        out_png_path: the file; an older one stays until the new one is whole.
        title: taken literally, `$` included.
        total_steps: iterations the run is to have; a run with fewer is marked as unfinished.
        dropped_at: iterations after which the learning rate drops. `None` reads them off the rows,
            as exactly as these lie close together.

    Raises:
        UserError: if the metrics cannot be read, hold no error, or the figure cannot be written.
    """
    metrics = read_metrics(metrics_csv_path)
    if metrics[["train_error", "validation_error", "test_error"]].isna().all(axis=None):
        raise UserError(
            f"{metrics_csv_path} has no error measured yet. Wait for the run's first evaluation"
        )
    save(curve_figure(metrics, title, total_steps, dropped_at), Path(out_png_path))


def curve_figure(
    metrics,
    title: str,
    total_steps: int | None = None,
    dropped_at: Sequence[int] | None = None,
):
    """Returns a matplotlib `Figure` of the curve.

    Args:
        metrics: a `DataFrame` as `metrics_file.read_metrics` returns it.
        title: taken literally.
        total_steps: see `draw_curve`.
        dropped_at: see `draw_curve`.
    """
    figure = new_figure(6.4, 4.2)
    axes = figure.add_subplot()
    last = int(metrics["step"].iloc[-1])
    scale, unit = (1e4, " (1e4)") if max(last, total_steps or 0) >= 10_000 else (1, "")
    curves = {"train": _measured(metrics, "train", scale)}
    bold = _bold_split(metrics)
    if bold:
        curves[bold] = _measured(metrics, bold, scale)
    _draw_errors(axes, curves, bold)
    if bold == "validation":
        _draw_single_test(axes, metrics, scale)
    _limit(axes, curves, _top(metrics), max(last, total_steps or 0) / scale)
    x, y = curves[bold or "train"]
    if len(x):
        _annotate_last(axes, x[-1], y[-1])
    for step in drops(metrics) if dropped_at is None else [s for s in dropped_at if s < last]:
        axes.axvline(step / scale, color="0.6", linewidth=0.8, linestyle=":", zorder=0, gid="drop")
    axes.set_xlabel(f"iterations{unit}")
    axes.set_ylabel("error (%)")
    axes.locator_params(axis="y", steps=[1, 2, 5, 10])
    axes.set_title(title, fontsize=11, pad=18, **LITERAL)
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    if total_steps is not None and last < total_steps:
        _mark_unfinished(axes, last, total_steps, scale)
    axes.legend(loc="upper right", frameon=True, framealpha=0.9, fontsize=9)
    figure.tight_layout()
    return figure


def drops(metrics) -> list[int]:
    """Returns the steps at which the learning rate drops: the last measured at the old rate."""
    measured = metrics[metrics["learning_rate"].notna()]
    rates, steps = measured["learning_rate"].to_numpy(), measured["step"].to_numpy()
    return [
        int(steps[i])
        for i in range(len(rates) - 1)
        if rates[i + 1] > 0 and rates[i] / rates[i + 1] >= DROP_FACTOR * (1 - 1e-6)
    ]


def _measured(metrics, split, scale):
    rows = metrics[metrics[f"{split}_error"].notna()]
    return (rows["step"] / scale).to_numpy(), rows[f"{split}_error"].to_numpy()


def _bold_split(metrics):
    """The test error; the validation error where the test was measured once, at the end."""
    counts = {split: int(metrics[f"{split}_error"].notna().sum()) for split in SPLITS}
    if counts["test"] <= 1 and counts["validation"] > counts["test"]:
        return "validation"
    return "test" if counts["test"] else None


def _draw_errors(axes, curves, bold):
    for name, (x, y) in curves.items():
        if not len(x):
            continue
        style = (
            {"color": VERMILION, "linewidth": 2.2, "zorder": 3}
            if name == bold
            else {"color": BLUE, "linewidth": 0.9, "linestyle": (0, (4, 1.5)), "zorder": 2}
        )
        marker = "o" if len(x) == 1 else None
        label = f"{name} error, last {y[-1]:.2f} %"
        axes.plot(x, y, marker=marker, label=label, gid=name, **style)


def _annotate_last(axes, x, y):
    # Beside the point where the run is unfinished, else above it.
    room = x < 0.85 * axes.get_xlim()[1]
    place = {"xytext": (6, 0), "ha": "left", "va": "center"}
    if not room:
        place = {"xytext": (0, 7), "ha": "right", "va": "bottom"}
    axes.annotate(
        f"{y:.2f} %", (x, y), textcoords="offset points", **place,
        fontsize=9, weight="bold", gid="last",
        bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1}, zorder=4,
    )  # fmt: skip


def _draw_single_test(axes, metrics, scale):
    x, y = _measured(metrics, "test", scale)
    if len(x):
        axes.plot(
            x, y, "s", color="black", markersize=6, zorder=5, gid="test",
            label=f"test error, {y[-1]:.2f} %",
        )  # fmt: skip


def _top(metrics):
    """The lowest round limit above everything from `ALWAYS_SHOWN_FROM` on."""
    late = metrics[metrics["step"] >= ALWAYS_SHOWN_FROM * metrics["step"].iloc[-1]]
    columns = [f"{split}_error" for split in ("train", *SPLITS)]
    shown = late if late[columns].notna().any(axis=None) else metrics
    highest = shown[columns].max(axis=None)
    return next((top for top in TOPS if highest <= 0.97 * top), 102)


def _limit(axes, curves, top, right):
    axes.set_ylim(0, top)
    left = min((float(x[0]) for x, _ in curves.values() if len(x)), default=0.0)
    axes.set_xlim(min(0.0, left), right * 1.02 if right > 0 else 1.0)
    highest = max((float(y.max()) for _, y in curves.values() if len(y)), default=0.0)
    if highest > top:
        axes.text(
            0, 1.015, f"↑ to {highest:.0f} %", transform=axes.transAxes, fontsize=8,
            va="bottom", color="0.3", gid="cut",
        )  # fmt: skip


def _mark_unfinished(axes, last, total_steps, scale):
    axes.axvspan(last / scale, total_steps / scale, color="0.93", zorder=0, gid="unfinished")
    axes.text(
        1, 1.015, f"unfinished: {last:,} of {total_steps:,} iterations", fontsize=8,
        transform=axes.transAxes, ha="right", va="bottom", color="0.3", gid="unfinished",
    )  # fmt: skip
