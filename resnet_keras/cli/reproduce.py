"""`python -m resnet_keras reproduce`: the paper's comparisons, from runs to figures and tables."""

import argparse
import contextlib
import shlex
import sys
from pathlib import Path

from resnet_keras.cli.flags import positive
from resnet_keras.errors import UsageError
from resnet_keras.experiments.catalogue import EXPERIMENTS, get
from resnet_keras.experiments.plan import OTHER, is_other, plan, state, steps_done

HELP = "Run one of the paper's comparisons, then draw its figures and tables."
_SIGNAL_STATUS = 128


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    listed = "\n".join(f"  {name:20}{one.summary}" for name, one in EXPERIMENTS.items())
    parser.epilog = (
        f"experiments:\n{listed}\n\nRuns that are complete are skipped, interrupted ones go on, so "
        "the same command can be given\nagain at any time. --dry-run says how long it will take."
    )
    parser.add_argument("experiment", metavar="EXPERIMENT", help="see below")
    parser.add_argument(
        "--seeds", type=positive, default=1, metavar="N", help="runs a network (default: 1)"
    )
    parser.add_argument(
        "--jobs", type=positive, default=1, metavar="N", help="runs at a time (default: 1)"
    )
    parser.add_argument(
        "--steps-scale", type=float, default=1.0, metavar="X",
        help="shorten every schedule alike: 0.1 for a tenth (default: 1, the paper's)",
    )  # fmt: skip
    parser.add_argument(
        "--only", "--depths", action="append", default=[], metavar="NAME,…",
        help="these networks alone: names (resnet20), labels (resnet20-B) or depths (20,56)",
    )  # fmt: skip
    parser.add_argument(
        "--dry-run", action="store_true", help="list the runs, their state and time; run nothing"
    )
    values = parser.add_argument_group("values of every recipe, over those it brings")
    values.add_argument("--dataset", metavar="NAME", help="instead of the paper's: digits, …")
    values.add_argument("--precision", metavar="NAME", help="float32 or mixed_bfloat16")
    values.add_argument("--eval-every", type=positive, metavar="N", help="steps between rows")
    places = parser.add_argument_group("places")
    places.add_argument(
        "--data-dir", metavar="DIR",
        help="the folder that holds the data set, or its archive (default: $RESNET_KERAS_DATA, "
        "then TensorFlow Datasets)",
    )  # fmt: skip
    places.add_argument("--runs-dir", default="runs", metavar="DIR", help="default: runs")
    places.add_argument(
        "--results-dir", default="results", metavar="DIR",
        help="where figures, tables and copies of each run's numbers go (default: results)",
    )  # fmt: skip
    parser.add_argument(
        "--overlay-paper", action="store_true", help="lay the paper's curves of Fig. 6 behind ours"
    )


def run(args: argparse.Namespace) -> int:
    """Makes the runs, then draws; returns the exit status: 1 if a run failed.

    Raises:
        UsageError: for unknown experiments and networks, and values that do not fit.
        UserError: if a folder cannot be written.
    """
    experiment = get(args.experiment)
    given = {
        name: getattr(args, name)
        for name in ("dataset", "precision", "eval_every")
        if getattr(args, name) is not None
    }
    if experiment.name == "precision" and args.precision:
        raise UsageError("precision compares two precisions: leave out --precision")
    only = _only(experiment, args.only)
    planned = plan(experiment, args.seeds, args.steps_scale, only, **given)
    if args.dry_run:
        _list(experiment, planned, args)
        return 0
    from resnet_keras.experiments.runner import ExperimentOptions, launch
    from resnet_keras.files import make_folder

    # Not found out after hours of training.
    make_folder(Path(args.results_dir))
    outcome = launch(
        planned, ExperimentOptions(Path(args.runs_dir), args.data_dir), args.jobs, _say
    )
    if outcome.stopped_by:
        _say("stopped; the same command goes on")
        return _SIGNAL_STATUS + outcome.stopped_by
    _publish(experiment, planned, args)
    if experiment.note:
        print(f"note: {experiment.note}")
    for line in _as_the_paper_measured(experiment, outcome.done, args):
        print(line)
    for name, lines in outcome.failed:
        print(f"{name} failed: {lines}", file=sys.stderr)
    return 1 if outcome.failed or outcome.interrupted else 0


