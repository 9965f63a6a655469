"""`resnet-keras reproduce`: the paper's comparisons, from the runs to figures and tables."""

import argparse
import contextlib
import shlex
import sys
from pathlib import Path

from resnet_keras.cli.flags import SIGNAL_STATUS, add_data_dir, positive, print_status
from resnet_keras.errors import UsageError
from resnet_keras.experiments.catalogue import EXPERIMENTS, Experiment, get_experiment
from resnet_keras.experiments.plan import (
    OTHER_RECIPE,
    PlannedRun,
    has_other_recipe,
    plan,
    state,
    steps_done,
)
from resnet_keras.runs.run import Run

HELP = "Run one of the paper's comparisons and draw its figures and tables."


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    listed = "\n".join(f"  {name:20}{one.summary}" for name, one in EXPERIMENTS.items())
    parser.epilog = (
        f"experiments:\n{listed}\n\nComplete runs are skipped and interrupted ones resume, so the "
        "same command can be run again\nat any time. --dry-run estimates how long it takes."
    )
    parser.add_argument("experiment", metavar="EXPERIMENT", help="see below")
    parser.add_argument(
        "--seeds", type=positive, default=1, metavar="N", help="runs per network (default: 1)"
    )
    parser.add_argument(
        "--jobs", type=positive, default=1, metavar="N", help="concurrent runs (default: 1)"
    )
    parser.add_argument(
        "--steps-scale", type=float, default=1.0, metavar="X",
        help="multiply every schedule by this factor: 0.1 for a tenth (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--only", "--depths", action="append", default=[], metavar="NAME,…",
        help="only these networks: names (resnet20), labels (resnet20-B) or depths (20,56)",
    )  # fmt: skip
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="list the runs with their state and estimated time, and run nothing",
    )
    values = parser.add_argument_group("values that override those of every recipe")
    values.add_argument(
        "--dataset", metavar="NAME", help="instead of the data set of the paper, for example digits"
    )
    values.add_argument("--precision", metavar="NAME", help="float32 or mixed_bfloat16")
    values.add_argument(
        "--eval-every", type=positive, metavar="N", help="steps between evaluations"
    )
    folders = parser.add_argument_group("folders")
    add_data_dir(folders)
    folders.add_argument("--runs-dir", default="runs", metavar="DIR", help="default: runs")
    folders.add_argument(
        "--results-dir", default="results", metavar="DIR",
        help="the folder for figures, tables and copies of each run's measurements (default: "
        "results)",
    )  # fmt: skip
    parser.add_argument(
        "--overlay-paper", action="store_true", help="draw the paper's curves of Fig. 6 behind ours"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the experiment and draws its figures and tables.

    Returns:
        0 if every run is complete, 1 if a run failed, 128 + n after the signal n.

    Raises:
        UsageError: if an experiment or network is unknown, or a value does not fit.
        UserError: if a folder cannot be written.
    """
    experiment = get_experiment(args.experiment)
    given = {
        name: getattr(args, name)
        for name in ("dataset", "precision", "eval_every")
        if getattr(args, name) is not None
    }
    if experiment.name == "precision" and args.precision:
        raise UsageError("the experiment precision compares two precisions: omit --precision")
    only = _selected_networks(experiment, args.only)
    planned = plan(experiment, args.seeds, args.steps_scale, only, **given)
    if args.dry_run:
        _print_plan(experiment, planned, args)
        return 0
    from resnet_keras.experiments.runner import ExperimentOptions, launch
    from resnet_keras.files import make_folder

    # Checked now, and not after hours of training.
    make_folder(Path(args.results_dir))
    outcome = launch(
        planned, ExperimentOptions(Path(args.runs_dir), args.data_dir), args.jobs, print_status
    )
    if outcome.stopped_by:
        print_status("stopped; the same command resumes")
        return SIGNAL_STATUS + outcome.stopped_by
    _publish(experiment, planned, args)
    if experiment.note:
        print(f"note: {experiment.note}")
    for line in _evaluation_commands(experiment, outcome.done, args):
        print(line)
    for name, lines in outcome.failed:
        print(f"{name} failed: {lines}", file=sys.stderr)
    return 1 if outcome.failed or outcome.interrupted else 0


def _print_plan(
    experiment: Experiment, planned: list[PlannedRun], args: argparse.Namespace
) -> None:
    """Prints the runs with their state and the estimated time."""
    from resnet_keras.experiments.plan import estimate
    from resnet_keras.formatting import format_duration

    measured = _finished_runs(args)
    width = max(len(one.name) for one in planned)
    total = 0.0
    # A dictionary, because it keeps the order.
    bases: dict[str, None] = {}
    states = set()
    for one in planned:
        remaining = estimate(one.recipe, steps_done(one, args.runs_dir) or 0, measured)
        total += remaining.seconds
        time = "" if not remaining.seconds else f"about {format_duration(remaining.seconds)}"
        if time:
            bases.setdefault(remaining.basis)
        run_state = state(one, args.runs_dir)
        states.add(run_state)
        print(f"{one.name:{width}}  {one.recipe.steps:>9,} steps  {run_state:16}  {time}".rstrip())
    print(f"{len(planned)} runs; remaining: about {format_duration(total)}, one at a time")
    for basis in bases:
        print(f"estimated from {basis}" if measured else basis)
    if OTHER_RECIPE in states:
        print(
            f"{OTHER_RECIPE}: the folder contains a run of another recipe. Rename it; otherwise "
            "that run fails"
        )
    if experiment.note:
        print(f"note: {experiment.note}")


def _evaluation_commands(
    experiment: Experiment, names: list[str], args: argparse.Namespace
) -> list[str]:
    """Returns the commands that measure the exports with the paper's views, if these are several.

    They are not run here, because they may take as long as some of the training.
    """
    if experiment.views == "center" or not names:
        return []
    exports = [str(Path(args.runs_dir) / "exports" / name) for name in names]
    data = ["--data-dir", args.data_dir] if args.data_dir else []
    paths = [["--ensemble", *exports]] if experiment.ensemble else [[one] for one in exports]
    words = [["python", "evaluate.py", *one, "--views", experiment.views, *data] for one in paths]
    return ["to measure with the views of the paper:", *map(shlex.join, words)]


def _finished_runs(args: argparse.Namespace) -> list[Run]:
    """Returns the runs from which durations can be estimated: this machine's, then the results'."""
    from resnet_keras.errors import UserError
    from resnet_keras.runs.run import find_runs

    found = []
    for folder in (Path(args.runs_dir), Path(args.results_dir) / "runs"):
        with contextlib.suppress(UserError):
            found += find_runs(folder)[0]
    return found


def _publish(experiment: Experiment, planned: list[PlannedRun], args: argparse.Namespace) -> None:
    """Copies the measurements of the runs to the results folder, and draws all runs in it."""
    from resnet_keras.errors import UserError
    from resnet_keras.reporting.gallery import draw_figures, write_tables
    from resnet_keras.runs.run import copy_run, find_runs, read_run

    results = Path(args.results_dir)
    copied = []
    for one in planned:
        if has_other_recipe(one, args.runs_dir):
            continue
        try:
            run = read_run(Path(args.runs_dir) / one.name)
        except UserError:
            # It failed before its first measurement, which has been reported.
            continue
        copied.append(copy_run(run.path, results))
    if not copied:
        return
    runs, errors = find_runs(results / "runs")
    for error in errors:
        print_status(error)
    shown = draw_figures(runs, results, experiment.figures, args.overlay_paper)
    shown += write_tables(runs, results, experiment.tables)
    for item in shown:
        for path in filter(None, (item.path, item.image)):
            print(path)


def _selected_networks(experiment: Experiment, texts: list[str]) -> tuple[str, ...]:
    """Returns the names in `--only`. A number stands for all networks of that depth."""
    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    if texts and not names:
        raise UsageError("--only needs the names of networks, such as --only plain20,resnet20")
    chosen = []
    for name in names:
        of_depth = [
            network.arch
            for network in experiment.networks
            if name.isdecimal() and network.arch in (f"plain{name}", f"resnet{name}")
        ]
        chosen.extend(of_depth or [name])
    return tuple(chosen)
