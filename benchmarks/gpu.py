"""`python -m benchmarks.gpu`: training on a GPU, against PyTorch on the same one, in one run.

For ResNet-20 and ResNet-110: images a second, the time of a step, and, with real training, the time
to the error that the paper reports.
"""

import argparse
import csv
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine
from benchmarks.contest import Contestant, Outcome, hold
from benchmarks.flags import out_folder, run
from benchmarks.process import QUIET, ROOT
from benchmarks.report import Goal, Report
from resnet_keras.cli.flags import positive

BATCH, SIZE = 128, 32
USUAL, RUNS = Path("results/benchmarks/gpu"), Path("runs/gpu")
JAX, TENSORFLOW = "this program on JAX", "this program on TensorFlow"
TORCH, TORCH_COMPILED = "PyTorch", "PyTorch, compiled"
# All contestants live at the same time: each takes what it needs, not what there is.
_SHARING = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
SHORT = {"float32": "float32", "mixed_bfloat16": "bfloat16"}


@dataclass(frozen=True)
class Training:
    """One real training run, to the error that is to be reached.

    Attributes:
        network: as `--arch` takes it.
        error: percent of the test images.
        flags: more flags of `train.py`.
    """

    network: str
    error: float
    flags: tuple[str, ...] = ()


def contestants(network: str, precision: str, on_gpu: bool) -> list[Contestant]:
    """Returns who takes part, for one network.

    Args:
        network: as `--arch` takes it.
        precision: `"float32"` or `"mixed_bfloat16"`.
        on_gpu: whether a GPU is a must; on the CPU the contest only shows that it works.
    """
    same = {"network": network, "size": SIZE, "batch": BATCH if on_gpu else 8}
    labels = {"network": network, "batch_size": same["batch"]}

    def ours(name, backend):
        arguments = {**same, "who": "ours", "precision": precision, "on_gpu": on_gpu}
        return name, "keras_training", arguments, backend, {"KERAS_BACKEND": backend, **_SHARING}

    def torch(name, compiled):
        arguments = {
            **same,
            "training": True,
            "bfloat16": precision != "float32",
            "compiled": compiled,
            "device": "cuda" if on_gpu else "cpu",
        }
        return name, "torch_both", arguments, "torch", {}

    entered = [
        ours(JAX, "jax"),
        ours(TENSORFLOW, "tensorflow"),
        torch(TORCH, False),
        torch(TORCH_COMPILED, True),
    ]
    return [
        Contestant(
            f"{name}, {SHORT[precision]}", module, arguments, same["batch"], needs, labels, where
        )
        for name, module, arguments, needs, where in entered
    ]


