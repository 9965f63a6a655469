"""Launches the runs of an experiment: each one is a `train` command in its own process."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from resnet_keras.cpu import available_cores
from resnet_keras.errors import UserError
from resnet_keras.experiments.plan import PlannedRun, is_complete
from resnet_keras.files import atomic_write, make_folder
from resnet_keras.processes import SIGNALS, SignalHandlers, child_environment

_LOG_LINES = 3
_POLL_SECONDS = 0.1
# The exit statuses of a `train` that a signal interrupted, after it saved a checkpoint.
_INTERRUPTED = tuple(status for number in SIGNALS for status in (128 + number, -number))


@dataclass(frozen=True)
class ExperimentOptions:
    """Where the runs of an experiment read and write.

    Attributes:
        runs_dir: the folder that holds run folders. It also holds, for each run, the output
            (`<name>.log`) and the recipe that it is launched with (`<name>.recipe.json`), and the
            exports in `exports/`.
        data_dir: the folder of the data set; `None` searches the usual places.
    """

    runs_dir: Path
    data_dir: str | None = None


@dataclass
class LaunchResult:
    """How a series of runs ended.

    Attributes:
        done: the names of the runs that are complete, also of those that were complete before.
        failed: the names of the runs that failed, each with the last lines of its output.
        interrupted: the names of the runs that a signal interrupted. They can be resumed.
        stopped_by: the number of the signal that interrupted the series, if one did.
    """

    done: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    interrupted: list[str] = field(default_factory=list)
    stopped_by: int | None = None


def command(run: PlannedRun, options: ExperimentOptions) -> list[str]:
    """Returns the command line of a run.

    Args:
        run: the run.
        options: where it reads and writes.

    Example:

    >>> from resnet_keras.recipe import Recipe
    >>> run = PlannedRun("resnet20-A-seed0", Recipe("resnet20"))
    >>> command(run, ExperimentOptions(Path("runs")))[3:6]
    ['train', '--config', 'runs/resnet20-A-seed0.recipe.json']
    """
    words = [
        sys.executable, "-m", "resnet_keras", "train",
        "--config", str(_recipe_file(run, options)),
        "--name", run.name,
        "--runs-dir", str(options.runs_dir),
        "--export-dir", str(Path(options.runs_dir) / "exports"),
    ]  # fmt: skip
    return words + (["--data-dir", str(options.data_dir)] if options.data_dir else [])


def launch(
    runs: Sequence[PlannedRun],
    options: ExperimentOptions,
    jobs: int = 1,
    log: Callable[[str], None] = print,
) -> LaunchResult:
    """Trains all runs that are not complete yet.

    If a run fails, the others are trained all the same. SIGINT and SIGTERM are passed on to the
    runs, which save a checkpoint and exit; then this function returns. Called again, it resumes.

    Args:
        runs: the runs, in the order in which to start them.
        options: where they read and write.
        jobs: how many runs to train at the same time.
        log: is called with each line that describes the progress.

    Raises:
        UserError: if the folder of the runs cannot be written to.

    Example:

    >>> launch([], ExperimentOptions(Path("runs"))).done
    []
    """
    make_folder(Path(options.runs_dir))
    result = LaunchResult()
    waiting: list[PlannedRun] = []
    running: list[_RunProcess] = []
    for run in runs:
        if is_complete(run, options.runs_dir):
            result.done.append(run.name)
            log(f"{run.name}: already done")
        else:
            waiting.append(run)
    with _collected_signals() as received:
        while waiting or running:
            while waiting and len(running) < jobs and not received:
                run = waiting.pop(0)
                try:
                    running.append(_RunProcess(run, options, jobs, log))
                except UserError as error:
                    # The runs in progress continue although this one cannot start.
                    result.failed.append((run.name, str(error)))
                    log(f"{run.name}: FAILED to start: {error}")
            for process in list(running):
                process.pass_on(received)
                if process.has_ended():
                    running.remove(process)
                    process.add_to(result)
            if received and not running:
                break
            time.sleep(_POLL_SECONDS)
        result.stopped_by = received[0] if received else None
    return result


class _RunProcess:
    """The process of a run.

    Args:
        run: the run to start.
        options: where it reads and writes.
        jobs: how many runs are trained at the same time.
        log: is called with each line that describes the progress.

    Raises:
        UserError: if its output or its recipe cannot be written.
    """

    def __init__(
        self, run: PlannedRun, options: ExperimentOptions, jobs: int, log: Callable[[str], None]
    ) -> None:
        self._run, self._options, self._log = run, options, log
        self._signals_passed_on = 0
        with atomic_write(_recipe_file(run, options)) as temporary:
            temporary.write_text(json.dumps(run.recipe.to_json(), indent=1) + "\n", "utf-8")
        self._output = Path(options.runs_dir) / f"{run.name}.log"
        try:
            with open(self._output, "ab") as output:
                self._output_start = output.tell()
                # In its own session, so that Ctrl-C reaches it only once, through `pass_on`.
                self._process = subprocess.Popen(
                    command(run, options),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=_environment(jobs),
                    start_new_session=True,
                )
        except OSError as error:
            raise UserError(f"cannot write {self._output}: {error.strerror or error}") from error
        log(f"{run.name}: started ({run.recipe.steps:,} steps); log: {self._output}")

    def has_ended(self) -> bool:
        """Returns whether the process has ended."""
        return self._process.poll() is not None

    def pass_on(self, received: list[int]) -> None:
        """Sends those signals to the process that it has not been sent yet.

        Args:
            received: the numbers of all signals received so far.
        """
        for number in received[self._signals_passed_on :]:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
        self._signals_passed_on = len(received)

    def add_to(self, result: LaunchResult) -> None:
        """Adds the run, which has ended, to a result.

        Args:
            result: how the series of runs ended.
        """
        name, status = self._run.name, self._process.returncode
        if status == 0 and is_complete(self._run, self._options.runs_dir):
            result.done.append(name)
            self._log(f"{name}: done, {' '.join(self._last_lines(1))}")
        elif status in _INTERRUPTED:
            result.interrupted.append(name)
            self._log(f"{name}: interrupted. The same command resumes from its last checkpoint")
        else:
            lines = " | ".join(self._last_lines(_LOG_LINES)) or "it printed nothing"
            cause = f"signal {-status}" if status < 0 else f"status {status}"
            result.failed.append((name, lines))
            self._log(f"{name}: FAILED with {cause}: {lines} (log: {self._output})")

    def _last_lines(self, count: int) -> list[str]:
        with open(self._output, "rb") as output:
            output.seek(self._output_start)
            text = output.read().decode("utf-8", errors="replace")
        return [line.strip() for line in text.splitlines() if line.strip()][-count:]


@contextlib.contextmanager
def _collected_signals() -> Iterator[list[int]]:
    """Collects the numbers of signals in a list instead of ending the process."""
    received: list[int] = []
    handlers = SignalHandlers(lambda number, frame: received.append(int(number)))
    handlers.install()
    try:
        yield received
    finally:
        handlers.restore()


def _recipe_file(run: PlannedRun, options: ExperimentOptions) -> Path:
    return Path(options.runs_dir) / f"{run.name}.recipe.json"


def _environment(jobs: int) -> dict[str, str]:
    environment = child_environment()
    if jobs > 1:
        # Otherwise the first run would reserve all memory of the GPU.
        environment.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        environment.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        # Otherwise each run would start one thread per core and slow the others down.
        threads = str(max(1, available_cores() // jobs))
        for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
            environment.setdefault(name, threads)
    return environment
