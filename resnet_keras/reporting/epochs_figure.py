"""Error against the length of the training: recipes in several numbers of epochs."""

import dataclasses
import itertools
from collections.abc import Sequence

from resnet_keras.recipe import Recipe
from resnet_keras.reporting.error_axes import STYLES
from resnet_keras.reporting.figure_file import LITERAL, new_figure
from resnet_keras.reporting.footnote import write_footnotes
from resnet_keras.reporting.groups import (
    Group,
    differing_values,
    mean_and_std,
    paper_steps,
    seeds,
    word,
)
from resnet_keras.reporting.paper_numbers import reported

PAPER_BATCH = 128
# What differs between lengths of one recipe, or does not change what is learnt.
_ASIDE = {"steps": 1, "eval_every": 1, "seed": 0, "devices": 0, "deterministic": False}


def epochs_figure(groups: Sequence[Group]):
    """Returns a `Figure`: test error of the last iterate, a point a length, a line a recipe.

    A point is the mean over the seeds, its bar the lowest to the highest. Unfinished runs are
    named and have no point.

    Args:
        groups: of one network; one at least.
    """
    figure = new_figure(7.2, 4.6)
    axes = figure.subplots()
    recipes: dict[Recipe, list[Group]] = {}
    for group in groups:
        recipes.setdefault(dataclasses.replace(group.recipe, **_ASIDE), []).append(group)
    labels = [_label(recipe, list(recipes)) for recipe in recipes]
    lines = list(zip(map(_points, recipes.values()), labels, itertools.cycle(STYLES), strict=False))
    for points, label, (colour, marker) in lines:
        _draw(axes, points, label, colour, marker)
    _number(axes, [(*point[:2], colour) for points, _, (colour, _) in lines for point in points])
    paper = reported(groups[0].recipe)
    if paper and paper.error is not None:
        first = groups[0].recipe
        shown = PAPER_BATCH * paper_steps(first) / (first.batch_size * first.steps)
        epochs = groups[0].epochs * shown
        label = f"the paper's {paper.text}, {epochs:.0f} epochs"
        look = {"color": "0.35", "linestyle": (0, (4, 2)), "linewidth": 1.1}
        axes.axhline(paper.error, label=label, gid="paper", **look)
    _finish(axes, sorted({group.epochs for group in groups}), groups[0].network)
    write_footnotes(figure, _notes(groups))
    return figure


def _points(groups):
    """Returns epochs, mean and errors, one a seed, of the lengths that were finished."""
    found = sorted((group.epochs, group.last_errors("test")) for group in groups)
    return [(epochs, mean_and_std(errors)[0], errors) for epochs, errors in found if errors]


def _draw(axes, points, label, colour, marker):
    if not points:
        return
    x, means, _ = zip(*points, strict=True)
    below = [mean - min(errors) for _, mean, errors in points]
    above = [max(errors) - mean for _, mean, errors in points]
    axes.errorbar(x, means, yerr=(below, above), label=label, color=colour, marker=marker,
                  markersize=5.5, linewidth=1.6, capsize=3, gid=label)  # fmt: skip


def _number(axes, points):
    """Writes each mean beside its point: above it, but the lowest of several of one length below
    and to the left, where no falling line comes from."""
    for epochs, mean, colour in points:
        others = [other for at, other, _ in points if at == epochs]
        lowest = len(others) > 1 and mean == min(others)
        axes.annotate(f"{mean:.2f}", (epochs, mean), xytext=(-5, -5) if lowest else (5, 5),
                      ha="right" if lowest else "left", va="top" if lowest else "bottom",
                      textcoords="offset points", fontsize=8, color=colour)  # fmt: skip


def _finish(axes, ticks, network):
    from matplotlib.ticker import NullLocator

    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{epochs:g}" for epochs in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    # Room for the numbers beside the last points.
    axes.set_xlim(ticks[0] / 1.15, ticks[-1] * 1.2)
    axes.margins(y=0.12)
    axes.set_xlabel("epochs")
    axes.set_ylabel("test error (%)")
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_title(f"{network} in one cycle of the rate", fontsize=11, **LITERAL)
    for text in axes.legend(fontsize=8, framealpha=0.9).get_texts():
        text.set_parse_math(False)


def _label(recipe, recipes):
    """What sets a recipe apart from the others."""
    names = differing_values(recipe, recipes)
    return ", ".join(word(name, getattr(recipe, name)) for name in names) or "test error"


def _notes(groups):
    counts = sorted({len(group.complete) for group in groups if group.complete})
    notes = ["The last iterate's error, one view of each test image."]
    if counts == [1]:
        notes.append("One seed each: differences of some tenths may be chance.")
    elif counts:
        notes.append(f"Bars: lowest to highest seed, of {seeds(counts[-1])} at most.")
    unfinished = [run.name for group in groups for run in group.unfinished]
    if unfinished:
        notes.append(f"Unfinished, left out: {', '.join(unfinished)}.")
    return notes
