"""The tables of the paper's comparisons: which networks belong on each, and what is said below."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from resnet_keras.reporting import ablation
from resnet_keras.reporting.comparisons import (
    IMAGENET_3,
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
from resnet_keras.reporting.figure_file import save
from resnet_keras.reporting.footnote import footnotes
from resnet_keras.reporting.groups import Group, group_runs, paper_steps
from resnet_keras.reporting.paper_numbers import IMAGENET_DATASETS
from resnet_keras.reporting.runs import Run
from resnet_keras.reporting.table_picture import table_picture
from resnet_keras.reporting.tables import readable, results_table, write_table

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
        numbers=ablation.ablation_table, shown=ablation.readable, notes=ablation.notes,
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
