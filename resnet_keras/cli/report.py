"""`python -m resnet_keras report`: every figure and table of all runs, and one page with them."""

import argparse
import sys
from pathlib import Path

HELP = "Draw all figures and tables of the runs, and write them into one HTML page."


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument(
        "--runs-dir", metavar="DIR",
        help="the folder of runs (default: runs/ in the results, where `reproduce` copies them)",
    )  # fmt: skip
    parser.add_argument(
        "--results-dir", default="results", metavar="DIR",
        help="where figures, tables and report.html are written (default: results)",
    )  # fmt: skip
    parser.add_argument(
        "--overlay-paper", action="store_true", help="lay the paper's curves of Fig. 6 behind ours"
    )


def run(args: argparse.Namespace) -> int:
    """Draws and writes.

    Raises:
        UserError: if there are no runs, or a file cannot be written.
    """
    from resnet_keras.reporting.gallery import draw_figures, draw_kept_responses, write_tables
    from resnet_keras.reporting.report import write_report
    from resnet_keras.runs.reading import find_runs

    results = Path(args.results_dir)
    runs, problems = find_runs(args.runs_dir or results / "runs")
    figures = draw_figures(runs, results, overlay_paper=args.overlay_paper)
    responses, unread = draw_kept_responses(results)
    figures += responses
    problems += unread
    for problem in problems:
        print(problem, file=sys.stderr)
    tables = write_tables(runs, results)
    path = write_report(results / "report.html", runs, figures, tables, problems)
    for shown in (*figures, *tables):
        for file in filter(None, (shown.path, shown.picture)):
            print(file)
    print(f"report: {path}")
    return 0
