"""`python -m resnet_keras compare`: any runs, one figure and one table."""

import argparse
import sys
from pathlib import Path

HELP = "Draw any runs into one figure, and set their errors in one table."


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folders of runs, such as runs/NAME")
    parser.add_argument(
        "--out", default="compare.png", metavar="FILE",
        help="the figure, .png or .svg; the table lies beside it as .csv, .md and .tex "
        "(default: compare.png)",
    )  # fmt: skip
    parser.add_argument("--title", default="", help="over the figure")
    parser.add_argument(
        "--overlay-paper", action="store_true", help="lay the paper's curves of Fig. 6 behind ours"
    )


def run(args: argparse.Namespace) -> int:
    """Draws and prints; runs that differ in their seed alone are taken together.

    Raises:
        UsageError: if `--out` is neither .png nor .svg.
        UserError: if a folder is no run's, or a file cannot be written.
    """
    from resnet_keras.errors import UsageError
    from resnet_keras.reporting.error_figures import one_panel
    from resnet_keras.reporting.figures import save
    from resnet_keras.reporting.groups import group_runs
    from resnet_keras.reporting.tables import readable, results_table, to_markdown, write_table
    from resnet_keras.runs.reading import read_runs

    out = Path(args.out)
    if out.suffix.lower() not in (".png", ".svg"):
        raise UsageError(f"--out writes .png and .svg files. Received: {args.out!r}")
    paths = {Path(path).resolve(): path for path in args.runs}
    runs = read_runs(paths.values())
    groups = group_runs(runs)
    counted = [run for group in groups for run in group.runs]
    for run in runs:
        if run not in counted:
            print(f"left out: {run.path}, another run of its recipe and seed", file=sys.stderr)
    save(one_panel(groups, args.title or "comparison of runs", args.overlay_paper), out)
    table = results_table(groups)
    write_table(table, readable(table), out.parent, out.stem)
    print(to_markdown(readable(table)).rstrip())
    print(f"figure: {out}; table: {out.with_suffix('.csv')}, .md, .tex")
    return 0
