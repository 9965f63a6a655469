"""Compares training on a GPU with PyTorch on the same GPU, in one run.

For ResNet-20 and ResNet-110: images per second, the time of a step and, with complete training
runs, the time until the test error reaches the one that the paper reports.
"""

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.contest import Contestant, ContestResult, run_contest
from benchmarks.options import output_folder, run_command
from benchmarks.report import Comparison, Report, write_csv
from benchmarks.worker import ENVIRONMENT, ROOT
from resnet_keras.cli.flags import positive
from resnet_keras.runs.folder import RunFolder
from resnet_keras.runs.metrics import Row, read_rows

BATCH, SIZE = 128, 32
DEFAULT_FOLDER, DEFAULT_RUNS_DIR = Path("results/benchmarks/gpu"), Path("runs/gpu")
JAX, TENSORFLOW = "this program on JAX", "this program on TensorFlow"
TORCH, TORCH_COMPILED = "PyTorch", "PyTorch, compiled"
# All contestants exist at the same time, so none may reserve the whole memory of the GPU.
_SHARED_GPU = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
_SHORT = {"float32": "float32", "mixed_bfloat16": "bfloat16"}


@dataclass(frozen=True)
class TrainingRun:
    """A complete training run and the error that it should reach.

    Attributes:
        network: as in `--arch`.
        error: the test error to reach, in percent.
        flags: additional flags of `train.py`.
    """

    network: str
    error: float
    flags: tuple[str, ...] = ()


def contestants(network: str, precision: str, on_gpu: bool) -> list[Contestant]:
    """Returns the contestants for one network.

    Args:
        network: as in `--arch`.
        precision: `"float32"` or `"mixed_bfloat16"`.
        on_gpu: require a GPU. On the CPU, the contest only shows that the script works.
    """
    batch = BATCH if on_gpu else 8
    common = {"network": network, "size": SIZE, "batch": batch}
    labels = {"network": network, "batch_size": batch}

    def ours(name: str, backend: str) -> Contestant:
        return Contestant(
            f"{name}, {_SHORT[precision]}",
            "keras_training",
            {**common, "implementation": "ours", "precision": precision, "on_gpu": on_gpu},
            batch,
            needs=backend,
            labels=labels,
            environment={"KERAS_BACKEND": backend, **_SHARED_GPU},
        )

    def torch(name: str, compiled: bool) -> Contestant:
        return Contestant(
            f"{name}, {_SHORT[precision]}",
            "torch_steps",
            {
                **common,
                "training": True,
                "bfloat16": precision != "float32",
                "compiled": compiled,
                "device": "cuda" if on_gpu else "cpu",
            },
            batch,
            needs="torch",
            labels=labels,
        )

    return [
        ours(JAX, "jax"),
        ours(TENSORFLOW, "tensorflow"),
        torch(TORCH, compiled=False),
        torch(TORCH_COMPILED, compiled=True),
    ]


def train(run: TrainingRun, precision: str, runs_dir: Path) -> list[Row]:
    """Trains a network on the JAX backend, or resumes an interrupted run.

    Args:
        run: what to train.
        precision: as in `--precision`.
        runs_dir: the folder for the run; its export goes to `exports` in it.

    Returns:
        The rows of the run's `metrics.csv`.

    Raises:
        subprocess.CalledProcessError: if training fails; `train.py` has printed the reason.
    """
    name = f"{run.network}-{_SHORT[precision]}"
    command = [
        sys.executable, "train.py", "--arch", run.network, "--precision", precision,
        "--devices", "1", "--name", name, "--runs-dir", str(runs_dir),
        "--export-dir", str(runs_dir / "exports"), *run.flags,
    ]  # fmt: skip
    environment = {**os.environ, **ENVIRONMENT, "KERAS_BACKEND": "jax"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=sys.stderr)
    return read_rows(RunFolder(runs_dir, name).metrics)


def first_reached(rows: list[Row], error: float) -> dict[str, Any] | None:
    """Returns when the test error was at most `error` for the first time.

    Args:
        rows: the rows of `metrics.csv`.
        error: in percent.

    Returns:
        The `step` and the `seconds` of that evaluation; `None` if it was never that low.
    """
    for row in rows:
        if row.test_error is not None and row.test_error <= error:
            return {"step": row.step, "seconds": row.seconds}
    return None


def table(
    results: dict[tuple[str, str], ContestResult], times: dict[tuple[str, str], dict[str, Any]]
) -> str:
    """Returns a Markdown table with one row per contestant.

    Args:
        results: by network and precision.
        times: when the training runs reached the error, by network and precision.
    """
    lines = [
        "| network | contestant | images/s | ms per step | time to the paper's error |",
        "|---|---|---:|---:|---|",
    ]
    for (network, precision), result in results.items():
        time = times.get((network, precision))
        for contestant in result.contestants:
            name = contestant.name
            speed = result.speed(name)
            if speed is None:
                lines.append(f"| {network} | {name} | not measured: {result.failures[name]} | | |")
                continue
            milliseconds = 1000 * contestant.images / speed.median
            lines.append(
                f"| {network} | {name} | {speed.median:,.0f} ({speed.low:,.0f}–{speed.high:,.0f}) "
                f"| {milliseconds:.2f} | {_time_to_error(time, name, milliseconds)} |"
            )
    return "\n".join(lines)


