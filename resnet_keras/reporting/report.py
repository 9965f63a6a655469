"""One HTML page with all figures, tables and runs, in a single file without external resources."""

from __future__ import annotations

import base64
import html
import struct
from collections.abc import Sequence
from pathlib import Path

from resnet_keras.errors import UserError
from resnet_keras.files import write_text
from resnet_keras.formatting import format_duration
from resnet_keras.reporting.gallery import TABLES, GalleryItem
from resnet_keras.reporting.groups import group_runs, paper_steps
from resnet_keras.reporting.paper import CURVE_PRECISION
from resnet_keras.reporting.tables import to_html
from resnet_keras.runs.run import Run, train_command

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
/* On a phone, wide figures keep a readable size and can be scrolled. */
@media (max-width: 44rem) { img.wide { max-width: none; width: 44rem; } }
@media print { details, figure { break-inside: avoid; } }
"""
_PNG_SIGNATURE = b"\x89PNG"
_TITLE = "Deep Residual Learning for Image Recognition: our results"


def write_report(
    path: Path,
    runs: Sequence[Run],
    figures: Sequence[GalleryItem],
    tables: Sequence[GalleryItem],
    errors: Sequence[str] = (),
) -> Path:
    """Writes the page to a file.

    Args:
        path: the .html file.
        runs: all runs.
        figures: the figures that `gallery.draw_figures` drew from them.
        tables: the tables that `gallery.write_tables` wrote from them.
        errors: one line for each run that could not be read.

    Returns:
        The path.

    Raises:
        UserError: if a figure cannot be read, or the page cannot be written.

    Example:

    >>> path = write_report(Path("results/report.html"), [], [], [])
    >>> path.read_text(encoding="utf-8").splitlines()[0]
    '<!DOCTYPE html>'
    """
    write_text(Path(path), report_html(runs, figures, tables, errors))
    return Path(path)


def report_html(
    runs: Sequence[Run],
    figures: Sequence[GalleryItem],
    tables: Sequence[GalleryItem],
    errors: Sequence[str] = (),
) -> str:
    """Returns the page as text.

    Args:
        runs: see `write_report`.
        figures: see `write_report`.
        tables: see `write_report`.
        errors: see `write_report`.

    Raises:
        UserError: if a figure cannot be read.

    Example:

    >>> page = report_html([], [], [], ["left out: runs/broken has no metrics.csv"])
    >>> "runs/broken" in page, "src=" in page
    (True, False)
    """
    parts = [
        f"<h1>{_TITLE}</h1>",
        _summary(runs, errors),
        "<h2>Figures</h2>" if figures else "",
        *(_figure(item) for item in figures),
        "<h2>Tables</h2>",
        *_tables(runs, tables),
        "<h2>Runs</h2>",
        "<p>Each command repeats its run from the start.</p>",
        *(_run(run) for run in runs),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_TITLE}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def _summary(runs: Sequence[Run], errors: Sequence[str]) -> str:
    complete = sum(run.complete for run in runs)
    devices = sorted({run.device for run in runs})
    shortened = sum(run.recipe.steps < paper_steps(run.recipe) for run in runs)
    duration = format_duration(sum(run.seconds for run in runs))
    lines = [
        f"This page shows {len(runs)} runs, of which {complete} are complete. Training and "
        f"evaluation took {duration} in total, on {html.escape('; '.join(devices))}.",
        "All errors were measured after the last iteration; none is the lowest error that occurred "
        "on the test set. A single seed is not enough to rank networks with similar errors.",
    ]
    if shortened:
        lines.append(
            f"{shortened} of the runs have shorter schedules than the paper, so their errors "
            "cannot be compared directly with those of the paper."
        )
    text = "".join(f"<p>{line}</p>\n" for line in lines)
    if errors:
        items = "".join(f"<li>{html.escape(error)}</li>" for error in errors)
        text += f"<p>Not included:</p><ul>{items}</ul>"
    return text


def _figure(item: GalleryItem) -> str:
    try:
        image = item.path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {item.path}: {error.strerror or error}") from error
    if not image.startswith(_PNG_SIGNATURE) or len(image) < 24:
        raise UserError(f"cannot read {item.path}: it is not a complete .png file")
    data = base64.b64encode(image).decode("ascii")
    # Bytes 16 to 24 of a .png file hold its width and height.
    width, height = struct.unpack(">II", image[16:24])
    css_class = "wide" if width > 1.6 * height else "narrow"
    caption = html.escape(item.caption)
    networks = html.escape(", ".join(item.networks))
    listed = f" Networks: {networks}." if networks else ""
    return (
        f'<figure><div class="scroll"><img class="{css_class}" width="{width}" height="{height}" '
        f'alt="{caption}. {networks}" src="data:image/png;base64,{data}"></div>'
        f"<figcaption>{caption}.{listed} File: {html.escape(item.path.name)}</figcaption></figure>"
    )


def _tables(runs: Sequence[Run], tables: Sequence[GalleryItem]) -> list[str]:
    groups = group_runs(runs)
    parts = []
    for item in tables:
        table = TABLES[item.path.stem]
        members = table.select_groups(groups)
        notes = " ".join(table.notes(members))
        parts.append(
            f"<h3>{html.escape(item.caption)}</h3>\n"
            f'<div class="scroll">{to_html(table.format(table.build(members)))}</div>\n'
            f'<p class="note">{html.escape(notes)}</p>'
        )
    parts.append(
        '<p class="note">All errors are in percent. The difference is our error minus the error in '
        "the paper, in percentage points. Errors that were read from the curves of the paper are "
        f"accurate to about ±{CURVE_PRECISION}.</p>"
    )
    return parts


def _run(run: Run) -> str:
    error = run.last_error("test")
    test_error = "no test error yet" if error is None else f"test error {error:.2f} %"
    status = test_error
    if not run.complete:
        status = (
            f'<span class="unfinished">unfinished: {run.step:,} of {run.recipe.steps:,} '
            f"steps</span>, {test_error}"
        )
    versions = run.config.get("versions") or {}
    reason = run.config.get("precision_reason", "reason unknown")
    speed = run.metrics["images_per_second"].median()
    facts = {
        "device": run.device,
        "precision": f"{run.recipe.precision} ({reason})",
        "duration": f"{format_duration(run.seconds)} for {run.step:,} steps of "
        f"{run.recipe.batch_size} images, median {speed:,.0f} images/s",
        "started": str(run.config.get("started", "unknown")),
        "commit": str(run.config.get("git_commit") or "unknown"),
        "versions": ", ".join(f"{name} {value}" for name, value in versions.items()) or "unknown",
        **_resumed(run),
    }
    listed = "".join(
        f"<dt>{name}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items()
    )
    data_dir = (run.config.get("places") or {}).get("data_dir")
    command = html.escape(train_command(run.recipe, run.name, data_dir))
    return (
        f"<details><summary>{html.escape(run.name)}: {status}</summary>\n"
        f"<pre>{command}</pre>\n<dl>{listed}</dl></details>"
    )


def _resumed(run: Run) -> dict[str, str]:
    """Returns where a run was resumed on another machine: its speed and its bits may differ."""
    entries = run.config.get("continued") or []
    texts = [
        f"after step {entry.get('step')} on {entry.get('device')}, commit {entry.get('git_commit')}"
        for entry in entries
    ]
    return {"resumed": "; ".join(texts)} if texts else {}
