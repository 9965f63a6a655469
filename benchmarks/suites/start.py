"""The time from the command to the first training step, and the time to build ResNet-1202."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.worker import ENVIRONMENT, ROOT, Worker

TIMEOUT = 300.0
# In seconds.
GOALS = {"first training step": 15.0, "resnet1202 built": 60.0}


def run(options: Options) -> Report:
    """Starts the command up to three times, and builds the deep network once."""
    report = Report("start")
    print("\nstart, seconds")
    for number in range(1 if options.quick else min(options.rounds, 3)):
        _record(report, "first training step", number, _seconds_to_first_step())
    if not options.quick:
        _record(report, "resnet1202 built", 0, _seconds_to_build("resnet1202"))
    return report


def _record(report: Report, what: str, number: int, seconds: float) -> None:
    goal = GOALS[what]
    reached = "reached" if seconds <= goal else "missed"
    print(f"  {what:<34}{seconds:>10.1f} s   goal ≤ {goal:.0f} s: {reached}")
    report.turns.append(
        {"what": what, "round": number, "seconds": round(seconds, 2), "goal_seconds": goal}
    )


def _seconds_to_first_step() -> float:
    """Measures the time until `train.py` has written the checkpoint of step 1.

    That is a few hundredths of a second after the step itself, but can be observed from outside.
    """
    with tempfile.TemporaryDirectory() as folder:
        recipe = ["--arch", "resnet20", "--dataset", "digits", "--steps", "3", "--drops", "2"]
        options = ["--checkpoint-every", "1", "--runs-dir", folder, "--export-dir", folder]
        start = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "train.py", *recipe, *options],
            cwd=ROOT,
            env={**os.environ, **ENVIRONMENT},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            return _wait_for_checkpoint(Path(folder), process, start)
        finally:
            process.kill()
            process.communicate()


def _wait_for_checkpoint(folder: Path, process: subprocess.Popen[str], start: float) -> float:
    while not list(folder.glob("*/checkpoints/step-*.ckpt")):
        if process.poll() is not None or time.monotonic() - start > TIMEOUT:
            process.kill()
            output = process.communicate()[1].strip().splitlines()
            raise RuntimeError(
                f"train.py wrote no checkpoint: {output[-1] if output else 'no output'}"
            )
        time.sleep(0.01)
    return time.monotonic() - start


def _seconds_to_build(network: str) -> float:
    worker = Worker("benchmarks.contestants.network_building", {"network": network})
    try:
        worker.build()
        return worker.run_steps(1)["seconds"]
    finally:
        worker.close()