def train(training: Training, precision: str, runs: Path) -> list[dict[str, str]]:
    """Trains a network on the JAX backend; returns the rows of its `metrics.csv`.

    The same call goes on where an earlier one was stopped, and returns at once if none was.

    Raises:
        subprocess.CalledProcessError: if it fails; `train.py` has said why.
    """
    name = f"{training.network}-{SHORT[precision]}"
    command = [
        sys.executable, "train.py", "--arch", training.network, "--precision", precision,
        "--devices", "1", "--name", name, "--runs-dir", runs, "--export-dir", runs / "exports",
        *training.flags,
    ]  # fmt: skip
    environment = {**os.environ, **QUIET, "KERAS_BACKEND": "jax"}
    subprocess.run(
        list(map(str, command)), cwd=ROOT, env=environment, check=True, stdout=sys.stderr
    )
    with open(runs / name / "metrics.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def reached(rows: list[dict[str, str]], error: float) -> dict | None:
    """Returns step and seconds at which a test error was at most `error` for the first time;
    `None` if it never was."""
    for row in rows:
        if row["test_error"] and float(row["test_error"]) <= error:
            return {"step": int(row["step"]), "seconds": float(row["seconds"])}
    return None


def table(outcomes: dict[tuple[str, str], Outcome], times: dict[tuple[str, str], dict]) -> str:
    """Returns the results in Markdown, a row a contestant.

    Args:
        outcomes: by network and precision.
        times: likewise, what became of the real training.
    """
    lines = [
        "| network | who | images/s | ms a step | to the paper's error |",
        "|---|---|---:|---:|---|",
    ]
    for (network, precision), outcome in outcomes.items():
        ran = times.get((network, precision))
        for one in outcome.contestants:
            speed = outcome.speed(one.name)
            if speed is None:
                lines.append(
                    f"| {network} | {one.name} | not measured: {outcome.failures[one.name]} | | |"
                )
                continue
            milliseconds = 1000 * one.images / speed.median
            lines.append(
                f"| {network} | {one.name} | {speed.median:,.0f} "
                f"({speed.low:,.0f}–{speed.high:,.0f}) | {milliseconds:.2f} | "
                f"{_told(ran, one.name, milliseconds)} |"
            )
    return "\n".join(lines)


def _told(ran, name, milliseconds):
    """Says how long the paper's error took, or would take at a speed that was measured."""
    if ran is None:
        return "not measured"
    if not ran["step"]:
        return f"not reached in {ran['steps']:,} steps" if name.startswith(JAX) else ""
    if name.startswith(JAX):
        return f"{ran['error']} % after {ran['step']:,} steps, {ran['seconds'] / 60:.1f} minutes"
    return f"(as many steps: {ran['step'] * milliseconds / 60_000:.1f} minutes)"


def main(words: list[str] | None = None) -> int:
    """Measures, prints a table, writes csv files; returns the exit status."""
    args = _parser().parse_args(words)
    gpu = machine.gpu()
    if not gpu and not args.quick:
        print(
            "no NVIDIA GPU is found here (nvidia-smi): nothing was measured. --quick shows on the "
            "CPU, at a tiny size, that this script works",
            file=sys.stderr,
        )
        return 1
    print(f"{gpu or 'no GPU'}: {'trying whether it works' if args.quick else 'measuring'}")
    precisions = ("mixed_bfloat16", "float32") if not args.quick else ("float32",)
    out = out_folder(args.out, USUAL, args.quick)
    runs = out_folder(args.runs_dir, RUNS, args.quick)
    report, outcomes = Report("gpu"), {}
    for training in _trainings(args.quick):
        for precision in precisions:
            outcome = hold(
                f"training step, {training.network}, {SHORT[precision]}",
                contestants(training.network, precision, not args.quick),
                args.rounds or (1 if args.quick else 5),
                args.steps or (2 if args.quick else 200),
            )
            outcome.check_same_network()
            report.add(outcome, _comparisons(SHORT[precision]))
            outcomes[training.network, precision] = outcome
    times = {}
    if not args.no_training:
        for training in _trainings(args.quick):
            key = training.network, precisions[0]
            times[key] = _time(training, precisions[0], runs)
    described = {**machine.describe(), "gpu": gpu}
    written = report.write(out, described)
    if times:
        written.append(out / "gpu_to_error.csv")
        _write(written[-1], [{**row, "gpu": gpu} for row in times.values()])
    written.append(out / "gpu.md")
    written[-1].write_text(f"{gpu}\n\n{table(outcomes, times)}\n", encoding="utf-8")
    print(f"\n{table(outcomes, times)}")
    for path in written:
        print(f"  wrote {path}")
    return 0


def _comparisons(short):
    ours = tuple(f"{name}, {short}" for name in (JAX, TENSORFLOW))
    return [Goal(ours, f"{name}, {short}") for name in (TORCH_COMPILED, TORCH)]


def _trainings(quick):
    if quick:
        flags = ("--dataset", "digits", "--batch-size", "16", "--steps", "20", "--drops", "15",
                 "--eval-every", "10")  # fmt: skip
        return (Training("resnet8", 89.0, flags),)
    # The errors of Table 6; that of 110 layers is the mean of five runs.
    return Training("resnet20", 8.75), Training("resnet110", 6.61)


def _time(training, precision, runs):
    rows = train(training, precision, runs)
    when = reached(rows, training.error) or {"step": None, "seconds": None}
    last = rows[-1]
    return {
        "network": training.network,
        "precision": precision,
        "error": training.error,
        **when,
        "steps": int(last["step"]),
        "last_test_error": float(last["test_error"]),
        "last_seconds": float(last["seconds"]),
    }


def _write(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _parser():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--rounds", type=positive, help="turns of each contestant (default: 5)")
    parser.add_argument("--steps", type=positive, help="steps a turn (default: 200)")
    parser.add_argument(
        "--no-training", action="store_true", help="leave out the time to the paper's error"
    )
    elsewhere = "with --quick a new temporary folder"
    parser.add_argument(
        "--runs-dir", type=Path, metavar="DIR",
        help=f"where real training writes its runs (default: {RUNS}; {elsewhere})",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="DIR",
        help=f"where the results go (default: {USUAL}; {elsewhere})",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="on the CPU, tiny: does it work?")
    return parser


if __name__ == "__main__":
    sys.exit(run(main))
