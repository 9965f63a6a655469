"""Tables of results, ours next to the paper's, as CSV, Markdown, LaTeX, HTML and figures.

All errors are those after the last iteration, as in the paper. The lowest error during training
would have been selected with the test set.
"""

from __future__ import annotations

import html
import math
import os
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_keras import accounting
from resnet_keras.files import write_text
from resnet_keras.reporting.figures import LITERAL, new_figure
from resnet_keras.reporting.groups import Group, mean_and_std
from resnet_keras.reporting.paper import paper_result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_COLUMNS = (
    "network", "dataset", "parameters", "precision", "steps", "ours", "mean_error", "std_error",
    "n", "unfinished", "train_error", "paper", "paper_error", "paper_source", "difference",
)  # fmt: skip
# Column of the numbers -> heading of the formatted table.
_HEADINGS = {
    "network": "network",
    "dataset": "data set",
    "parameters": "parameters",
    "precision": "precision",
    "steps": "steps",
    "ours": "test error (%)",
    "paper": "in the paper (%)",
    "difference": "difference",
}
_MINUS = "\N{MINUS SIGN}"
_MISSING = "–"
# The first columns of a formatted table are aligned to the left, the others to the right.
_LEFT_COLUMNS = 2

# Of a table drawn as a figure, in inches.
_ROW_HEIGHT, _CHARACTER_WIDTH, _COLUMN_GAP, _MARGIN = 0.30, 0.082, 0.28, 0.15
_NOTE_HEIGHT, _NOTE_CHARACTERS_PER_INCH = 0.16, 14.5


def results_table(groups: Sequence[Group]) -> pd.DataFrame:
    """Returns the results of groups of runs next to those of the paper.

    Args:
        groups: the groups, one per row.

    Returns:
        A `DataFrame` with these columns; what is missing is NaN or empty.

        - `network`: the label of the group.
        - `dataset`, `precision`, `steps`: values of the recipe.
        - `parameters`: the number of trainable parameters.
        - `ours`: the test error as text, such as `8.58 ± 0.15 (3)`.
        - `mean_error`, `std_error`: the mean and the sample standard deviation of the test error
          over the seeds, in percent.
        - `n`: the number of complete runs; `unfinished`: the number of the others.
        - `train_error`: the training error in percent over the steps of the last row, averaged
          over the seeds.
        - `paper`, `paper_error`, `paper_source`: the error in the paper as text and in percent, and
          where it is in the paper.
        - `difference`: `mean_error` minus `paper_error`, in percentage points.

    Example:

    >>> import pandas as pd
    >>> from resnet_keras.recipe import Recipe
    >>> from resnet_keras.runs.run import Run
    >>> metrics = pd.DataFrame({"step": [64_000], "test_error": [9.0], "train_error": [0.2]})
    >>> run = Run("my-run", Path("runs/my-run"), Recipe("resnet20"), metrics)
    >>> table = results_table([Group(run.recipe, (run,))])
    >>> table[["network", "ours", "paper", "difference"]].values.tolist()
    [['resnet20-A', '9.00 (1)', '8.75', 0.25]]
    """
    import pandas as pd

    return pd.DataFrame([_row(group) for group in groups], columns=list(_COLUMNS))


def format_results(table: pd.DataFrame) -> pd.DataFrame:
    """Formats a table of results for readers.

    Args:
        table: from `results_table`.

    Returns:
        A `DataFrame` of strings, with headings as column names.

    Example:

    >>> formatted = format_results(results_table([]))
    >>> list(formatted.columns)[-3:]
    ['test error (%)', 'in the paper (%)', 'difference']
    """
    import pandas as pd

    formatted = pd.DataFrame(index=table.index)
    for name, heading in _HEADINGS.items():
        column = table[name]
        if name in ("parameters", "steps"):
            formatted[heading] = [f"{int(value):,}" for value in column]
        elif name == "difference":
            formatted[heading] = [format_difference(value) for value in column]
        else:
            formatted[heading] = [str(value) if value else _MISSING for value in column]
    return formatted


def format_difference(value: float | None) -> str:
    """Formats a difference with its sign.

    Args:
        value: the difference; `None` or NaN if there is none.

    Example:

    >>> format_difference(1.234), format_difference(None)
    ('+1.23', '–')
    """
    if value is None or math.isnan(value):
        return _MISSING
    return f"{value:+.2f}".replace("-", _MINUS)


