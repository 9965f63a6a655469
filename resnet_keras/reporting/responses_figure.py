"""Fig. 7: how strongly each layer responds, drawn from the csv files that `responses` writes."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from resnet_keras.errors import UserError
from resnet_keras.reporting.error_figures import STYLES
from resnet_keras.reporting.figures import new_figure, save, write_footnotes

COLUMNS = ("network", "index", "layer", "std", "images", "split")
# Read off Fig. 7: the mean over a network's layers.
PAPER_MEANS = {
    "plain20": 1.83, "plain56": 1.52, "resnet20-A": 1.63, "resnet56-A": 1.13, "resnet110-A": 0.99,
}  # fmt: skip


# In a folder of results.
FOLDER, FIGURE = "responses", "fig7.png"


def draw_responses(results_dir: str | os.PathLike) -> tuple[Path | None, list[str]]:
    """Draws Fig. 7, `fig7.png`, from all csv files in `responses/`, a network each.

    Returns:
        The figure's path, `None` if there is nothing to draw, and a line for each file that
        cannot be read.

    Raises:
        UserError: if the figure cannot be written.
    """
    tables, problems = [], []
    for path in sorted((Path(results_dir) / FOLDER).glob("*.csv")):
        try:
            tables.append(read_responses(path))
        except UserError as error:
            problems.append(f"left out: {error}")
    if not tables:
        return None, problems
    figure = Path(results_dir) / FIGURE
    save(responses_figure(sorted(tables, key=_order)), figure)
    return figure, problems


def _order(table):
    """Plain before residual, shallow before deep."""
    network = str(table["network"].iloc[0])
    depth = re.search(r"\d+", network)
    return not network.startswith("plain"), int(depth[0]) if depth else 0, network


def read_responses(path: str | os.PathLike):
    """Reads one network's responses as a `DataFrame`; a csv file of another kind is an error.

    Raises:
        UserError: if the file is missing, damaged or empty.
    """
    import pandas

    try:
        table = pandas.read_csv(path)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing or table.empty:
        raise UserError(
            f"{path} holds no layer responses: "
            f"{'no row' if not missing else 'it lacks ' + ', '.join(missing)}. "
            "`python -m resnet_keras responses RUN` writes such files"
        )
    return table


def responses_figure(tables: Sequence):
    """Returns a `Figure`: standard deviations by layer above, sorted below, as in Fig. 7."""
    if not tables:
        raise UserError("no responses to draw; `python -m resnet_keras responses RUN` writes them")
    figure = new_figure(8.4, 6.6)
    upper, lower = figure.subplots(2, 1, sharey=True)
    for index, table in enumerate(tables):
        colour, marker = STYLES[index % len(STYLES)]
        network = str(table["network"].iloc[0])
        look = {
            "color": colour, "marker": marker, "markersize": 3.2, "linewidth": 1.3,
            "markevery": max(1, len(table) // 60),
            "linestyle": (0, (4, 1.2)) if network.startswith("plain") else "-",
        }  # fmt: skip
        x = range(1, len(table) + 1)
        label = f"{network}: mean {table['std'].mean():.2f}"
        if network in PAPER_MEANS:
            label += f" (the paper's {PAPER_MEANS[network]:.2f})"
        upper.plot(x, table.sort_values("index")["std"], label=label, gid=network, **look)
        lower.plot(x, sorted(table["std"], reverse=True), gid=f"sorted {network}", **look)
    for axes, order in ((upper, "layer, from the image on"), (lower, "layer, by its response")):
        axes.set_xlabel(order)
        axes.set_ylabel("standard deviation")
        axes.set_ylim(bottom=0)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(axis="y", color="0.9", linewidth=0.6)
    for text in upper.legend(fontsize=8, framealpha=0.9).get_texts():
        text.set_parse_math(False)
    write_footnotes(figure, _notes(tables))
    return figure


def _notes(tables):
    where = sorted({f"{int(t['images'].iloc[0]):,} {t['split'].iloc[0]} images" for t in tables})
    parts = [
        "Output of each 3x3 convolution after batch normalization, before ReLU or addition, over "
        f"{' and '.join(where)}. One run each.",
    ]
    if "recipe_steps" in tables[0].columns:
        steps = sorted({int(t["recipe_steps"].iloc[0]) for t in tables})
        if steps != [64_000]:
            ours = " and ".join(f"{value:,}" for value in steps)
            parts.append(f"Schedules of {ours} iterations; the paper's 64,000.")
    return parts