def _time_to_error(time: dict[str, Any] | None, name: str, milliseconds: float) -> str:
    """Returns how long the paper's error took.

    Only this program on JAX trains; for the others, the text states how long as many steps take.
    """
    if time is None:
        return "not measured"
    if not time["step"]:
        return f"not reached in {time['steps']:,} steps" if name.startswith(JAX) else ""
    if name.startswith(JAX):
        minutes = time["seconds"] / 60
        return f"{time['error']} % after {time['step']:,} steps, {minutes:.1f} minutes"
    return f"(as many steps: {time['step'] * milliseconds / 60_000:.1f} minutes)"


def main(argv: list[str] | None = None) -> int:
    """Measures, prints a table and writes CSV files; returns the exit status."""
    args = _parser().parse_args(argv)
    gpu = machine.gpu()
    if not gpu and not args.quick:
        print(
            "nvidia-smi finds no NVIDIA GPU, so nothing was measured. --quick runs a tiny version "
            "on the CPU, to check that this script works",
            file=sys.stderr,
        )
        return 1
    print(f"{gpu or 'no GPU'}: {'checking that it works' if args.quick else 'measuring'}")
    precisions = ("mixed_bfloat16", "float32") if not args.quick else ("float32",)
    out = output_folder(args.out, DEFAULT_FOLDER, args.quick)
    runs_dir = output_folder(args.runs_dir, DEFAULT_RUNS_DIR, args.quick)
    report = Report("gpu")
    results = {}
    for run in _training_runs(args.quick):
        for precision in precisions:
            result = run_contest(
                f"training step, {run.network}, {_SHORT[precision]}",
                contestants(run.network, precision, not args.quick),
                args.rounds or (1 if args.quick else 5),
                args.steps or (2 if args.quick else 200),
            )
            result.check_same_network()
            report.add(result, _comparisons(_SHORT[precision]))
            results[run.network, precision] = result
    times = {}
    if not args.no_training:
        for run in _training_runs(args.quick):
            times[run.network, precisions[0]] = _train_to_error(run, precisions[0], runs_dir)
    written = report.write(out, {**machine.describe(), "gpu": gpu})
    if times:
        written.append(out / "gpu_to_error.csv")
        write_csv(written[-1], [{**row, "gpu": gpu} for row in times.values()])
    written.append(out / "gpu.md")
    written[-1].write_text(f"{gpu}\n\n{table(results, times)}\n", encoding="utf-8")
    print(f"\n{table(results, times)}")
    for path in written:
        print(f"  wrote {path}")
    return 0


def _comparisons(precision: str) -> list[Comparison]:
    ours = tuple(f"{name}, {precision}" for name in (JAX, TENSORFLOW))
    return [Comparison(ours, f"{name}, {precision}") for name in (TORCH_COMPILED, TORCH)]


def _training_runs(quick: bool) -> tuple[TrainingRun, ...]:
    if quick:
        flags = ("--dataset", "digits", "--batch-size", "16", "--steps", "20", "--drops", "15",
                 "--eval-every", "10")  # fmt: skip
        return (TrainingRun("resnet8", 89.0, flags),)
    # The errors of Table 6. That of 110 layers is the mean of five runs.
    return TrainingRun("resnet20", 8.75), TrainingRun("resnet110", 6.61)


def _train_to_error(run: TrainingRun, precision: str, runs_dir: Path) -> dict[str, Any]:
    """Trains, and returns a row of `gpu_to_error.csv`."""
    rows = train(run, precision, runs_dir)
    last = rows[-1]
    return {
        "network": run.network,
        "precision": precision,
        "error": run.error,
        **(first_reached(rows, run.error) or {"step": None, "seconds": None}),
        "steps": int(last["step"]),
        "last_test_error": float(last["test_error"]),
        "last_seconds": float(last["seconds"]),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument(
        "--rounds", type=positive, metavar="N", help="turns of each contestant (default: 5)"
    )
    parser.add_argument("--steps", type=positive, metavar="N", help="steps per turn (default: 200)")
    parser.add_argument(
        "--no-training", action="store_true", help="do not measure the time to the paper's error"
    )
    with_quick = "with --quick a new temporary folder"
    parser.add_argument(
        "--runs-dir", type=Path, metavar="DIR",
        help=f"the folder for the training runs (default: {DEFAULT_RUNS_DIR}; {with_quick})",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="DIR",
        help=f"the folder for the results (default: {DEFAULT_FOLDER}; {with_quick})",
    )  # fmt: skip
    parser.add_argument(
        "--quick", action="store_true", help="tiny and on the CPU, to check that it works"
    )
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