def write_table(
    table: pd.DataFrame, formatted: pd.DataFrame, folder: str | os.PathLike[str], name: str
) -> list[Path]:
    """Writes a table as `<name>.csv`, `<name>.md` and `<name>.tex`.

    Args:
        table: the numbers, for the CSV file.
        formatted: the strings, for the other files.
        folder: the folder. It is created if it is missing.
        name: the name of the files.

    Returns:
        The paths of the files in this order.

    Raises:
        UserError: if a file cannot be written.

    Example:

    >>> table = results_table([])
    >>> [path.name for path in write_table(table, format_results(table), "tables", "depth")]
    ['depth.csv', 'depth.md', 'depth.tex']
    """
    folder = Path(folder)
    texts = {
        "csv": table.to_csv(index=False),
        "md": to_markdown(formatted),
        "tex": to_latex(formatted),
    }
    paths = []
    for suffix, text in texts.items():
        path = folder / f"{name}.{suffix}"
        write_text(path, text)
        paths.append(path)
    return paths


def to_markdown(formatted: pd.DataFrame) -> str:
    """Returns a table in Markdown.

    Args:
        formatted: a `DataFrame` of strings.

    Example:

    >>> import pandas as pd
    >>> print(to_markdown(pd.DataFrame({"network": ["plain20"], "set": ["a"], "error": ["9.7"]})))
    | network | set | error |
    | --- | --- | ---: |
    | plain20 | a | 9.7 |
    """
    rows = [[escape_markdown(cell) for cell in row] for row in _rows(formatted)]
    rules = ["---" if index < _LEFT_COLUMNS else "---:" for index in range(len(formatted.columns))]
    lines = [rows[0], rules, *rows[1:]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def to_latex(formatted: pd.DataFrame) -> str:
    """Returns a table as a LaTeX `tabular` with the rules of the package `booktabs`.

    Args:
        formatted: a `DataFrame` of strings.

    Example:

    >>> import pandas as pd
    >>> table = pd.DataFrame({"network": ["plain20"], "set": ["a"], "error": ["9.7"]})
    >>> to_latex(table).splitlines()[3]
    'network & set & error \\\\\\\\'
    """
    columns = "l" * _LEFT_COLUMNS + "r" * (len(formatted.columns) - _LEFT_COLUMNS)
    rows = [" & ".join(map(escape_latex, row)) + r" \\" for row in _rows(formatted)]
    lines = [
        "% needs \\usepackage{booktabs}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule", rows[0], r"\midrule", *rows[1:], r"\bottomrule",
        r"\end{tabular}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def to_html(formatted: pd.DataFrame) -> str:
    """Returns a table in HTML.

    Args:
        formatted: a `DataFrame` of strings.

    Example:

    >>> import pandas as pd
    >>> to_html(pd.DataFrame({"network": ["<plain20>"]})).splitlines()[3]
    '<tr><td>&lt;plain20&gt;</td></tr>'
    """
    headings, *rows = _rows(formatted)
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in headings)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>\n"
        for row in rows
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"


def escape_markdown(text: str) -> str:
    r"""Escapes text for one cell of a Markdown table.

    Args:
        text: the text. Line breaks become spaces.

    Example:

    >>> escape_markdown("a_b|c")
    'a\\_b\\|c'
    """
    text = re.sub(r"([\\`*_{}\[\]<>|~$#])", r"\\\1", " ".join(text.split()))
    return text.replace("&", "&amp;")


def escape_latex(text: str) -> str:
    r"""Escapes text for LaTeX.

    Args:
        text: the text. Line breaks become spaces.

    Example:

    >>> escape_latex("50 % ± 1")
    '50 \\% $\\pm$ 1'
    """
    special = {
        "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
        "±": r"$\pm$", "–": "--", _MINUS: "$-$", "×": r"$\times$", "<": r"\textless{}",
        ">": r"\textgreater{}", **{character: f"\\{character}" for character in "&%$#_{}"},
    }  # fmt: skip
    return "".join(special.get(character, character) for character in " ".join(text.split()))


def table_figure(formatted: pd.DataFrame, title: str, notes: Sequence[str] = ()) -> Figure:
    """Returns a figure of a table.

    Args:
        formatted: a `DataFrame` of strings. The first two columns are aligned to the left, the
            others to the right.
        title: the title, taken literally.
        notes: sentences to write below the table.

    Example:

    >>> figure = table_figure(format_results(results_table([])), "No results", ["None yet."])
    >>> [figure.axes[0].texts[index].get_text() for index in (0, -1)]
    ['No results', 'None yet.']
    """
    rows = _rows(formatted)
    widths = [
        max(len(row[index]) for row in rows) * _CHARACTER_WIDTH + _COLUMN_GAP
        for index in range(len(rows[0]))
    ]
    width = sum(widths) + 2 * _MARGIN
    note_lines = textwrap.wrap(" ".join(notes), int(width * _NOTE_CHARACTERS_PER_INCH))
    height = _ROW_HEIGHT * (len(rows) + 1.5) + _NOTE_HEIGHT * len(note_lines) + 0.15
    figure = new_figure(width, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    axes.text(_MARGIN, 0.26, title, fontsize=11, weight="bold", va="center", **LITERAL)
    top = 0.26 + _ROW_HEIGHT
    for number, row in enumerate(rows):
        y = top + _ROW_HEIGHT * (number + 0.25)
        left = _MARGIN
        for column, (cell, cell_width) in enumerate(zip(row, widths, strict=True)):
            to_left = column < _LEFT_COLUMNS
            x = left + 0.04 if to_left else left + cell_width - _COLUMN_GAP / 2
            axes.text(
                x, y, cell, fontsize=9, va="center", ha="left" if to_left else "right",
                weight="bold" if number == 0 else "normal", **LITERAL,
            )  # fmt: skip
            left += cell_width
    for number, thickness in ((0, 1.2), (1, 0.7), (len(rows), 1.2)):
        y = top + _ROW_HEIGHT * (number - 0.25)
        axes.plot([_MARGIN, width - _MARGIN], [y, y], color="black", lw=thickness)
    y = top + _ROW_HEIGHT * (len(rows) - 0.25) + 0.10
    axes.text(
        _MARGIN + 0.04, y, "\n".join(note_lines), fontsize=7.5, va="top", color="0.25",
        linespacing=1.3, **LITERAL,
    )  # fmt: skip
    return figure


def _rows(formatted: pd.DataFrame) -> list[list[str]]:
    """Returns the headings and the rows."""
    return [
        [str(cell) for cell in row]
        for row in (formatted.columns.tolist(), *formatted.to_numpy().tolist())
    ]


def _row(group: Group) -> dict[str, Any]:
    recipe = group.recipe
    errors = group.last_errors("test")
    mean, std = mean_and_std(errors)
    paper = paper_result(recipe)
    paper_error = math.nan if paper is None or paper.error is None else paper.error
    return {
        "network": group.label,
        "dataset": recipe.dataset,
        "parameters": _parameters(group),
        "precision": recipe.precision,
        "steps": recipe.steps,
        "ours": _error_text(group, errors),
        "mean_error": round(mean, 4),
        "std_error": round(std, 4),
        "n": len(errors),
        "unfinished": len(group.unfinished),
        "train_error": round(mean_and_std(_train_errors(group))[0], 4),
        "paper": paper.text if paper else "",
        "paper_error": paper_error,
        "paper_source": paper.source if paper else "",
        "difference": round(mean - paper_error, 4),
    }


def _error_text(group: Group, errors: Sequence[float]) -> str:
    if not errors:
        run = max(group.runs, key=lambda run: run.step)
        return f"unfinished: {run.step:,} of {run.recipe.steps:,}"
    mean, std = mean_and_std(errors)
    spread = f" ± {std:.2f}" if len(errors) > 1 else ""
    return f"{mean:.2f}{spread} ({len(errors)})"


def _train_errors(group: Group) -> list[float]:
    # The training error of a row is the mean since the previous row. In a run with a single row it
    # is the mean over all steps, which does not describe the end of the run.
    errors = [run.last_error("train") for run in group.complete if len(run.metrics) > 1]
    return [error for error in errors if error is not None]


def _parameters(group: Group) -> int:
    recorded = group.runs[0].config.get("parameters")
    if isinstance(recorded, int):
        return recorded
    return accounting.totals(accounting.layers(group.recipe.architecture)).parameters
