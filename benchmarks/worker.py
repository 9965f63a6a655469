"""A worker: builds one contestant, then takes steps when told to. `python -m benchmarks.worker`.

One line of JSON in, one out. The first line in says what to build:
`{"module": "benchmarks.contestants.…", "arguments": {…}}`; the answer is `{"facts": {…}}`. Then
each `{"steps": n}` is answered by `{"seconds": …}`. Every answer carries the memory of the
process. The end of the input ends the worker.
"""

import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path


def main() -> None:
    """Serves standard input until it ends."""
    answers = _private_stdout()
    task = json.loads(sys.stdin.readline())
    steps, facts = importlib.import_module(task["module"]).make(**task["arguments"])
    _answer(answers, {"facts": facts})
    idle_since = time.process_time()
    for line in iter(sys.stdin.readline, ""):
        # What the threads of a waiting worker used up would be taken from the others' turns.
        idle = time.process_time() - idle_since
        seconds = steps(json.loads(line)["steps"])
        _come_to_rest()
        _answer(answers, {"seconds": seconds, "idle_cpu_seconds": idle})
        idle_since = time.process_time()


def memory() -> dict[str, float]:
    """Returns this process's memory in MB: the most it ever had, and what it has now."""
    # Linux counts the peak in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        now = pages * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        now = peak
    return {"peak_mb": round(peak / 1e6, 1), "resident_mb": round(now / 1e6, 1)}


def _come_to_rest():
    """Waits until the threads rest, 10 s at most: a pipeline goes on preparing batches, which it
    would do in the others' turns."""
    for _ in range(100):
        before = time.process_time()
        time.sleep(0.1)
        if time.process_time() - before < 0.01:
            return


def _answer(stream, values):
    stream.write(json.dumps({**values, **memory()}) + "\n")
    stream.flush()


def _private_stdout():
    """Keeps standard output for the answers; what libraries print goes to standard error."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return stream


if __name__ == "__main__":
    main()
