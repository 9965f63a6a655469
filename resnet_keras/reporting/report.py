"""One page with all figures, tables and runs: a single file that needs nothing beside it."""

import base64
import html
import struct
from collections.abc import Sequence
from pathlib import Path

from resnet_keras.errors import UserError
from resnet_keras.files import write_text
from resnet_keras.formatting import clock
from resnet_keras.reporting.gallery import TABLES, Shown
from resnet_keras.reporting.groups import group_runs, paper_steps
from resnet_keras.reporting.paper import CURVE_READING
from resnet_keras.reporting.tables import to_html
from resnet_keras.runs.reading import Run, train_command

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff;
  max-width: 66rem; margin: 0 auto; padding: 1rem; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { margin-top: 2.2rem; border-bottom: 1px solid #ccc; }
figure { margin: 1.5rem 0; } img { max-width: 100%; height: auto; display: block; }
figcaption, .note { color: #444; font-size: .92rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .88rem; }
th, td { padding: .3rem .55rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid #ddd; }
th { border-bottom: 2px solid #555; }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; }
details { margin: .5rem 0; border: 1px solid #ddd; border-radius: 4px; padding: .4rem .7rem; }
summary { cursor: pointer; } dl { margin: .4rem 0; }
dt { font-weight: 600; } dd { margin: 0 0 .4rem; }
pre { background: #f4f4f4; padding: .6rem; margin: .2rem 0; font-size: .85rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.unfinished { color: #8a3b00; font-weight: 600; }
/* On a phone, wide figures keep a readable size and are moved with a finger. */
@media (max-width: 44rem) { img.wide { max-width: none; width: 44rem; } }
@media print { details, figure { break-inside: avoid; } }
"""
_PNG = b"\x89PNG"


def write_report(
    path: Path,
    runs: Sequence[Run],
    figures: Sequence[Shown],
    tables: Sequence[Shown],
    problems: Sequence[str] = (),
) -> Path:
    """Writes the page; returns its path.

    Args:
        path: the file.
        runs: all of them.
        figures: what `figure_gallery.draw_figures` drew from them.
        tables: what `table_gallery.write_tables` wrote of them.
        problems: lines on runs that could not be read.

    Raises:
        UserError: if a figure cannot be read or the page cannot be written.
    """
    write_text(Path(path), report_html(runs, figures, tables, problems))
    return Path(path)


def report_html(runs, figures, tables, problems=()) -> str:
    """Returns the page as text; arguments and errors as of `write_report`."""
    title = "Deep Residual Learning, reproduced: what was run and what came out"
    parts = [
        f"<h1>{title}</h1>",
        _summary(runs, problems),
        "<h2>Figures</h2>" if figures else "",
        *(_figure(shown) for shown in figures),
        "<h2>Tables</h2>",
        *_tables(runs, tables),
        "<h2>Runs</h2>",
        "<p>Each of these commands makes its run again from nothing.</p>",
        *(_run(run) for run in runs),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def _summary(runs, problems):
    complete = sum(run.complete for run in runs)
    devices = sorted({run.device for run in runs})
    shortened = sum(run.recipe.steps < paper_steps(run.recipe) for run in runs)
    lines = [
        f"{len(runs)} runs, {complete} of them complete, {clock(sum(r.seconds for r in runs))} of "
        f"training and evaluation in all, on {html.escape('; '.join(devices))}.",
        "Every number is from a run that happened, and is that of the last iterate, never the best "
        "seen on the test set. One seed alone is no ground for an order between networks.",
    ]
    if shortened:
        lines.append(
            f"{shortened} of the runs have schedules shorter than the paper's: their errors are "
            "not to be set against the paper's as if they were the same thing."
        )
    text = "".join(f"<p>{line}</p>\n" for line in lines)
    if problems:
        items = "".join(f"<li>{html.escape(problem)}</li>" for problem in problems)
        text += f"<p>Not read:</p><ul>{items}</ul>"
    return text


def _figure(shown):
    try:
        picture = shown.path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {shown.path}: {error.strerror or error}") from error
    if not picture.startswith(_PNG) or len(picture) < 24:
        raise UserError(f"cannot read {shown.path}: it is no whole .png file")
    data = base64.b64encode(picture).decode("ascii")
    # A .png file says its size in bytes 16 to 24.
    width, height = struct.unpack(">II", picture[16:24])
    wide = "wide" if width > 1.6 * height else "narrow"
    caption = html.escape(shown.caption)
    networks = html.escape(", ".join(shown.networks))
    of = f" Of: {networks}." if networks else ""
    return (
        f'<figure><div class="scroll"><img class="{wide}" width="{width}" height="{height}" '
        f'alt="{caption}. {networks}" src="data:image/png;base64,{data}"></div>'
        f"<figcaption>{caption}.{of} File: {html.escape(shown.path.name)}</figcaption></figure>"
    )


def _tables(runs, tables):
    groups = group_runs(runs)
    parts = []
    for shown in tables:
        table = TABLES[shown.path.stem]
        rows = table.rows(groups)
        notes = " ".join(table.notes(rows))
        parts.append(
            f"<h3>{html.escape(shown.caption)}</h3>\n"
            f'<div class="scroll">{to_html(table.shown(table.numbers(rows)))}</div>\n'
            f'<p class="note">{html.escape(notes)}</p>'
        )
    parts.append(
        '<p class="note">Errors in percent; the difference is ours minus the paper\'s, where its '
        "number stands beside. Values read off the paper's curves are right to about "
        f"±{CURVE_READING}.</p>"
    )
    return parts


def _continued(run):
    """Says where else a run went on: speed and bits are of each machine's own."""
    entries = run.config.get("continued") or []
    said = [
        f"from step {entry.get('step')} on {entry.get('device')}, commit {entry.get('git_commit')}"
        for entry in entries
    ]
    return {"continued": "; ".join(said)} if said else {}


def _run(run):
    error = run.last_error("test")
    last = "no test error yet" if error is None else f"{error:.2f} %"
    state = f"test error {last}"
    if not run.complete:
        state = (
            f'<span class="unfinished">unfinished: {run.step:,} of {run.recipe.steps:,} '
            f"steps</span>, {last} so far"
        )
    versions = run.config.get("versions") or {}
    reason = run.config.get("precision_reason", "unknown why")
    facts = {
        "device": run.device,
        "precision": f"{run.recipe.precision} ({reason})",
        "took": f"{clock(run.seconds)} for {run.step:,} steps of {run.recipe.batch_size} images, "
        f"median {run.metrics['images_per_second'].median():,.0f} images/s",
        "started": str(run.config.get("started", "unknown")),
        "commit": str(run.config.get("git_commit") or "unknown"),
        "versions": ", ".join(f"{name} {value}" for name, value in versions.items()) or "unknown",
        **_continued(run),
    }
    listed = "".join(
        f"<dt>{name}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items()
    )
    data_dir = (run.config.get("places") or {}).get("data_dir")
    command = html.escape(train_command(run.recipe, run.name, data_dir))
    return (
        f"<details><summary>{html.escape(run.name)}: {state}</summary>\n"
        f"<pre>{command}</pre>\n<dl>{listed}</dl></details>"
    )
