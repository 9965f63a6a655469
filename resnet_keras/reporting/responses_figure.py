"""Layer responses as in Fig. 7, drawn from the CSV files of the command `responses`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_keras.errors import UserError
from resnet_keras.reporting.figures import (
    STYLES,
    draw_grid,
    draw_legend,
    new_figure,
    save_figure,
    write_footnotes,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

# In a folder of results.
RESPONSES_FOLDER = "responses"
_FIGURE_FILE = "fig7.png"

_COLUMNS = ("network", "index", "layer", "std", "images", "split")
# The mean over the layers of a network, read from Fig. 7.
_PAPER_MEANS = {
    "plain20": 1.83, "plain56": 1.52, "resnet20-A": 1.63, "resnet56-A": 1.13, "resnet110-A": 0.99,
}  # fmt: skip


def draw_responses(results_dir: str | os.PathLike[str]) -> tuple[Path | None, list[str]]:
    """Draws `fig7.png` from all CSV files in `<results_dir>/responses/`, one file per network.

    Args:
        results_dir: the folder of results.

    Returns:
        The path of the figure, or `None` if there is nothing to draw, and one line for each file
        that cannot be read.

    Raises:
        UserError: if the figure cannot be written.

    Example:

    >>> Path("results/responses").mkdir(parents=True)
    >>> _ = Path("results/responses/plain20.csv").write_text(
    ...     "network,index,layer,std,images,split\\nplain20,1,conv1,1.8,2000,train\\n")
    >>> path, errors = draw_responses("results")
    >>> path.as_posix(), errors
    ('results/fig7.png', [])
    """
    tables, errors = [], []
    for path in sorted((Path(results_dir) / RESPONSES_FOLDER).glob("*.csv")):
        try:
            tables.append(read_responses(path))
        except UserError as error:
            errors.append(f"left out: {error}")
    if not tables:
        return None, errors
    figure_path = Path(results_dir) / _FIGURE_FILE
    save_figure(responses_figure(sorted(tables, key=_sort_key)), figure_path)
    return figure_path, errors


def read_responses(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Reads the responses of one network.

    Args:
        path: a CSV file that the command `responses` wrote.

    Returns:
        A `DataFrame` with one row per layer and at least these columns: `network`, `index`,
        `layer`, `std` (the standard deviation of the response), `images` and `split`.

    Raises:
        UserError: if the file is missing, empty, or holds something else.

    Example:

    >>> _ = Path("plain20.csv").write_text(
    ...     "network,index,layer,std,images,split\\nplain20,1,conv1,1.8,2000,train\\n")
    >>> read_responses("plain20.csv")["std"].tolist()
    [1.8]
    """
    import pandas as pd

    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing or table.empty:
        reason = f"it lacks the columns {', '.join(missing)}" if missing else "it has no rows"
        raise UserError(
            f"{path} does not hold layer responses: {reason}. "
            "Create such files with `python -m resnet_keras responses RUN`"
        )
    return table


def responses_figure(tables: Sequence[pd.DataFrame]) -> Figure:
    """Returns a figure like Fig. 7: standard deviations by layer on top, sorted by size below.

    Args:
        tables: one table per network, from `read_responses`.

    Raises:
        UserError: if there are no tables.

    Example:

    >>> import pandas as pd
    >>> table = pd.DataFrame({"network": "plain20", "index": [1, 2], "layer": ["conv1", "conv2"],
    ...                       "std": [2.0, 1.5], "images": 2000, "split": "train"})
    >>> figure = responses_figure([table])
    >>> figure.axes[0].get_legend().get_texts()[0].get_text()
    'Plain-20, mean 1.75 (1.83 in the paper)'
    """
    if not tables:
        raise UserError(
            "there are no layer responses to draw. "
            "Measure some with `python -m resnet_keras responses RUN`"
        )
    figure = new_figure(8.4, 6.6)
    upper, lower = figure.subplots(2, 1, sharey=True)
    for index, table in enumerate(tables):
        color, marker = STYLES[index % len(STYLES)]
        network = _network(table)
        style: dict[str, Any] = {
            "color": color, "marker": marker, "markersize": 3.2, "linewidth": 1.3,
            "markevery": max(1, len(table) // 60),
            "linestyle": (0, (4, 1.2)) if network.startswith("plain") else "-",
        }  # fmt: skip
        x = range(1, len(table) + 1)
        label = f"{_title(network)}, mean {table['std'].mean():.2f}"
        if network in _PAPER_MEANS:
            label += f" ({_PAPER_MEANS[network]:.2f} in the paper)"
        upper.plot(x, table.sort_values("index")["std"], label=label, gid=network, **style)
        lower.plot(x, sorted(table["std"], reverse=True), gid=f"sorted {network}", **style)
    orders = ("layer, in the original order", "layer, in descending order of response")
    for axes, order in zip((upper, lower), orders, strict=True):
        axes.set_xlabel(order)
        axes.set_ylabel("standard deviation")
        axes.set_ylim(bottom=0)
        axes.xaxis.get_major_locator().set_params(integer=True)
        draw_grid(axes)
    draw_legend(upper)
    write_footnotes(figure, _notes(tables))
    return figure


def _network(table: pd.DataFrame) -> str:
    return str(table["network"].iloc[0])


def _title(network: str) -> str:
    """Returns a network as legends spell it: `ResNet-20 (A)` for `resnet20-A`."""
    match = re.fullmatch(r"(plain|resnet)(\d+)(?:-(.+))?", network)
    if not match:
        return network
    name = {"plain": "Plain", "resnet": "ResNet"}[match[1]]
    variant = f" ({match[3].replace('-', ', ')})" if match[3] else ""
    return f"{name}-{match[2]}{variant}"


def _sort_key(table: pd.DataFrame) -> tuple[bool, int, str]:
    """Sorts plain networks before residual ones and shallow ones before deep ones."""
    network = _network(table)
    depth = re.search(r"\d+", network)
    return not network.startswith("plain"), int(depth[0]) if depth else 0, network


def _notes(tables: Sequence[pd.DataFrame]) -> list[str]:
    images = sorted(
        {f"{int(table['images'].iloc[0]):,} {table['split'].iloc[0]} images" for table in tables}
    )
    notes = [
        "The response of a layer is the output of its 3x3 convolution after batch normalization, "
        f"before ReLU and addition, over {' and '.join(images)}.",
        "Each network has one seed.",
    ]
    if "recipe_steps" in tables[0].columns:
        steps = sorted({int(table["recipe_steps"].iloc[0]) for table in tables})
        if steps != [64_000]:
            ours = " and ".join(f"{value:,}" for value in steps)
            notes.append(f"The schedule has {ours} iterations (64,000 in the paper).")
    return notes
