"""A worker: a process that builds one contestant and takes steps on request.

`Worker` starts the process and sends it requests. `main` answers them in the process itself, which
is `python -m benchmarks.worker`. Requests and replies are JSON objects, one per line, on standard
input and standard output:

| request | reply |
|---|---|
| `{"module": "benchmarks.contestants.…", "arguments": {…}}`, first | `{"facts": {…}}` |
| `{"steps": n}` | `{"seconds": …, "idle_cpu_seconds": …}` |

Every reply also has the memory of the process in MB, `peak_mb` and `resident_mb`. The worker ends
when its standard input ends.
"""

import importlib
import json
import os
import resource
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parents[1]
# Environment variables of all processes that the benchmarks start.
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONUNBUFFERED": "1"}


class WorkerFailed(Exception):
    """A worker died or did not reply in time. The message contains its last line of output."""


class Worker:
    """A process with one contestant.

    Args:
        module: a module of `benchmarks.contestants`.
        arguments: the arguments of its function `make`, a JSON object.
        timeout: in seconds, for building and for each turn.
        environment: additional environment variables.
    """

    def __init__(
        self,
        module: str,
        arguments: dict[str, Any],
        timeout: float = 900.0,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.timeout = timeout
        # A file and not a pipe: nothing reads it meanwhile, and a full pipe would stop the worker.
        self._errors = tempfile.TemporaryFile(  # noqa: SIM115 (closed by `close`)
            "w+", encoding="utf-8", errors="replace"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker"],
            cwd=ROOT,
            env={**os.environ, **ENVIRONMENT, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        assert self._process.stdin and self._process.stdout
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._task = {"module": module, "arguments": arguments}

    def build(self) -> dict[str, Any]:
        """Builds the contestant.

        Returns:
            Its facts, with `peak_mb` and `resident_mb` after building.

        Raises:
            WorkerFailed: if it cannot be built.
        """
        reply = self._request(self._task)
        return {**reply.pop("facts"), **reply}

    def run_steps(self, count: int) -> dict[str, Any]:
        """Takes `count` steps.

        Returns:
            `seconds`, `idle_cpu_seconds`, `peak_mb` and `resident_mb`.

        Raises:
            WorkerFailed: if the process ends or does not reply in time.
        """
        return self._request({"steps": count})

    def close(self) -> None:
        """Ends the process."""
        for stream in (self._stdin, self._stdout):
            try:
                stream.close()
            except OSError:
                continue  # the process ended before it read everything
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def _request(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            self._stdin.write(json.dumps(request) + "\n")
            self._stdin.flush()
        except OSError:
            raise self._failure() from None
        # There is one reply per request, so nothing remains in the buffer of the reader.
        if not select.select([self._stdout], [], [], self.timeout)[0]:
            self._process.kill()
            raise WorkerFailed(f"no reply within {self.timeout:.0f} s")
        line = self._stdout.readline()
        if not line:
            raise self._failure()
        return json.loads(line)

    def _failure(self) -> WorkerFailed:
        status = self._process.wait()
        self._errors.seek(0)
        output = [line.strip() for line in self._errors if line.strip()]
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        return WorkerFailed(f"{how}: {output[-1] if output else 'no output'}")


def main() -> None:
    """Answers the requests on standard input until it ends."""
    replies = _reserve_stdout()
    task = json.loads(sys.stdin.readline())
    run_steps, facts = importlib.import_module(task["module"]).make(**task["arguments"])
    _reply(replies, {"facts": facts})
    waiting_since = time.process_time()
    for line in iter(sys.stdin.readline, ""):
        # CPU time that the threads of a waiting worker use is taken from the other contestants.
        idle = time.process_time() - waiting_since
        seconds = run_steps(json.loads(line)["steps"])
        _wait_until_idle()
        _reply(replies, {"seconds": seconds, "idle_cpu_seconds": idle})
        waiting_since = time.process_time()


def _memory() -> dict[str, float]:
    """Returns the peak and the current memory of this process in MB."""
    # Linux reports the peak in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        resident = pages * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        resident = peak
    return {"peak_mb": round(peak / 1e6, 1), "resident_mb": round(resident / 1e6, 1)}


def _wait_until_idle() -> None:
    """Waits until all threads are idle, at most 10 s.

    An input pipeline fills its buffers after its turn. It must not do so during the turns of the
    other contestants.
    """
    for _ in range(100):
        before = time.process_time()
        time.sleep(0.1)
        if time.process_time() - before < 0.01:
            return


def _reply(stream: TextIO, values: dict[str, Any]) -> None:
    stream.write(json.dumps({**values, **_memory()}) + "\n")
    stream.flush()


def _reserve_stdout() -> TextIO:
    """Returns standard output for the replies; what libraries print goes to standard error."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return stream


if __name__ == "__main__":
    main()
