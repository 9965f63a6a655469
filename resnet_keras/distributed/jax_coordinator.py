"""JAX's coordination service in a process of its own, which runs this file with `python -m`.

JAX starts the service inside process 0. It would then disappear together with process 0, and JAX's
clients abort their own processes, with a stack trace, as soon as it is gone. In a process of its
own, the service outlives process 0 for the seconds that the other processes need to learn from
their heartbeat which process was lost. JAX has no public option for this; see `jax_private`.
"""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from resnet_keras.distributed.heartbeat import TIMEOUT
from resnet_keras.distributed.jax_private import (
    replace_coordination_service,
    start_coordination_service,
)
from resnet_keras.errors import UserError
from resnet_keras.processes import child_environment

_MODULE = "resnet_keras.distributed.jax_coordinator"


class CoordinatorProcess:
    """The process of the coordination service, as process 0 sees it.

    Args:
        address: HOST:PORT to listen at.
        count: the number of processes.
        **settings: further arguments that JAX passes to its service.

    Raises:
        UserError: if the service does not start.

    Example:

    >>> from resnet_keras.distributed.rendezvous import free_port
    >>> coordinator = CoordinatorProcess(f"127.0.0.1:{free_port()}", count=2)
    >>> coordinator.shutdown()
    """

    def __init__(self, address: str, count: int, **settings: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", _MODULE, json.dumps([address, count, settings])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl-C in the terminal does not reach a process in another session.
            start_new_session=True,
            env=child_environment(),
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin = self._process.stdin
        if not self._process.stdout.readline():
            raise UserError(f"JAX's coordination service does not start at {address}")

    def shutdown(self) -> None:
        """Ends the service at once."""
        with contextlib.suppress(OSError):
            self._stdin.write(b"end\n")
            self._stdin.close()
        self._process.wait()


@contextlib.contextmanager
def external_coordinator() -> Iterator[None]:
    """Makes `jax.distributed.initialize` start its service in a separate process.

    Example:

    >>> import jax
    >>> with external_coordinator():
    ...     jax.distributed.initialize("10.0.0.1:5701", 2, 0)  # doctest: +SKIP
    """
    with replace_coordination_service(CoordinatorProcess):
        yield


def _main() -> None:
    """Runs the service until `shutdown` is called, or for a while after process 0 died."""
    for number in (signal.SIGTERM, signal.SIGINT):
        # A cluster sends signals to all processes of a job; process 0 decides when to end.
        signal.signal(number, signal.SIG_IGN)
    address, count, settings = json.loads(sys.argv[1])
    service = start_coordination_service(address, count, **settings)
    print("ready", flush=True)
    # At the end of the input without a line, process 0 is dead.
    if not sys.stdin.readline():
        time.sleep(1.5 * TIMEOUT)
    service.shutdown()


if __name__ == "__main__":
    _main()
