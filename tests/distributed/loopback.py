"""Real processes on this machine that train together, started and watched by a test."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from resnet_keras.training import checkpoint
from tests.distributed.local_processes import free_address

ROOT = Path(__file__).resolve().parents[2]


class Run:
    """The processes of one run. Each writes to a folder of its own, which shows who wrote what.

    Args:
        folder: the folder for all of them; created if needed.
        cache: the folder of XLA's compilation cache, shared by runs.
        flags: the flags of `train.py` for all processes.
    """

    def __init__(self, folder, cache, flags):
        self.folder, self.cache, self.flags = folder, cache, flags
        folder.mkdir(exist_ok=True)

    def start(self, *flags, count=1, backend="jax", wait=120):
        """Starts the processes and returns them."""
        address = free_address()
        started = []
        for index in range(count):
            folder = self.folder / str(index)
            folder.mkdir(exist_ok=True)
            group = ("--coordinator", address, "--processes", str(count),
                     "--process", str(index), "--wait", str(wait))  # fmt: skip
            command = [sys.executable, ROOT / "train.py", *self.flags, "--name", "run",
                       "--runs-dir", folder / "runs", "--export-dir", folder / "exports",
                       *(group if count > 1 else ()), *flags]  # fmt: skip
            environment = {
                **os.environ,
                "KERAS_BACKEND": backend,
                "JAX_PLATFORMS": "cpu",
                "JAX_COMPILATION_CACHE_DIR": str(self.cache),
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            }
            with open(folder / "stderr", "a") as stderr:
                process = subprocess.Popen(
                    list(map(str, command)), env=environment, text=True,
                    stdout=subprocess.PIPE, stderr=stderr,
                )  # fmt: skip
            started.append(process)
        return started

    def train(self, *flags, **kwargs):
        """Runs the processes until they end; returns the standard output of each."""
        started = self.start(*flags, **kwargs)
        try:
            printed = [process.communicate(timeout=1500)[0] for process in started]
        finally:
            for process in started:
                process.kill()
        assert [process.returncode for process in started] == [0] * len(started), self.stderr(0)
        return printed

    def stderr(self, index):
        """What a process wrote to standard error."""
        return (self.folder / str(index) / "stderr").read_text()

    def run(self, index=0):
        """The run folder of a process."""
        return self.folder / str(index) / "runs/run"

    def arrays(self, step):
        """The arrays of the checkpoint that process 0 saved after a step."""
        return checkpoint.load(self.run() / f"checkpoints/step-{step:09d}.ckpt").arrays

    def losses(self):
        """The losses of `metrics.csv`, by step."""
        rows = [line.split(",") for line in (self.run() / "metrics.csv").read_text().split()[1:]]
        return {int(row[0]): float(row[2]) for row in rows}

    def wait_for(self, name, seconds=200):
        """Waits until a file exists in the run folder of process 0."""
        deadline = time.monotonic() + seconds
        while not (self.run() / name).exists():
            assert time.monotonic() < deadline, self.stderr(0)
            time.sleep(0.02)

    def wait_for_step(self, step):
        """Waits until the checkpoint of a step exists."""
        self.wait_for(f"checkpoints/step-{step:09d}.ckpt")


def exit_statuses(started, seconds=60):
    """Waits for the processes, up to so many seconds each; returns their exit statuses."""
    statuses = [process.wait(seconds) for process in started]
    for process in started:
        process.communicate()
    return statuses


def assert_close(mine, theirs, atol=1e-5):
    """Asserts that the arrays of two checkpoints are close."""
    assert mine.keys() == theirs.keys()
    for name, values in mine.items():
        if name.startswith("metrics"):
            np.testing.assert_allclose(values, theirs[name], rtol=1e-5, err_msg=name)
        else:
            np.testing.assert_allclose(values, theirs[name], atol=atol, rtol=1e-5, err_msg=name)
