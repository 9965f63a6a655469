"""`resnet-keras report`: every figure and table of all runs, and one page with all of them."""

import argparse
import sys
from pathlib import Path

HELP = "Draw all figures and tables of the runs and collect them in one HTML page."


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the command."""
    parser.add_argument(
        "--runs-dir", metavar="DIR",
        help="the folder of runs (default: runs/ in the results, to which `reproduce` copies them)",
    )  # fmt: skip
    parser.add_argument(
        "--results-dir", default="results", metavar="DIR",
        help="the folder for figures, tables and report.html (default: results)",
    )  # fmt: skip
    parser.add_argument(
        "--overlay-paper", action="store_true", help="draw the paper's curves of Fig. 6 behind ours"
    )


def run(args: argparse.Namespace) -> int:
    """Draws the figures and writes the tables and the page.

    Raises:
        UserError: if there are no runs, or a file cannot be written.
    """
    from resnet_keras.reporting.gallery import draw_figures, draw_layer_responses, write_tables
    from resnet_keras.reporting.report import write_report
    from resnet_keras.runs.run import find_runs

    results = Path(args.results_dir)
    runs, errors = find_runs(args.runs_dir or results / "runs")
    figures = draw_figures(runs, results, overlay_paper=args.overlay_paper)
    responses, unread = draw_layer_responses(results)
    figures += responses
    errors += unread
    for error in errors:
        print(error, file=sys.stderr)
    tables = write_tables(runs, results)
    path = write_report(results / "report.html", runs, figures, tables, errors)
    for shown in (*figures, *tables):
        for file in filter(None, (shown.path, shown.image)):
            print(file)
    print(f"report: {path}")
    return 0
