"""Launches runs, each an ordinary `train` in a process of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from resnet_keras import subprocesses
from resnet_keras.errors import UserError
from resnet_keras.experiments.plan import Planned, is_done
from resnet_keras.files import make_folder, written_whole

LOG_LINES = 3
_POLL_SECONDS = 0.1
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Statuses with which `train` says that a signal stopped it and a checkpoint was saved.
_INTERRUPTED = tuple(status for n in _SIGNALS for status in (128 + n, -n))


@dataclass(frozen=True)
class ExperimentOptions:
    """Where runs read and write.

    Attributes:
        runs_dir: the folder of run folders. Beside each lies its log, `<name>.log`, and the
            recipe it is launched with, `<name>.recipe.json`; the exports are in `exports/`.
        data_dir: where the data set is; `None` looks in the usual places.
    """

    runs_dir: Path
    data_dir: str | None = None


@dataclass
class Outcome:
    """How a series of runs ended; names of runs in each list.

    Attributes:
        done: complete now, those that already were included.
        failed: name and the last lines of its log.
        interrupted: stopped by a signal, to be taken up again.
        stopped_by: the signal that we were sent, if any.
    """

    done: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    interrupted: list[str] = field(default_factory=list)
    stopped_by: int | None = None


def command(planned: Planned, places: ExperimentOptions) -> list[str]:
    """Returns the command line of one run."""
    words = [
        sys.executable, "-m", "resnet_keras", "train",
        "--config", str(_recipe_file(planned, places)),
        "--name", planned.name,
        "--runs-dir", str(places.runs_dir),
        "--export-dir", str(Path(places.runs_dir) / "exports"),
    ]  # fmt: skip
    return words + (["--data-dir", str(places.data_dir)] if places.data_dir else [])


def launch(
    planned: Sequence[Planned],
    places: ExperimentOptions,
    jobs: int = 1,
    say: Callable[[str], None] = print,
) -> Outcome:
    """Makes all runs that are not complete, `jobs` at a time.

    A run that fails does not keep the rest from being run. SIGINT and SIGTERM are passed on to
    the runs, which save a checkpoint and exit; then this returns. The same call goes on.

    Raises:
        UserError: if the folder of runs cannot be written.
    """
    make_folder(Path(places.runs_dir))
    outcome, waiting, running = Outcome(), [], []
    for one in planned:
        if is_done(one, places.runs_dir):
            outcome.done.append(one.name)
            say(f"{one.name}: already done")
        else:
            waiting.append(one)
    with _signals() as received:
        while waiting or running:
            while waiting and len(running) < jobs and not received:
                one = waiting.pop(0)
                try:
                    running.append(_Child(one, places, jobs, say))
                except UserError as error:
                    # Those that run are not left alone because one cannot start.
                    outcome.failed.append((one.name, str(error)))
                    say(f"{one.name}: FAILED to start: {error}")
            for child in list(running):
                subprocesses.pass_on(received)
                if subprocesses.process.poll() is not None:
                    running.remove(child)
                    subprocesses.close(outcome)
            if received and not running:
                break
            time.sleep(_POLL_SECONDS)
        outcome.stopped_by = received[0] if received else None
    return outcome


class _Child:
    """One run's process."""

    def __init__(self, planned, places, jobs, say):
        self.planned, self.places, self.say = planned, places, say
        self.passed_on = 0
        with written_whole(_recipe_file(planned, places)) as beside:
            beside.write_text(json.dumps(planned.recipe.to_json(), indent=1) + "\n", "utf-8")
        self.log = Path(places.runs_dir) / f"{planned.name}.log"
        try:
            with open(self.log, "ab") as log:
                self.log_start = log.tell()
                # A session of its own: Ctrl-C reaches it through us, once.
                self.process = subprocess.Popen(
                    command(planned, places), stdin=subprocess.DEVNULL, stdout=log,
                    stderr=subprocess.STDOUT, env=_environment(jobs), start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            raise UserError(f"cannot write {self.log}: {error.strerror or error}") from error
        say(f"{planned.name}: started ({planned.recipe.steps:,} steps); log: {self.log}")

    def pass_on(self, received):
        for number in received[self.passed_on :]:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)
        self.passed_on = len(received)

    def close(self, outcome):
        """Files the run under how it ended."""
        name, status = self.planned.name, self.process.returncode
        if status == 0 and is_done(self.planned, self.places.runs_dir):
            outcome.done.append(name)
            self.say(f"{name}: done, {' '.join(self._last_lines(1))}")
        elif status in _INTERRUPTED:
            outcome.interrupted.append(name)
            self.say(f"{name}: interrupted; the same command goes on from its last checkpoint")
        else:
            lines = " | ".join(self._last_lines(LOG_LINES)) or "it wrote nothing"
            how = f"signal {-status}" if status < 0 else f"status {status}"
            outcome.failed.append((name, lines))
            self.say(f"{name}: FAILED with {how}: {lines} (log: {self.log})")

    def _last_lines(self, count):
        with open(self.log, "rb") as log:
            log.seek(self.log_start)
            text = log.read().decode("utf-8", errors="replace")
        return [line.strip() for line in text.splitlines() if line.strip()][-count:]


@contextlib.contextmanager
def _signals():
    """Collects the numbers of signals instead of dying of them."""
    received = []
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        signal.signal(number, lambda number, frame: received.append(int(number)))
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _recipe_file(planned, places):
    return Path(places.runs_dir) / f"{planned.name}.recipe.json"


def _environment(jobs):
    environment = subprocesses.environment()
    if jobs > 1:
        # The first run takes all of a GPU's memory otherwise, and the second finds none.
        environment.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        environment.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        # And each would start a thread a core: they would wait for each other.
        threads = str(max(1, _cores() // jobs))
        for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
            environment.setdefault(name, threads)
    return environment


def _cores():
    """Returns how many cores this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
