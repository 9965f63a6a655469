"""The figures of the paper's comparisons: which networks belong on each."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from resnet_keras.reporting import error_figures
from resnet_keras.reporting.comparisons import (
    IMAGENET_34,
    OPTIONS,
    PLAIN,
    RESIDUAL,
    TABLE_6,
    TWENTY,
    Shown,
    trained_as_the_paper,
    trained_in_one_cycle,
)
from resnet_keras.reporting.epochs_figure import epochs_figure
from resnet_keras.reporting.figure_file import save
from resnet_keras.reporting.groups import Group, conditions, group_runs
from resnet_keras.reporting.paper_numbers import IMAGENET_DATASETS
from resnet_keras.reporting.responses_figure import draw_responses
from resnet_keras.reporting.runs import Run


def _under_equal_conditions(groups):
    return conditions(trained_as_the_paper(groups))


def _cycles_of_any_length(groups):
    """Of several lengths or recipes: comparing them is what the figure is for."""
    cycles = [
        group
        for group in trained_in_one_cycle(groups)
        if group.recipe.dataset == "cifar10" and math.isfinite(group.epochs)
    ]
    return [cycles] if sum(bool(group.complete) for group in cycles) > 1 else []


@dataclass(frozen=True)
class Figure:
    """A figure of the gallery.

    Attributes:
        caption: what it shows.
        networks: labels of those on it; each that was run is drawn.
        draw: takes groups and whether to lay the paper's curves behind them.
        sets: of the groups of these networks, those that make a figure, the first figure first.
    """

    caption: str
    networks: tuple[str, ...]
    draw: Callable
    sets: Callable[[list[Group]], list[list[Group]]] = _under_equal_conditions


def _one_panel(title):
    return lambda groups, overlay: error_figures.one_panel(groups, title, overlay)


FIGURES = {
    "plain_vs_residual": Figure(
        "Twenty layers: plain, and residual with three kinds of shortcut (sections 4.1, 4.2)",
        TWENTY, _one_panel("20 layers: plain and residual"),
    ),
    "side_by_side": Figure(
        "Plain networks beside residual ones, by depth (after Fig. 6, left and middle)",
        (*PLAIN, *RESIDUAL), error_figures.side_by_side,
    ),
    "fig1": Figure(
        "Degradation: training and test error of plain networks (after Fig. 1)",
        ("plain20", "plain56"), error_figures.figure_1,
    ),
    "fig6": Figure(
        "Training on CIFAR-10: plain networks, residual ones, and the deepest (after Fig. 6)",
        (*PLAIN, "plain110", *TABLE_6), error_figures.figure_6,
    ),
    "options": Figure(
        "The shortcut options A, B and C in a network of 20 layers (section 4.1)",
        OPTIONS, _one_panel("ResNet-20: shortcut options"),
    ),
    "fast": Figure(
        "Error against epochs: ResNet-20 in one cycle of the rate, the recipe fast",
        ("resnet20-A",), lambda groups, overlay: epochs_figure(groups), _cycles_of_any_length,
    ),
    "fig4": Figure(
        "18 and 34 layers on ImageNet: plain, residual (after Fig. 4)",
        IMAGENET_34, error_figures.side_by_side,
    ),
}  # fmt: skip


def draw_figures(
    runs: Iterable[Run],
    results_dir: Path,
    names: Sequence[str] = tuple(FIGURES),
    overlay_paper: bool = False,
) -> list[Shown]:
    """Draws those of the figures `names` for which there are runs.

    Runs under different conditions (schedule, data set, …) are never drawn into one figure, but
    for the one that shows what the schedule's length does. The set of runs that `conditions` ranks
    first gives `name.png`, others `name-<steps>steps.png`, numbered where there are several, as far
    as two networks can be compared, or one with the paper's curve.
    """
    groups = group_runs(runs)
    shown = []
    for name in names:
        figure = FIGURES[name]
        chosen = [group for group in groups if group.network in figure.networks]
        for number, members in enumerate(figure.sets(chosen)):
            if number and len(members) < 2 and name != "fig6":
                continue
            # Labels need not tell apart what lies on another figure.
            members = group_runs(run for group in members for run in group.runs)
            path = Path(results_dir) / f"{name}{_suffix(members) if number else ''}.png"
            if any(path == one.path for one in shown):
                path = path.with_stem(f"{path.stem}-{number}")
            save(figure.draw(members, overlay_paper), path)
            shown.append(Shown(path, figure.caption, tuple(group.label for group in members)))
    return shown


def draw_kept_responses(results_dir: Path) -> tuple[list[Shown], list[str]]:
    """Draws Fig. 7 of the responses that were kept in `responses/`, if any; returns it, and a line
    for each file that cannot be read."""
    path, problems = draw_responses(results_dir)
    caption = "Standard deviations of layer responses (after Fig. 7)"
    return ([Shown(path, caption, ())] if path else []), problems


def _suffix(groups):
    recipe = groups[0].recipe
    papers = recipe.dataset in ("cifar10", *IMAGENET_DATASETS)
    word = "" if papers else "-" + recipe.label.removeprefix(recipe.architecture.label).strip("-")
    return f"{word}-{recipe.steps}steps"
