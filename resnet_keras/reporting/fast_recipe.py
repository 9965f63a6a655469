"""The recipe `fast`: test error against the number of epochs, and an ablation of its parts."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from resnet_keras import recipes
from resnet_keras.errors import UsageError
from resnet_keras.recipe import Recipe
from resnet_keras.reporting.figures import (
    LITERAL,
    SINGLE_SEED_NOTE,
    STYLES,
    draw_grid,
    draw_legend,
    new_figure,
    seed_counts,
    write_footnotes,
)
from resnet_keras.reporting.groups import (
    Group,
    differing_fields,
    format_field,
    format_seeds,
    mean_and_std,
    network_title,
    paper_steps,
)
from resnet_keras.reporting.paper import paper_result
from resnet_keras.reporting.tables import format_difference

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Epochs, the mean error over the seeds, and the errors of the seeds.
Point = tuple[float, float, list[float]]

_PAPER_BATCH_SIZE = 128
# The values that differ between runs of one recipe with different lengths, or that do not change
# what is learned.
_SAME_RECIPE: dict[str, Any] = {
    "steps": 1, "eval_every": 1, "seed": 0, "devices": 0, "deterministic": False,
}  # fmt: skip
# The values that all runs of the ablation share, or that do not change what is learned.
_NOT_ABLATED = (
    "arch", "option", "steps", "eval_every", "validation_size", "seed", "precision", "devices",
    "flip", "deterministic", "augmentation",
)  # fmt: skip


def epochs_figure(groups: Sequence[Group]) -> Figure:
    """Returns a figure of the test error against the number of epochs, with one line per recipe.

    A point is the mean over the seeds, with a bar from the lowest to the highest seed. Unfinished
    runs have no point; a footnote names them.

    Args:
        groups: at least one group, all of the same network.

    Example:

    >>> import pandas as pd
    >>> from pathlib import Path
    >>> from resnet_keras.runs.run import Run
    >>> metrics = pd.DataFrame({"step": [7_812], "test_error": [9.25]})
    >>> recipe = recipes.make("fast", "resnet20", steps=7_812, eval_every=7_812)
    >>> run = Run("my-run", Path("my-run"), recipe, metrics, {"train_examples": 50_000})
    >>> figure = epochs_figure([Group(recipe, (run,))])
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
    ['20']
    """
    figure = new_figure(7.2, 4.6)
    axes = figure.add_subplot()
    by_recipe: dict[Recipe, list[Group]] = {}
    for group in groups:
        recipe = dataclasses.replace(group.recipe, **_SAME_RECIPE)
        by_recipe.setdefault(recipe, []).append(group)
    labels = [_recipe_label(recipe, list(by_recipe)) for recipe in by_recipe]
    all_points = [_points(members) for members in by_recipe.values()]
    numbers: list[tuple[float, float, str]] = []
    for points, label, (color, marker) in zip(all_points, labels, itertools.cycle(STYLES)):
        _draw_points(axes, points, label, color, marker)
        numbers.extend((epochs, mean, color) for epochs, mean, _ in points)
    _write_means(axes, numbers)
    _draw_paper_error(axes, groups[0])
    _finish_axes(axes, sorted({group.epochs for group in groups}))
    network = network_title(groups[0].recipe.architecture)
    axes.set_title(f"{network} trained with the one-cycle schedule", fontsize=11, **LITERAL)
    write_footnotes(figure, _epochs_notes(groups))
    return figure


def _points(groups: Sequence[Group]) -> list[Point]:
    errors = sorted((group.epochs, group.last_errors("test")) for group in groups)
    return [(epochs, mean_and_std(values)[0], values) for epochs, values in errors if values]


def _recipe_label(recipe: Recipe, all_recipes: Sequence[Recipe]) -> str:
    names = differing_fields(recipe, all_recipes)
    return ", ".join(format_field(name, getattr(recipe, name)) for name in names) or "test error"


def _draw_points(axes: Axes, points: Sequence[Point], label: str, color: str, marker: str) -> None:
    if not points:
        return
    x, means, _ = zip(*points, strict=True)
    below = [mean - min(errors) for _, mean, errors in points]
    above = [max(errors) - mean for _, mean, errors in points]
    axes.errorbar(
        x, means, yerr=(below, above), label=label, color=color, marker=marker, markersize=5.5,
        linewidth=1.6, capsize=3, gid=label,
    )  # fmt: skip


def _write_means(axes: Axes, numbers: Sequence[tuple[float, float, str]]) -> None:
    """Writes each mean next to its point.

    The number is above the point. Of several points with the same number of epochs, the lowest has
    its number below and to the left, where no falling line passes.
    """
    for epochs, mean, color in numbers:
        same_epochs = [other for at, other, _ in numbers if at == epochs]
        lowest = len(same_epochs) > 1 and mean == min(same_epochs)
        axes.annotate(
            f"{mean:.2f}", (epochs, mean), xytext=(-5, -5) if lowest else (5, 5),
            ha="right" if lowest else "left", va="top" if lowest else "bottom",
            textcoords="offset points", fontsize=8, color=color,
        )  # fmt: skip


def _draw_paper_error(axes: Axes, group: Group) -> None:
    recipe = group.recipe
    paper = paper_result(recipe)
    if paper is None or paper.error is None:
        return
    paper_images = _PAPER_BATCH_SIZE * paper_steps(recipe)
    epochs = group.epochs * paper_images / (recipe.batch_size * recipe.steps)
    axes.axhline(
        paper.error, label=f"{paper.error:g} % in the paper, {epochs:.0f} epochs", gid="paper",
        color="0.35", linestyle=(0, (4, 2)), linewidth=1.1,
    )  # fmt: skip


def _finish_axes(axes: Axes, ticks: Sequence[float]) -> None:
    from matplotlib.ticker import NullLocator

    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{epochs:g}" for epochs in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    # Leave room for the numbers next to the last points.
    axes.set_xlim(ticks[0] / 1.15, ticks[-1] * 1.2)
    axes.margins(y=0.12)
    axes.set_xlabel("epochs")
    axes.set_ylabel("test error (%)")
    draw_grid(axes)
    draw_legend(axes)


def _epochs_notes(groups: Sequence[Group]) -> list[str]:
    notes = ["Errors are measured after the last iteration, on one view of each test image."]
    counts = seed_counts(groups)
    if counts == [1]:
        notes.append(SINGLE_SEED_NOTE)
    elif counts:
        notes.append(
            f"Bars range from the lowest to the highest of up to {format_seeds(counts[-1])}."
        )
    unfinished = [run.name for group in groups for run in group.unfinished]
    if unfinished:
        notes.append(f"Unfinished runs are left out: {', '.join(unfinished)}.")
    return notes


def ablation_table(groups: Sequence[Group]) -> pd.DataFrame:
    """Returns the held-out errors of the one-cycle recipe and of changes to it.

    Args:
        groups: groups of runs with held-out training images.

    Returns:
        A `DataFrame` with these columns, sorted by the number of epochs and of held-out images,
        then the unchanged recipe first, then by error.

        - `change`: the changes in words; empty for the unchanged recipe.
        - `epochs`: the number of epochs.
        - `held_out`: the number of held-out images.
        - `validation_error`, `std_error`: the mean and the sample standard deviation over the
          seeds, in percent.
        - `n`: the number of complete runs.
        - `difference`: the difference in percentage points from the unchanged recipe with as many
          epochs and held-out images; NaN if there is none.

    Example:

    >>> import pandas as pd
    >>> from pathlib import Path
    >>> from resnet_keras.runs.run import Run
    >>> metrics = pd.DataFrame({"step": [1_562], "validation_error": [14.2], "test_error": [14.4]})
    >>> values = recipes.ONE_CYCLE | {"validation_size": 10_000, "steps": 1_562, "pad": 2}
    >>> recipe = recipes.make("paper", "resnet20", **values)
    >>> run = Run("my-run", Path("my-run"), recipe, metrics, {"train_examples": 40_000})
    >>> ablation_table([Group(recipe, (run,))]).change.tolist()
    ['pad 2 instead of 4']
    """
    import pandas as pd

    rows = []
    for group in groups:
        errors = group.last_errors("validation")
        mean, std = mean_and_std(errors)
        rows.append(
            {
                "change": _describe_change(group.recipe),
                "epochs": group.epochs,
                "held_out": group.recipe.validation_size,
                "validation_error": round(mean, 4),
                "std_error": round(std, 4),
                "n": len(errors),
            }
        )
    table = pd.DataFrame(rows)
    keys = ["epochs", "held_out"]
    unchanged = table[table.change == ""].drop_duplicates(keys).set_index(keys).validation_error
    reference = unchanged.reindex(pd.MultiIndex.from_frame(table[keys])).to_numpy()
    table["difference"] = table.validation_error - reference
    table["changed"] = table.change != ""
    table = table.sort_values([*keys, "changed", "validation_error"])
    return table.drop(columns="changed").reset_index(drop=True)


def format_ablation(table: pd.DataFrame) -> pd.DataFrame:
    """Formats the table of an ablation for readers.

    Args:
        table: from `ablation_table`.

    Returns:
        A `DataFrame` of strings, with headings as column names.

    Example:

    >>> import pandas as pd
    >>> table = pd.DataFrame({"change": [""], "epochs": [5.0], "validation_error": [14.68],
    ...                       "std_error": [0.1], "n": [3], "difference": [0.0]})
    >>> format_ablation(table).values.tolist()
    [['none', '5', '14.68 ± 0.10 (3)', '+0.00']]
    """
    import pandas as pd

    errors = [
        "unfinished" if not n else f"{mean:.2f}" + (f" ± {std:.2f}" if n > 1 else "") + f" ({n})"
        for mean, std, n in zip(table.validation_error, table.std_error, table.n, strict=True)
    ]
    return pd.DataFrame(
        {
            "change to the recipe": [change or "none" for change in table.change],
            "epochs": [f"{epochs:g}" for epochs in table.epochs],
            "held-out error (%)": errors,
            "difference": [format_difference(value) for value in table.difference],
        }
    )


def ablation_notes(groups: Sequence[Group]) -> list[str]:
    """Returns the sentences to write below the table of an ablation.

    Args:
        groups: the groups in the table.

    Example:

    >>> ablation_notes([Group(Recipe("resnet20", validation_size=5_000), ())])[-1]
    'Trained with auto.'
    """
    sizes = sorted({group.recipe.validation_size for group in groups})
    precisions = sorted({group.recipe.precision for group in groups})
    images = " or ".join(f"{size:,}" for size in sizes)
    return [
        f"Errors are measured on {images} held-out training images after the last iteration: mean "
        "± standard deviation over the seeds (number of seeds).",
        "The test images are not used.",
        "Differences are relative to the unchanged recipe with as many epochs.",
        f"Trained with {' and '.join(precisions)}.",
    ]


def _describe_change(recipe: Recipe) -> str:
    """Returns the differences from the one-cycle recipe in words; empty if there are none."""
    try:
        base = recipes.make(
            "paper", recipe.arch, defaults={"option": recipe.option, **recipes.ONE_CYCLE}
        )
    except UsageError:
        return str(recipe)
    new, old = recipe.to_json(), base.to_json()
    return ", ".join(
        f"{name.replace('_', ' ')} {_format_json(new[name])} instead of {_format_json(old[name])}"
        for name in new
        if name not in _NOT_ABLATED and new[name] != old[name]
    )


def _format_json(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
