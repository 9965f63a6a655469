"""Tables of results: ours beside the paper's, as csv, Markdown and LaTeX.

An error is the last iterate's, as the paper's evidently is; the best one seen on the test set
would have been chosen on it.
"""

import html
import math
import os
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

from resnet_keras import accounting
from resnet_keras.files import write_text
from resnet_keras.reporting.figures import LITERAL, new_figure
from resnet_keras.reporting.groups import Group, mean_and_std
from resnet_keras.reporting.paper import reported

ROW_INCHES, FONT_SIZE = 0.30, 9.0
CHARACTER_INCHES, GAP_INCHES, MARGIN_INCHES = 0.082, 0.28, 0.15


def table_picture(shown, title: str, notes: Sequence[str] = ()):
    """Returns a matplotlib `Figure` of a table.

    Args:
        shown: a `DataFrame` of strings, see `tables.readable`. The first two columns are set to
            the left, the others to the right.
        title: taken literally.
        notes: sentences below it.
    """
    rows = [list(map(str, shown.columns)), *[list(map(str, row)) for row in shown.to_numpy()]]
    widths = [
        max(len(row[index]) for row in rows) * CHARACTER_INCHES + GAP_INCHES
        for index in range(len(rows[0]))
    ]
    width = sum(widths) + 2 * MARGIN_INCHES
    text = textwrap.wrap(" ".join(notes), int(width * 14.5))
    height = ROW_INCHES * (len(rows) + 1.5) + 0.16 * len(text) + 0.15
    figure = new_figure(width, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    axes.text(MARGIN_INCHES, 0.26, title, fontsize=11, weight="bold", va="center", **LITERAL)
    top = 0.26 + ROW_INCHES
    for number, row in enumerate(rows):
        y = top + ROW_INCHES * (number + 0.25)
        left = MARGIN_INCHES
        for column, (cell, cell_width) in enumerate(zip(row, widths, strict=True)):
            right = column >= 2
            x = left + cell_width - GAP_INCHES / 2 if right else left + 0.04
            axes.text(x, y, cell, fontsize=FONT_SIZE, va="center", ha="right" if right else "left",
                      weight="bold" if number == 0 else "normal", **LITERAL)  # fmt: skip
            left += cell_width
    for number, thickness in ((0, 1.2), (1, 0.7), (len(rows), 1.2)):
        y = top + ROW_INCHES * (number - 0.25)
        axes.plot([MARGIN_INCHES, width - MARGIN_INCHES], [y, y], color="black", lw=thickness)
    y = top + ROW_INCHES * (len(rows) - 0.25) + 0.10
    axes.text(MARGIN_INCHES + 0.04, y, "\n".join(text), fontsize=7.5, va="top", color="0.25",
              linespacing=1.3, **LITERAL)  # fmt: skip
    return figure


# Column of the numbers -> column of the table that people read.
HEADINGS = {
    "network": "network",
    "dataset": "data set",
    "parameters": "parameters",
    "precision": "precision",
    "steps": "steps",
    "ours": "ours, test error (%)",
    "paper": "the paper's (%)",
    "difference": "difference",
}
MINUS = "\N{MINUS SIGN}"


def results_table(groups: Sequence[Group]):
    """Returns the numbers as a pandas `DataFrame`, a row a group.

    Columns: `network` (the group's label), `dataset`, `parameters` (trainable), `precision`,
    `steps`, `ours` (in words, as for a reader), `mean_error`, `std_error` (percent; sample standard
    deviation over seeds), `n` (complete runs), `unfinished` (runs), `train_error` (percent, mean
    over the last row's steps and the seeds), `paper` (in words), `paper_error` (percent),
    `paper_source`, `difference` (points of percent, ours minus the paper's). What there is not is
    NaN or empty.
    """
    import pandas

    return pandas.DataFrame([_row(group) for group in groups], columns=list(_row_types()))


def readable(table):
    """Returns a results table as text, for people: a `DataFrame` of strings under headings."""
    import pandas

    shown = pandas.DataFrame(index=table.index)
    for name, heading in HEADINGS.items():
        column = table[name]
        if name in ("parameters", "steps"):
            shown[heading] = [f"{int(value):,}" for value in column]
        elif name == "difference":
            shown[heading] = [signed(value) for value in column]
        else:
            shown[heading] = [str(value) if value else "–" for value in column]
    return shown


def write_table(table, shown, folder: str | os.PathLike, name: str) -> list[Path]:
    """Writes a table as `name.csv`, `name.md` and `name.tex`; returns their paths.

    Args:
        table: the numbers, for the csv file.
        shown: the strings for people, for the others.
        folder: where.
        name: of the files.

    Raises:
        UserError: if they cannot be written.
    """
    folder = Path(folder)
    texts = {
        "csv": table.to_csv(index=False),
        "md": to_markdown(shown),
        "tex": to_latex(shown),
    }
    paths = []
    for suffix, text in texts.items():
        path = folder / f"{name}.{suffix}"
        write_text(path, text)
        paths.append(path)
    return paths


def to_markdown(shown) -> str:
    """Returns a `DataFrame` of strings as a Markdown table, numbers to the right."""
    rows = [list(shown.columns), *shown.to_numpy().tolist()]
    rows = [[escape_markdown(str(cell)) for cell in row] for row in rows]
    rules = ["---" if index < 2 else "---:" for index in range(len(shown.columns))]
    lines = [rows[0], rules, *rows[1:]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def to_latex(shown) -> str:
    """Returns a `DataFrame` of strings as a LaTeX `tabular` with the rules of `booktabs`."""
    columns = "ll" + "r" * (len(shown.columns) - 2)
    rows = [list(shown.columns), *shown.to_numpy().tolist()]
    rows = [" & ".join(escape_latex(str(cell)) for cell in row) + r" \\" for row in rows]
    lines = [
        "% needs \\usepackage{booktabs}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule", rows[0], r"\midrule", *rows[1:], r"\bottomrule",
        r"\end{tabular}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def to_html(shown) -> str:
    """Returns a `DataFrame` of strings as an HTML table."""
    head = "".join(f"<th>{html.escape(str(cell))}</th>" for cell in shown.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>\n"
        for row in shown.to_numpy().tolist()
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"


def escape_markdown(text: str) -> str:
    """Returns text that Markdown shows as it is, in one cell of a table."""
    text = re.sub(r"([\\`*_{}\[\]<>|~$#])", r"\\\1", " ".join(text.split()))
    return text.replace("&", "&amp;")


def escape_latex(text: str) -> str:
    """Returns text that LaTeX shows as it is."""
    special = {
        "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
        "±": r"$\pm$", "–": "--", MINUS: "$-$", "×": r"$\times$", "<": r"\textless{}",
        ">": r"\textgreater{}", **{c: f"\\{c}" for c in "&%$#_{}"},
    }  # fmt: skip
    return "".join(special.get(character, character) for character in " ".join(text.split()))


def signed(value: float) -> str:
    """Returns a difference with its sign: `+1.23`, `−0.40`; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:+.2f}".replace("-", MINUS)


def _row_types():
    return (
        "network", "dataset", "parameters", "precision", "steps", "ours", "mean_error",
        "std_error", "n", "unfinished", "train_error", "paper", "paper_error", "paper_source",
        "difference",
    )  # fmt: skip


def _row(group):
    recipe = group.recipe
    errors = group.last_errors("test")
    mean, std = mean_and_std(errors)
    paper = reported(recipe)
    paper_error = math.nan if paper is None or paper.error is None else paper.error
    return {
        "network": group.label,
        "dataset": recipe.dataset,
        "parameters": _parameters(group),
        "precision": recipe.precision,
        "steps": recipe.steps,
        "ours": _ours(group, errors),
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


def _train_errors(group):
    # A row's training error is the mean since the row before: of a run with one row, over all of
    # its steps, which says nothing of its end.
    return [run.last_error("train") for run in group.complete if len(run.metrics) > 1]


def _ours(group, errors):
    if not errors:
        run = max(group.runs, key=lambda run: run.step)
        return f"unfinished: {run.step:,} of {run.recipe.steps:,}"
    mean, std = mean_and_std(errors)
    spread = f" ± {std:.2f}" if len(errors) > 1 else ""
    return f"{mean:.2f}{spread} ({len(errors)})"


def _parameters(group):
    counted = group.runs[0].config.get("parameters")
    if isinstance(counted, int):
        return counted
    return accounting.totals(accounting.layers(group.recipe.architecture)).parameters
