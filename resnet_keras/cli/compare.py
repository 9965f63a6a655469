"""`resnet-keras compare`: any runs in one figure and one table."""

import argparse
import sys
from pathlib import Path

HELP = "Draw any runs into one figure and list their errors in one table."


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the command."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders, such as runs/NAME")
    parser.add_argument(
        "--out", default="compare.png", metavar="FILE",
        help="the figure, .png or .svg; the table is written next to it as .csv, .md and .tex "
        "(default: compare.png)",
    )  # fmt: skip
    parser.add_argument("--title", default="", help="the title of the figure")
    parser.add_argument(
        "--overlay-paper", action="store_true", help="draw the paper's curves of Fig. 6 behind ours"
    )


def run(args: argparse.Namespace) -> int:
    """Draws the figure and prints the table. Runs that differ only in their seed form one group.

    Raises:
        UsageError: if `--out` is neither a .png nor an .svg file.
        UserError: if a folder is not a run folder, or a file cannot be written.
    """
    from resnet_keras.errors import UsageError
    from resnet_keras.reporting.error_figures import single_panel_figure
    from resnet_keras.reporting.figures import save_figure
    from resnet_keras.reporting.groups import group_runs
    from resnet_keras.reporting.tables import (
        format_results,
        results_table,
        to_markdown,
        write_table,
    )
    from resnet_keras.runs.run import read_runs

    out = Path(args.out)
    if out.suffix.lower() not in (".png", ".svg"):
        raise UsageError(f"--out must be a .png or .svg file. Received: {args.out!r}")
    paths = {Path(path).resolve(): path for path in args.runs}
    runs = read_runs(paths.values())
    groups = group_runs(runs)
    counted = [run for group in groups for run in group.runs]
    for run in runs:
        if run not in counted:
            print(
                f"left out: {run.path}, which repeats another run's recipe and seed",
                file=sys.stderr,
            )
    title = args.title or "comparison of runs"
    save_figure(single_panel_figure(groups, title, args.overlay_paper), out)
    table = results_table(groups)
    write_table(table, format_results(table), out.parent, out.stem)
    print(to_markdown(format_results(table)).rstrip())
    print(f"figure: {out}; table: {out.with_suffix('.csv')}, .md, .tex")
    return 0
