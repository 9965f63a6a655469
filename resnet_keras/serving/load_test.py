"""Load: many requests at a time for a while, and how long each took."""

import contextlib
import math
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from resnet_keras.errors import UsageError, UserError
from resnet_keras.serving.address import Address
from resnet_keras.serving.client import connect
from resnet_keras.serving.errors import Unavailable
from resnet_keras.serving.predictions import Pixels, count_of

MAX_CONCURRENCY = 256
MAX_SECONDS = 3600
MAX_BATCH = 1024
# A server that refuses connections would be asked in a tight loop.
PAUSE = 0.05


@dataclass
class Load:
    """What was measured.

    Attributes:
        concurrency: requests at a time.
        batch_size: images a request.
        seconds: from the first request to the end of the last.
        latencies: seconds that each answered request took.
        errors: how many requests failed, by the kind of problem.
        last_error: what the last of them said.
        interrupted: whether Ctrl-C ended it early.
    """

    concurrency: int
    batch_size: int
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    errors: Counter = field(default_factory=Counter)
    last_error: str | None = None
    interrupted: bool = False

    def percentile(self, percent: float) -> float | None:
        """Returns the latency, in milliseconds, that `percent` of the requests kept within."""
        if not self.latencies:
            return None
        ordered = sorted(self.latencies)
        return 1e3 * ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]

    def to_json(self) -> dict:
        """Returns it as plain JSON values; latencies in milliseconds."""
        return {
            "concurrency": self.concurrency,
            "batch_size": self.batch_size,
            "seconds": round(self.seconds, 3),
            "requests": len(self.latencies),
            "images_per_second": round(self._rate() * self.batch_size, 2),
            "requests_per_second": round(self._rate(), 2),
            **{f"p{p}_ms": _rounded(self.percentile(p)) for p in (50, 95, 99)},
            "errors": dict(self.errors),
            "last_error": self.last_error,
        }

    def text(self) -> str:
        """Returns it in words."""
        lines = [
            f"{len(self.latencies)} requests of {self.batch_size} images answered in "
            f"{self.seconds:.1f} s, {self.concurrency} at a time",
            f"throughput {self._rate() * self.batch_size:.1f} images/s   "
            f"{self._rate():.1f} requests/s",
        ]
        if self.latencies:
            shown = (f"p{p} {self.percentile(p):.1f} ms" for p in (50, 95, 99))
            lines.append("latency " + "   ".join(shown))
        errors = ", ".join(f"{count} {kind}" for kind, count in self.errors.most_common())
        lines.append(f"errors {sum(self.errors.values())}" + (f" ({errors})" if errors else ""))
        if self.last_error:
            lines.append(f"last error: {self.last_error}")
        return "\n".join(lines)

    def _rate(self):
        return len(self.latencies) / self.seconds if self.seconds else 0.0


def load_test(
    address: Address,
    inputs: list[bytes] | Pixels,
    concurrency: int,
    seconds: float,
    timeout: float,
    ca_file: str | None = None,
) -> Load:
    """Sends the same batch again and again, from as many threads, without retries.

    One request goes ahead, so that what can never work ends it at once. It alone is encoded, the
    others are the same bytes: making JSON of raw images is the client's time, not the server's.

    Args:
        address: of the model.
        inputs: the batch.
        concurrency: requests at a time, each on a connection of its own.
        seconds: after these no request is begun.
        timeout: seconds for a request.
        ca_file: see `connect`.

    Raises:
        UsageError: if a number is beyond its bounds.
        UserError: if the request ahead fails.
    """
    batch_size = count_of(inputs)
    _check("--concurrency", concurrency, 1, MAX_CONCURRENCY)
    _check("--duration", seconds, 0.1, MAX_SECONDS)
    _check("--batch-size", batch_size, 1, MAX_BATCH)
    with contextlib.closing(connect(address, timeout, ca_file)) as first:
        request = first.encoded(inputs)
        first.ask(request, batch_size)

    load, lock = Load(concurrency, batch_size), threading.Lock()
    stop = threading.Event()
    start = time.monotonic()

    def going():
        return not stop.is_set() and time.monotonic() - start < seconds

    def work():
        with contextlib.closing(connect(address, timeout, ca_file)) as connection:
            _ask_again_and_again(connection, request, load, lock, going, stop)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(concurrency)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        # What was measured until now is worth having. The threads end after their requests.
        load.interrupted = True
    finally:
        stop.set()
    load.seconds = time.monotonic() - start
    return load


def _ask_again_and_again(connection, request, load, lock, going, stop):
    """What one thread does; it counts into `load` what came of each request."""
    while going():
        began = time.monotonic()
        try:
            connection.ask(request, load.batch_size)
        except UserError as error:
            with lock:
                load.errors[type(error).__name__] += 1
                load.last_error = str(error)
            if isinstance(error, Unavailable):
                stop.wait(PAUSE)
        else:
            with lock:
                load.latencies.append(time.monotonic() - began)


def _check(flag, value, least, most):
    if not least <= value <= most:
        raise UsageError(f"{flag} is between {least} and {most}. Received: {value:g}")


def _rounded(value):
    return None if value is None else round(value, 3)
