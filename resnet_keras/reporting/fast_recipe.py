"""Error against the length of the training: recipes in several numbers of epochs."""

import dataclasses
import itertools
from collections.abc import Sequence

from resnet_keras import recipes
from resnet_keras.errors import UsageError
from resnet_keras.recipe import Recipe
from resnet_keras.reporting.error_figures import STYLES
from resnet_keras.reporting.figures import LITERAL, new_figure, write_footnotes
from resnet_keras.reporting.groups import (
    Group,
    differing_values,
    mean_and_std,
    paper_steps,
    seeds,
    word,
)
from resnet_keras.reporting.paper import reported
from resnet_keras.reporting.tables import signed

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


# What all runs of the ablation have in common, or what does not change what is learnt.
_ABLATION_ASIDE = (
    "arch", "option", "steps", "eval_every", "validation_size", "seed", "precision", "devices",
    "flip", "deterministic", "augmentation",
)  # fmt: skip


def ablation_table(groups: Sequence[Group]):
    """Returns the numbers as a pandas `DataFrame`: of runs of equal length and as many images held
    out the unchanged one first, then the best first.

    Columns: `change` (in words; empty for none), `epochs`, `held_out` (images),
    `validation_error` and `std_error` (percent; mean and sample standard deviation over seeds),
    `n` (complete runs), `difference` (points of percent against the unchanged one of its kind).
    """
    import pandas

    rows = []
    for group in groups:
        mean, std = mean_and_std(group.last_errors("validation"))
        recipe = group.recipe
        rows.append(
            {
                "change": _change(recipe),
                "epochs": group.epochs,
                "held_out": recipe.validation_size,
                "validation_error": round(mean, 4),
                "std_error": round(std, 4),
                "n": len(group.last_errors("validation")),
            }
        )
    table = pandas.DataFrame(rows)
    kind = ["epochs", "held_out"]
    base = table[table.change == ""].drop_duplicates(kind).set_index(kind).validation_error
    of_its_kind = base.reindex(pandas.MultiIndex.from_frame(table[kind])).to_numpy()
    table["difference"] = table.validation_error - of_its_kind
    table["changed"] = table.change != ""
    table = table.sort_values([*kind, "changed", "validation_error"])
    return table.drop(columns="changed").reset_index(drop=True)


def notes(groups: Sequence[Group]) -> list[str]:
    """Returns the sentences that belong below the table."""
    sizes = sorted({group.recipe.validation_size for group in groups})
    precisions = sorted({group.recipe.precision for group in groups})
    return [
        f"Mean ± standard deviation over seeds (their number) of the last iterate's error on "
        f"{' or '.join(f'{size:,}' for size in sizes)} training images held out; the test "
        "images have no part in it. Differences: against the unchanged recipe in as many epochs. "
        f"Arithmetic: {' and '.join(precisions)}."
    ]


def readable(table):
    """Returns the table as text, for people: a `DataFrame` of strings under headings."""
    import pandas

    errors = [
        "unfinished" if not n else f"{mean:.2f}" + (f" ± {std:.2f}" if n > 1 else "") + f" ({n})"
        for mean, std, n in zip(table.validation_error, table.std_error, table.n, strict=True)
    ]
    return pandas.DataFrame(
        {
            "change to one cycle": [change or "none" for change in table.change],
            "epochs": [f"{epochs:g}" for epochs in table.epochs],
            "held-out error (%)": errors,
            "difference": [signed(value) for value in table.difference],
        }
    )


def _change(recipe):
    """What differs from the recipe, in words; empty for the recipe itself."""
    try:
        base = recipes.make("paper", recipe.arch, option=recipe.option, **recipes.ONE_CYCLE)
    except UsageError:
        return str(recipe)
    mine, theirs = recipe.to_json(), base.to_json()
    return ", ".join(
        f"{name.replace('_', ' ')} {_spelled(mine[name])} for {_spelled(theirs[name])}"
        for name in mine
        if name not in _ABLATION_ASIDE and mine[name] != theirs[name]
    )


def _spelled(value):
    if isinstance(value, list):
        return ",".join(map(str, value)) or "none"
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else value
