"""A worker as its parent sees it."""

import json
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONUNBUFFERED": "1"}


class WorkerFailed(Exception):
    """A worker died, or did not answer in time. The message says what it said last."""


class Worker:
    """A process with one contestant in it.

    Args:
        module: of `benchmarks.contestants`.
        arguments: of its `make`; JSON values.
        seconds_allowed: for building, and for each turn.
        environment: variables of its own.
    """

    def __init__(
        self,
        module: str,
        arguments: dict,
        seconds_allowed: float = 900.0,
        environment: dict[str, str] | None = None,
    ):
        self.seconds_allowed = seconds_allowed
        # A file, not a pipe: nobody reads along, and a full pipe would stop the worker.
        self._errors = tempfile.TemporaryFile(  # noqa: SIM115 (closed by `close`)
            "w+", encoding="utf-8", errors="replace"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker"],
            cwd=ROOT,
            env={**os.environ, **QUIET, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._task = {"module": module, "arguments": arguments}

    def build(self) -> dict:
        """Builds the contestant; returns its facts, with the memory it took.

        Raises:
            WorkerFailed: if it cannot be built.
        """
        answer = self._ask(self._task)
        return {**answer.pop("facts"), **answer}

    def steps(self, count: int) -> dict:
        """Lets it take `count` steps; returns `seconds` and its memory.

        Raises:
            WorkerFailed: if it dies over it.
        """
        return self._ask({"steps": count})

    def close(self) -> None:
        """Ends the process."""
        for stream in (self._process.stdin, self._process.stdout):
            try:
                stream.close()
            except OSError:
                continue  # it has died with something unread
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def _ask(self, question):
        stdin, stdout = self._process.stdin, self._process.stdout
        try:
            stdin.write(json.dumps(question) + "\n")
            stdin.flush()
        except OSError:
            raise self._failure() from None
        # One answer a question: nothing is ever left in the reader's buffer.
        if not select.select([stdout], [], [], self.seconds_allowed)[0]:
            self._process.kill()
            raise WorkerFailed(f"no answer within {self.seconds_allowed:.0f} s")
        line = stdout.readline()
        if not line:
            raise self._failure()
        return json.loads(line)

    def _failure(self):
        status = self._process.wait()
        self._errors.seek(0)
        said = [line.strip() for line in self._errors if line.strip()]
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        return WorkerFailed(f"{how}: {said[-1] if said else 'it said nothing'}")
