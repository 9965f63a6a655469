"""A load test: sends many requests at a time and measures their latencies."""

import contextlib
import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from resnet_keras.errors import UsageError, UserError
from resnet_keras.serving.address import Address
from resnet_keras.serving.client import connect
from resnet_keras.serving.connection import Connection
from resnet_keras.serving.errors import Unavailable
from resnet_keras.serving.predictions import Inputs, image_count

MAX_CONCURRENCY = 256
MAX_SECONDS = 3600
MAX_BATCH = 1024

# Seconds to wait after an error. Without it, threads would flood a server that refuses connections.
_PAUSE = 0.05


@dataclass
class LoadTestResult:
    """The measurements of a load test.

    Attributes:
        concurrency: the number of requests at a time.
        batch_size: the number of images per request.
        seconds: from the first request to the end of the last.
        latencies: of each successful request, in seconds.
        errors: the number of failed requests, by the name of their error class.
        last_error: the message of the last failed request.
        interrupted: whether Ctrl-C ended it early.

    Example:

    >>> result = LoadTestResult(2, 8, seconds=1.0, latencies=[0.1, 0.3])
    >>> result.percentile(50)
    100.0
    >>> result.to_json()["images_per_second"]
    16.0
    """

    concurrency: int
    batch_size: int
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    last_error: str | None = None
    interrupted: bool = False

    def percentile(self, percent: float) -> float | None:
        """Returns a percentile of the latencies.

        Args:
            percent: from 0 to 100.

        Returns:
            Milliseconds; `None` if no request succeeded.
        """
        if not self.latencies:
            return None
        ordered = sorted(self.latencies)
        return 1e3 * ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]

    def to_json(self) -> dict:
        """Returns the measurements as JSON values, with latencies in milliseconds."""
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

    def summary(self) -> str:
        """Returns the measurements as a few lines of text."""
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

    def _rate(self) -> float:
        """Successful requests per second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0


def load_test(
    address: Address,
    inputs: Inputs,
    concurrency: int,
    seconds: float,
    timeout: float,
    ca_file: str | None = None,
) -> LoadTestResult:
    """Sends the same batch repeatedly from several threads, without retries.

    One request is sent first, so that an error that every request would meet ends the test at once.
    The batch is encoded once: encoding raw images as JSON takes the client's time, not the
    server's.

    Args:
        address: the address of the model.
        inputs: the batch.
        concurrency: the number of threads. Each has its own connection.
        seconds: for how long requests are started.
        timeout: seconds per request.
        ca_file: see `connect`.

    Returns:
        The measurements, without the first request.

    Raises:
        UsageError: if a number is out of range.
        UserError: if the first request fails.

    Example:

    >>> from resnet_keras.serving.address import parse_url
    >>> from resnet_keras.serving.predictions import sample_image
    >>> address = parse_url("grpc://localhost:8500/resnet20-A")
    >>> result = load_test(address, [sample_image(32, 32)], 4, 10.0, 30.0)  # doctest: +SKIP
    """
    batch_size = image_count(inputs)
    _check_range("--concurrency", concurrency, 1, MAX_CONCURRENCY)
    _check_range("--duration", seconds, 0.1, MAX_SECONDS)
    _check_range("--batch-size", batch_size, 1, MAX_BATCH)
    with contextlib.closing(connect(address, timeout, ca_file)) as first:
        request = first.encode(inputs)
        first.send(request, batch_size)

    result, lock = LoadTestResult(concurrency, batch_size), threading.Lock()
    stop = threading.Event()
    start = time.monotonic()

    def is_running() -> bool:
        return not stop.is_set() and time.monotonic() - start < seconds

    def work() -> None:
        with contextlib.closing(connect(address, timeout, ca_file)) as connection:
            _send_repeatedly(connection, request, result, lock, is_running, stop)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(concurrency)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        # Keep what has been measured. The threads end after their current requests.
        result.interrupted = True
    finally:
        stop.set()
    result.seconds = time.monotonic() - start
    return result


def _send_repeatedly(
    connection: Connection,
    request: bytes,
    result: LoadTestResult,
    lock: threading.Lock,
    is_running: Callable[[], bool],
    stop: threading.Event,
) -> None:
    """Sends requests from one thread, and records latencies and errors in `result`."""
    while is_running():
        start = time.monotonic()
        try:
            connection.send(request, result.batch_size)
        except UserError as error:
            with lock:
                result.errors[type(error).__name__] += 1
                result.last_error = str(error)
            if isinstance(error, Unavailable):
                stop.wait(_PAUSE)
        else:
            with lock:
                result.latencies.append(time.monotonic() - start)


def _check_range(flag: str, value: float, low: float, high: float) -> None:
    # The comparison is written so that NaN fails it.
    if not low <= value <= high:
        raise UsageError(f"{flag} must be from {low} to {high}. Received: {value:g}")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
