"""What the paper's comparisons are of: networks, and runs that were trained as it did."""

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from resnet_keras.reporting import error_figures, fast_recipe
from resnet_keras.reporting.fast_recipe import epochs_figure
from resnet_keras.reporting.figures import footnotes, save
from resnet_keras.reporting.groups import Group, conditions, group_runs, paper_steps
from resnet_keras.reporting.paper import IMAGENET_DATASETS
from resnet_keras.reporting.responses_figure import draw_responses
from resnet_keras.reporting.tables import readable, results_table, table_picture, write_table
from resnet_keras.runs.reading import Run

DEPTHS = (20, 32, 44, 56)
PLAIN = tuple(f"plain{depth}" for depth in DEPTHS)
RESIDUAL = tuple(f"resnet{depth}-A" for depth in DEPTHS)
TWENTY = ("plain20", "resnet20-A", "resnet20-B", "resnet20-B-average")
OPTIONS = ("resnet20-A", "resnet20-B", "resnet20-C")
TABLE_6 = (*RESIDUAL, "resnet110-A", "resnet1202-A")
IMAGENET_34 = ("plain18", "plain34", "resnet18-A", "resnet34-A")
IMAGENET_3 = ("plain34", "resnet34-A", "resnet34-B", "resnet34-C", *(
    f"resnet{depth}-B" for depth in (50, 101, 152)
))  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """A file that was drawn or written: the picture, or the table's csv.

    Attributes:
        path: the file.
        caption: what it shows.
        networks: labels of the groups on it.
        picture: the table drawn, if it is.
    """

    path: Path
    caption: str
    networks: tuple[str, ...]
    picture: Path | None = None


def trained_as_the_paper(groups: Iterable[Group]) -> list[Group]:
    """Returns those trained as the paper did, if for a shorter time: from random weights, by drops,
    on all images.

    A network alone on somebody's own images is no comparison of the paper's; several are.
    """
    chosen = [
        group
        for group in groups
        if group.recipe.schedule == "drops"
        and group.recipe.validation_size == 0
        and group.recipe.train_from is None
    ]
    on_files = {group.network for group in chosen if group.recipe.dataset == "folder"}
    return [group for group in chosen if group.recipe.dataset != "folder" or len(on_files) > 1]


def trained_in_one_cycle(groups: Iterable[Group]) -> list[Group]:
    """Returns those trained in one cycle of the rate, as the recipe fast does: from random weights,
    on all images."""
    return [
        group
        for group in groups
        if group.recipe.schedule == "one_cycle"
        and group.recipe.validation_size == 0
        and group.recipe.train_from is None
    ]


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


TABLES_FOLDER = "tables"


def table_notes(groups: Sequence[Group]) -> list[str]:
    """Returns the sentences that belong below a table of these groups."""
    notes = ["Ours: mean ± standard deviation over seeds (their number) of the last iterate."]
    graph_only = ("Lines:", "Dotted:", "Unfinished", "Arithmetic:")
    notes += [note for note in footnotes(groups) if not note.startswith(graph_only)]
    if any(group.recipe.steps != paper_steps(group.recipe) for group in groups):
        notes.append("Where the schedule is not the paper's, the difference is not like for like.")
    if any(group.recipe.dataset in IMAGENET_DATASETS for group in groups):
        notes.append(
            "On ImageNet ours is one view, the centre crop; the paper's is ten crops: no like for "
            "like either (evaluate.py --views 10crop)."
        )
    on_cifar = [group.network for group in groups if group.recipe.dataset == "cifar10"]
    if any(network.startswith("plain") for network in on_cifar):
        notes.append("The paper's plain networks on CIFAR-10: read off the curves of Fig. 6.")
    return notes


def _with_images_held_out(groups):
    return [group for group in groups if group.recipe.validation_size > 0]


def _in_two_precisions(groups):
    def others(group):
        return dataclasses.replace(group.recipe, precision="auto")

    counted = Counter(map(others, groups))
    return [group for group in trained_as_the_paper(groups) if counted[others(group)] > 1]


@dataclass(frozen=True)
class Table:
    """A table of the gallery.

    Attributes:
        caption: its title.
        networks: labels of those on it; empty for all.
        picture: whether it is also drawn.
        of: of the groups of these networks, those that are on it.
        numbers: makes the table of the groups: a `DataFrame`.
        shown: makes the strings that people read of that.
        notes: makes the sentences below it of the groups.
    """

    caption: str
    networks: tuple[str, ...]
    picture: bool = False
    of: Callable[[list[Group]], list[Group]] = trained_as_the_paper
    numbers: Callable = results_table
    shown: Callable = readable
    notes: Callable = table_notes

    def rows(self, groups: Sequence[Group]) -> list[Group]:
        """Returns those of the groups that are on it, labelled so that these are told apart."""
        named = [g for g in groups if not self.networks or g.network in self.networks]
        return group_runs(run for group in self.of(named) for run in group.runs)


TABLES = {
    "plain_vs_residual": Table("Plain and residual, 20 layers", TWENTY, picture=True),
    "depth": Table("Depth, plain and residual", (*PLAIN, "plain110", *RESIDUAL, "resnet110-A")),
    "options": Table("Shortcut options, 20 layers", OPTIONS),
    "table6": Table("Residual networks on CIFAR-10 (after Table 6)", TABLE_6),
    "imagenet_table2": Table("Plain and residual on ImageNet (after Table 2)", IMAGENET_34),
    "imagenet_table3": Table("Options and depth on ImageNet (after Table 3)", IMAGENET_3),
    "precision": Table(
        "ResNet-20 in float32 and in bfloat16", ("resnet20-A",), of=_in_two_precisions
    ),
    "fast": Table(
        "ResNet-20 in one cycle of the rate: the recipe fast", ("resnet20-A",),
        of=trained_in_one_cycle,
    ),
    "fast_ablation": Table(
        "What the parts of the recipe fast are worth", ("resnet20-A",),
        of=_with_images_held_out,
        numbers=fast_recipe.ablation_table, shown=fast_recipe.readable, notes=fast_recipe.notes,
    ),
    "all": Table("Every run", (), of=list),
}  # fmt: skip


def write_tables(
    runs: Iterable[Run], results_dir: Path, names: Sequence[str] = tuple(TABLES)
) -> list[Shown]:
    """Writes those of the tables `names` for which there are runs, into `tables/`."""
    groups = group_runs(runs)
    shown = []
    for name in names:
        table = TABLES[name]
        rows = table.rows(groups)
        if not rows:
            continue
        numbers = table.numbers(rows)
        shown_rows = table.shown(numbers)
        csv = write_table(numbers, shown_rows, Path(results_dir) / TABLES_FOLDER, name)[0]
        picture = Path(results_dir) / f"{name}_table.png" if table.picture else None
        if picture:
            save(table_picture(shown_rows, table.caption, table.notes(rows)), picture)
        shown.append(Shown(csv, table.caption, tuple(group.label for group in rows), picture))
    return shown
