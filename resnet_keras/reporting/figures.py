"""What all figures share: the canvas, colors, axes, footnotes, and writing the file."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_keras.files import atomic_write, make_folder
from resnet_keras.reporting.groups import Group, paper_steps
from resnet_keras.reporting.paper import has_paper_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

# The palette of Okabe and Ito, which color-blind readers can distinguish. Line styles and markers
# distinguish the curves in grey.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"

# A color and a marker for each of several curves.
STYLES = (
    (BLUE, "o"),
    (VERMILION, "s"),
    (GREEN, "^"),
    (ORANGE, "D"),
    (PURPLE, "v"),
    (SKY, "P"),
    (BLACK, "X"),
)

# Matplotlib reads "$...$" as mathematics. Names of classes, files and runs are never mathematics.
LITERAL: dict[str, Any] = {"parse_math": False}

# From this fraction of the schedule on, all values lie inside the axes. Earlier values may start at
# 90 %, which would flatten the rest of the curve; the axis of Fig. 6 ends at 20 %.
ALWAYS_SHOWN_FROM = 0.25
_AXIS_LIMITS = (1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100)

SINGLE_SEED_NOTE = "Based on one seed per network; small differences may be due to chance."

# The default font of matplotlib has no Chinese, Japanese or Korean characters. One of these fonts
# may be installed.
_CJK_FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "WenQuanYi Zen Hei",
    "Arial Unicode MS",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Malgun Gothic",
)

_FOOTNOTE_SIZE = 7.5
_FOOTNOTE_CHARACTERS_PER_INCH = 17.0


def font_families() -> list[str]:
    """Returns the fonts for text that may contain Chinese, Japanese or Korean characters.

    Returns:
        The default font of matplotlib, followed by the installed fonts for the characters that it
        lacks.

    Example:

    >>> font_families()[0]
    'DejaVu Sans'
    """
    from matplotlib.font_manager import get_font_names

    installed = set(get_font_names())
    return ["DejaVu Sans", *(name for name in _CJK_FONTS if name in installed)]


def new_figure(width: float, height: float) -> Figure:
    """Creates a figure that needs no display and leaves the global state of pyplot alone.

    Args:
        width: in inches.
        height: in inches.

    Example:

    >>> new_figure(6.4, 4.2).get_size_inches().tolist()
    [6.4, 4.2]
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: str | os.PathLike[str], dpi: int = 150) -> None:
    """Writes a figure to a file, completely or not at all. Missing folders are created.

    Args:
        figure: the figure.
        path: a .png or .svg file. An existing file is replaced only when the new one is complete.
        dpi: the resolution of a .png file.

    Raises:
        UserError: if the file cannot be written.

    Example:

    >>> save_figure(new_figure(1, 1), "figures/empty.png")
    >>> Path("figures/empty.png").exists()
    True
    """
    path = Path(path)
    file_format = path.suffix[1:].lower() or "png"
    make_folder(path.parent)
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        figure.savefig(file, format=file_format, dpi=dpi, facecolor="white")


def error_limit(highest: float) -> float:
    """Returns the upper limit of an axis for errors in percent.

    Args:
        highest: the highest error to show, in percent.

    Returns:
        The lowest round number that leaves some room above.

    Example:

    >>> error_limit(9.0), error_limit(9.9), error_limit(100.0)
    (10, 15, 102)
    """
    return next((limit for limit in _AXIS_LIMITS if highest <= 0.97 * limit), 102)


def draw_grid(axes: Axes) -> None:
    """Draws pale horizontal grid lines behind everything else.

    Args:
        axes: the axes to draw into.

    Example:

    >>> axes = new_figure(4, 3).add_subplot()
    >>> draw_grid(axes)
    >>> axes.get_axisbelow()
    True
    """
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)


def draw_legend(axes: Axes, **options: Any) -> Legend:
    """Draws a legend whose labels are taken literally, even if they contain dollar signs.

    Args:
        axes: the axes to draw into.
        **options: further arguments of `Axes.legend`.

    Example:

    >>> axes = new_figure(4, 3).add_subplot()
    >>> _ = axes.plot([0, 1], label="cost in $")
    >>> draw_legend(axes).get_texts()[0].get_text()
    'cost in $'
    """
    legend = axes.legend(**{"fontsize": 8, "framealpha": 0.9, **options})
    for text in legend.get_texts():
        text.set_parse_math(False)
    return legend