def _list(experiment, planned, args):
    from resnet_keras.experiments.plan import estimate
    from resnet_keras.formatting import clock

    measured = _measured(args)
    width = max(len(one.name) for one in planned)
    total, bases, states = 0.0, {}, set()
    for one in planned:
        left = estimate(one.recipe, steps_done(one, args.runs_dir) or 0, measured)
        total += left.seconds
        time = "" if not left.seconds else f"about {clock(left.seconds)}"
        if time:
            bases.setdefault(left.basis)
        how_far = state(one, args.runs_dir)
        states.add(how_far)
        print(f"{one.name:{width}}  {one.recipe.steps:>9,} steps  {how_far:16}  {time}".rstrip())
    print(f"{len(planned)} runs; left: about {clock(total)}, one at a time")
    for basis in bases:
        print(f"estimated from {basis}" if measured else basis)
    if OTHER in states:
        print(f"{OTHER}: that folder holds a run of other values. Rename it, or it is refused")
    if experiment.note:
        print(f"note: {experiment.note}")


def _as_the_paper_measured(experiment, names, args):
    """The commands that measure what was trained on the paper's views, where these are more than
    one: passes over the test set that may take as long as some of the training."""
    if experiment.views == "center" or not names:
        return []
    exports = [str(Path(args.runs_dir) / "exports" / name) for name in names]
    data = ["--data-dir", args.data_dir] if args.data_dir else []
    paths = [["--ensemble", *exports]] if experiment.ensemble else [[one] for one in exports]
    words = [["python", "evaluate.py", *one, "--views", experiment.views, *data] for one in paths]
    return ["measured as the paper's numbers are:", *map(shlex.join, words)]


def _measured(args):
    """The runs that an estimate can rest on: those of this machine, then the kept results."""
    from resnet_keras.errors import UserError
    from resnet_keras.runs.reading import find_runs

    found = []
    for folder in (Path(args.runs_dir), Path(args.results_dir) / "runs"):
        with contextlib.suppress(UserError):
            found += find_runs(folder)[0]
    return found


def _publish(experiment, planned, args):
    """Copies the numbers of the runs, and draws from all that have been kept so far."""
    from resnet_keras.errors import UserError
    from resnet_keras.reporting.gallery import draw_figures, write_tables
    from resnet_keras.runs.reading import copy_run, find_runs, read_run

    results = Path(args.results_dir)
    copied = []
    for one in planned:
        if is_other(one, args.runs_dir):
            continue
        try:
            run = read_run(Path(args.runs_dir) / one.name)
        except UserError:
            # It failed before its first measurement, which has been said.
            continue
        copied.append(copy_run(run.path, results))
    if not copied:
        return
    runs, problems = find_runs(results / "runs")
    for problem in problems:
        _say(problem)
    shown = draw_figures(runs, results, experiment.figures, args.overlay_paper)
    shown += write_tables(runs, results, experiment.tables)
    for one in shown:
        for path in filter(None, (one.path, one.picture)):
            print(path)


def _only(experiment, texts):
    """Splits the names; a bare depth stands for all networks of that depth."""
    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    if texts and not names:
        raise UsageError("--only needs names of networks, such as --only plain20,resnet20")
    chosen = []
    for name in names:
        of_depth = [
            network.arch
            for network in experiment.networks
            if name.isdecimal() and network.arch in (f"plain{name}", f"resnet{name}")
        ]
        chosen.extend(of_depth or [name])
    return tuple(chosen)


def _say(text):
    print(text, file=sys.stderr, flush=True)
