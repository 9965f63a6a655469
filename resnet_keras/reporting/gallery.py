"""The catalogue of figures and tables, and the choice of the runs that belong into each of them."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_keras.architectures import CIFAR_DEPTHS
from resnet_keras.recipe import Recipe
from resnet_keras.reporting import error_figures, fast_recipe, responses_figure
from resnet_keras.reporting.figures import (
    SINGLE_SEED_NOTE,
    departures,
    save_figure,
    seed_counts,
)
from resnet_keras.reporting.groups import Group, group_runs, paper_steps, split_by_conditions
from resnet_keras.reporting.paper import IMAGENET_DATASETS
from resnet_keras.reporting.tables import (
    format_results,
    results_table,
    table_figure,
    write_table,
)
from resnet_keras.runs.run import Run

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

TABLES_FOLDER = "tables"

_PLAIN = tuple(f"plain{depth}" for depth in CIFAR_DEPTHS)
_RESIDUAL = tuple(f"resnet{depth}-A" for depth in CIFAR_DEPTHS)
_TWENTY_LAYERS = ("plain20", "resnet20-A", "resnet20-B", "resnet20-B-average")
_OPTIONS = ("resnet20-A", "resnet20-B", "resnet20-C")
_TABLE_6 = (*_RESIDUAL, "resnet110-A", "resnet1202-A")
_IMAGENET_TABLE_2 = ("plain18", "plain34", "resnet18-A", "resnet34-A")
_IMAGENET_TABLE_3 = (
    "plain34", "resnet34-A", "resnet34-B", "resnet34-C", "resnet50-B", "resnet101-B",
    "resnet152-B",
)  # fmt: skip


@dataclass(frozen=True)
class GalleryItem:
    """A figure or a table that was written.

    Attributes:
        path: the file of the figure, or the CSV file of the table.
        caption: what it shows, without a period.
        networks: the labels of the groups in it.
        image: the file of the table drawn as a figure, if there is one.

    Example:

    >>> GalleryItem(Path("results/fig1.png"), "Degradation", ("plain20", "plain56")).image is None
    True
    """

    path: Path
    caption: str
    networks: tuple[str, ...]
    image: Path | None = None


# Which groups belong into which figure or table.


def _like_the_paper(groups: Iterable[Group]) -> list[Group]:
    """Returns the groups that were trained as in the paper, except for the length.

    That is: from random weights, on all images, with drops of the learning rate. A single network
    on a user's own images is not one of the paper's comparisons; several networks are.
    """
    chosen = [
        group
        for group in groups
        if group.recipe.schedule == "drops"
        and group.recipe.validation_size == 0
        and group.recipe.train_from is None
    ]
    on_own_images = {group.network for group in chosen if group.recipe.dataset == "folder"}
    return [group for group in chosen if group.recipe.dataset != "folder" or len(on_own_images) > 1]


def _one_cycle(groups: Iterable[Group]) -> list[Group]:
    """Returns the groups with the one-cycle schedule, from random weights and on all images."""
    return [
        group
        for group in groups
        if group.recipe.schedule == "one_cycle"
        and group.recipe.validation_size == 0
        and group.recipe.train_from is None
    ]


def _held_out(groups: Iterable[Group]) -> list[Group]:
    return [group for group in groups if group.recipe.validation_size > 0]


def _several_precisions(groups: Iterable[Group]) -> list[Group]:
    """Returns the groups for which there is another one that differs only in the precision."""
    groups = list(groups)

    def without_precision(group: Group) -> Recipe:
        return dataclasses.replace(group.recipe, precision="auto")

    counts = Counter(map(without_precision, groups))
    return [group for group in _like_the_paper(groups) if counts[without_precision(group)] > 1]


def _sets_of_equal_conditions(groups: Iterable[Group]) -> list[list[Group]]:
    return split_by_conditions(_like_the_paper(groups))


def _one_cycle_of_any_length(groups: Iterable[Group]) -> list[list[Group]]:
    """Returns one set with different lengths and recipes, which the figure compares."""
    chosen = [
        group
        for group in _one_cycle(groups)
        if group.recipe.dataset == "cifar10" and math.isfinite(group.epochs)
    ]
    return [chosen] if sum(bool(group.complete) for group in chosen) > 1 else []


# Figures.


@dataclass(frozen=True)
class FigureSpec:
    """A figure of the gallery.

    Attributes:
        caption: what it shows, without a period.
        networks: the networks that may be in it. Those that were trained are drawn.
        draw: draws groups; its second argument says whether to draw the paper's curves behind ours.
        split: splits the groups of these networks into one set per figure, the main one first.
    """

    caption: str
    networks: tuple[str, ...]
    draw: Callable[[Sequence[Group], bool], Figure]
    split: Callable[[Iterable[Group]], list[list[Group]]] = _sets_of_equal_conditions


def _single_panel(title: str) -> Callable[[Sequence[Group], bool], Figure]:
    return lambda groups, overlay: error_figures.single_panel_figure(groups, title, overlay)


FIGURES = {
    "plain_vs_residual": FigureSpec(
        "A plain network of 20 layers, and residual ones with different shortcuts "
        "(sections 4.1 and 4.2)",
        _TWENTY_LAYERS,
        _single_panel("Plain and residual networks with 20 layers"),
    ),
    "side_by_side": FigureSpec(
        "Plain and residual networks of several depths (after Fig. 6, left and middle)",
        (*_PLAIN, *_RESIDUAL),
        error_figures.plain_residual_figure,
    ),
    "fig1": FigureSpec(
        "Degradation: training and test error of plain networks (after Fig. 1)",
        ("plain20", "plain56"),
        error_figures.figure_1,
    ),
    "fig6": FigureSpec(
        "Training on CIFAR-10: plain networks, residual networks, and the deepest networks "
        "(after Fig. 6)",
        (*_PLAIN, "plain110", *_TABLE_6),
        error_figures.figure_6,
    ),
    "options": FigureSpec(
        "The shortcut options A, B and C in a network of 20 layers (section 4.1)",
        _OPTIONS,
        _single_panel("ResNet-20 with shortcut options A, B and C"),
    ),
    "fast": FigureSpec(
        "Test error of ResNet-20 against the number of epochs with the recipe fast",
        ("resnet20-A",),
        lambda groups, overlay: fast_recipe.epochs_figure(groups),
        _one_cycle_of_any_length,
    ),
    "fig4": FigureSpec(
        "Plain and residual networks with 18 and 34 layers on ImageNet (after Fig. 4)",
        _IMAGENET_TABLE_2,
        error_figures.plain_residual_figure,
    ),
}


def draw_figures(
    runs: Iterable[Run],
    results_dir: Path,
    names: Sequence[str] = tuple(FIGURES),
    overlay_paper: bool = False,
) -> list[GalleryItem]:
    """Draws the figures of the gallery for which there are runs.

    Runs under different conditions (schedule, data set, …) are never drawn into one figure, except
    for the figure `fast`, which compares them. The first set of runs with equal conditions is
    drawn into `<name>.png`. Further sets are drawn into `<name>-<steps>steps.png`, with a number if
    there are several, provided that they compare two networks, or one with the paper's curve.

    Args:
        runs: the runs.
        results_dir: the folder for the figures.
        names: the figures to draw, from `FIGURES`.
        overlay_paper: whether to draw the test curves of Fig. 6 behind ours.

    Returns:
        The figures that were drawn.

    Raises:
        UserError: if a file cannot be written.

    Example:

    >>> draw_figures([], Path("results"))
    []
    """
    groups = group_runs(runs)
    items: list[GalleryItem] = []
    for name in names:
        figure = FIGURES[name]
        candidates = [group for group in groups if group.network in figure.networks]
        for number, members in enumerate(figure.split(candidates)):
            if number and len(members) < 2 and name != "fig6":
                continue
            # Group again, because labels only need to distinguish the groups in the same figure.
            members = group_runs(run for group in members for run in group.runs)
            path = Path(results_dir) / f"{name}{_suffix(members) if number else ''}.png"
            if any(path == item.path for item in items):
                path = path.with_stem(f"{path.stem}-{number}")
            save_figure(figure.draw(members, overlay_paper), path)
            labels = tuple(group.label for group in members)
            items.append(GalleryItem(path, figure.caption, labels))
    return items


def draw_layer_responses(results_dir: Path) -> tuple[list[GalleryItem], list[str]]:
    """Draws the figure of layer responses from the CSV files in `<results_dir>/responses/`.

    Args:
        results_dir: the folder of results.

    Returns:
        The figure, if there are files that can be read, and one line for each file that cannot.

    Raises:
        UserError: if the figure cannot be written.

    Example:

    >>> draw_layer_responses(Path("results"))
    ([], [])
    """
    path, errors = responses_figure.draw_responses(results_dir)
    caption = "Standard deviations of layer responses (after Fig. 7)"
    return ([GalleryItem(path, caption, ())] if path else []), errors


def _suffix(groups: Sequence[Group]) -> str:
    recipe = groups[0].recipe
    dataset = ""
    if recipe.dataset not in ("cifar10", *IMAGENET_DATASETS):
        dataset = "-" + recipe.label.removeprefix(recipe.architecture.label).strip("-")
    return f"{dataset}-{recipe.steps}steps"


# Tables.


def _table_notes(groups: Sequence[Group]) -> list[str]:
    """Returns the sentences to write below a table of results."""
    notes = [
        "Test errors are measured after the last iteration: mean ± standard deviation over the "
        "seeds (number of seeds).",
        *departures(groups),
    ]
    if seed_counts(groups) == [1]:
        notes.append(SINGLE_SEED_NOTE)
    if any(group.recipe.steps != paper_steps(group.recipe) for group in groups):
        notes.append("Errors after schedules of different lengths are not directly comparable.")
    if any(group.recipe.dataset in IMAGENET_DATASETS for group in groups):
        notes.append(
            "On ImageNet, our errors are measured on the center crop and the paper's on ten crops, "
            "so they are not comparable either (see evaluate.py --views 10crop)."
        )
    on_cifar = [group.network for group in groups if group.recipe.dataset == "cifar10"]
    if any(network.startswith("plain") for network in on_cifar):
        notes.append(
            "The paper's errors of plain networks on CIFAR-10 were read from the curves of Fig. 6."
        )
    return notes


@dataclass(frozen=True)
class TableSpec:
    """A table of the gallery.

    Attributes:
        caption: the title of the table.
        networks: the networks that may be in it; empty for all.
        draw: whether the table is drawn as a figure as well.
        select: chooses groups among those of these networks.
        build: makes a `DataFrame` of numbers from the groups.
        format: makes a `DataFrame` of strings, for readers, from the numbers.
        notes: makes the sentences below the table from the groups.
    """

    caption: str
    networks: tuple[str, ...]
    draw: bool = False
    select: Callable[[Iterable[Group]], list[Group]] = _like_the_paper
    build: Callable[[Sequence[Group]], pd.DataFrame] = results_table
    format: Callable[[pd.DataFrame], pd.DataFrame] = format_results
    notes: Callable[[Sequence[Group]], list[str]] = _table_notes

    def select_groups(self, groups: Iterable[Group]) -> list[Group]:
        """Returns the groups in the table, with labels that distinguish them from one another.

        Args:
            groups: all groups.
        """
        candidates = [
            group for group in groups if not self.networks or group.network in self.networks
        ]
        return group_runs(run for group in self.select(candidates) for run in group.runs)


TABLES = {
    "plain_vs_residual": TableSpec(
        "Plain and residual networks with 20 layers", _TWENTY_LAYERS, draw=True
    ),
    "depth": TableSpec(
        "Plain and residual networks of several depths",
        (*_PLAIN, "plain110", *_RESIDUAL, "resnet110-A"),
    ),
    "options": TableSpec("Shortcut options A, B and C in networks with 20 layers", _OPTIONS),
    "table6": TableSpec("Residual networks on CIFAR-10 (after Table 6)", _TABLE_6),
    "imagenet_table2": TableSpec(
        "Plain and residual networks on ImageNet (after Table 2)", _IMAGENET_TABLE_2
    ),
    "imagenet_table3": TableSpec(
        "Shortcut options and depths on ImageNet (after Table 3)", _IMAGENET_TABLE_3
    ),
    "precision": TableSpec(
        "ResNet-20 in float32 and in bfloat16", ("resnet20-A",), select=_several_precisions
    ),
    "fast": TableSpec("ResNet-20 with the recipe fast", ("resnet20-A",), select=_one_cycle),
    "fast_ablation": TableSpec(
        "Ablation of the recipe fast",
        ("resnet20-A",),
        select=_held_out,
        build=fast_recipe.ablation_table,
        format=fast_recipe.format_ablation,
        notes=fast_recipe.ablation_notes,
    ),
    "all": TableSpec("All runs", (), select=list),
}


def write_tables(
    runs: Iterable[Run], results_dir: Path, names: Sequence[str] = tuple(TABLES)
) -> list[GalleryItem]:
    """Writes the tables of the gallery for which there are runs to `<results_dir>/tables/`.

    Args:
        runs: the runs.
        results_dir: the folder of results.
        names: the tables to write, from `TABLES`.

    Returns:
        The tables that were written.

    Raises:
        UserError: if a file cannot be written.

    Example:

    >>> write_tables([], Path("results"))
    []
    """
    groups = group_runs(runs)
    items = []
    for name in names:
        table = TABLES[name]
        members = table.select_groups(groups)
        if not members:
            continue
        numbers = table.build(members)
        formatted = table.format(numbers)
        csv = write_table(numbers, formatted, Path(results_dir) / TABLES_FOLDER, name)[0]
        image = Path(results_dir) / f"{name}_table.png" if table.draw else None
        if image:
            save_figure(table_figure(formatted, table.caption, table.notes(members)), image)
        labels = tuple(group.label for group in members)
        items.append(GalleryItem(csv, table.caption, labels, image))
    return items