def footnotes(groups: Sequence[Group], overlay_paper: bool = False) -> list[str]:
    """Returns the sentences to write below a figure of curves.

    Args:
        groups: the groups in the figure.
        overlay_paper: whether the curves of the paper are drawn behind ours.

    Returns:
        Departures from the paper first, then how to read the curves.

    Example:

    >>> from resnet_keras.recipe import Recipe
    >>> footnotes([Group(Recipe("resnet20", steps=6_400), ())])[0]
    'The schedule is shortened to 6,400 iterations (64,000 in the paper).'
    """
    notes = departures(groups)
    precisions = sorted({group.recipe.precision for group in groups})
    if precisions != ["float32"]:
        notes.append(f"Trained with {' and '.join(precisions)} (float32 in the paper).")
    shortened = any(group.recipe.steps != paper_steps(group.recipe) for group in groups)
    if overlay_paper and shortened and any(map(has_paper_curve, groups)):
        notes.append("The paper's curves are rescaled to the same fraction of the schedule.")
    counts = seed_counts(groups)
    if counts == [1]:
        notes.append(SINGLE_SEED_NOTE)
    elif counts:
        number = " or ".join(str(count) for count in counts if count > 1)
        notes.append(
            f"Lines show the mean over {number} seeds; bands range from the lowest to the highest "
            "seed."
        )
        if counts[0] == 1:
            notes.append("Curves without a band have one seed.")
    unfinished = [run.name for group in groups for run in group.unfinished]
    if unfinished:
        notes.append(
            "Unfinished runs are drawn up to their last evaluation, marked by an open symbol: "
            f"{_enumerate(unfinished)}."
        )
    notes.append("Dotted vertical lines mark drops of the learning rate.")
    return notes


def departures(groups: Sequence[Group]) -> list[str]:
    """Returns sentences about schedules and data sets that are not those of the paper.

    Args:
        groups: the groups in a figure or a table.

    Example:

    >>> from resnet_keras.recipe import Recipe
    >>> departures([Group(Recipe("resnet20", dataset="digits"), ())])
    ['The data set is digits (CIFAR-10 in the paper).']
    """
    notes = []
    ours = {group.recipe.steps for group in groups}
    papers = {paper_steps(group.recipe) for group in groups}
    if ours != papers:
        if len(ours) > 1:
            start = "The schedules have"
        elif max(ours) < max(papers):
            start = "The schedule is shortened to"
        else:
            start = "The schedule has"
        notes.append(
            f"{start} {_format_steps(ours)} iterations ({_format_steps(papers)} in the paper)."
        )
    datasets = sorted({group.recipe.dataset for group in groups})
    if any(group.recipe.architecture.family == "cifar" for group in groups):
        paper_dataset, same = "CIFAR-10", datasets == ["cifar10"]
    else:
        paper_dataset, same = "ImageNet 2012", datasets in (["imagenet"], ["imagenet2012"])
    if not same:
        notes.append(f"The data set is {' or '.join(datasets)} ({paper_dataset} in the paper).")
    return notes


def seed_counts(groups: Sequence[Group]) -> list[int]:
    """Returns the different numbers of complete runs per group, sorted, without zero.

    Args:
        groups: the groups in a figure or a table.

    Example:

    >>> seed_counts([])
    []
    """
    return sorted({len(group.complete) for group in groups if group.complete})


def write_footnotes(figure: Figure, notes: Sequence[str]) -> None:
    """Writes sentences at the bottom of a figure and moves the axes up to make room.

    Args:
        figure: the figure with everything else in place.
        notes: the sentences.

    Example:

    >>> figure = new_figure(6.4, 4.2)
    >>> write_footnotes(figure, ["One seed."])
    >>> figure.texts[0].get_text()
    'One seed.'
    """
    width, height = figure.get_size_inches()
    text = textwrap.fill(" ".join(notes), int(width * _FOOTNOTE_CHARACTERS_PER_INCH))
    lines = text.count("\n") + 1
    room = (lines * _FOOTNOTE_SIZE * 1.35 + 8) / 72 / height
    figure.tight_layout(rect=(0, room, 1, 1))
    figure.text(
        0.012, 0.012, text, fontsize=_FOOTNOTE_SIZE, color="0.25", va="bottom", ha="left",
        linespacing=1.3, gid="footnotes", **LITERAL,
    )  # fmt: skip


def _format_steps(steps: set[int]) -> str:
    if len(steps) > 2:
        return f"{min(steps):,} to {max(steps):,}"
    return " and ".join(f"{number:,}" for number in sorted(steps))


def _enumerate(names: Sequence[str], most: int = 4) -> str:
    remaining = len(names) - most
    return ", ".join(names[:most]) + (f" and {remaining} more" if remaining > 0 else "")
