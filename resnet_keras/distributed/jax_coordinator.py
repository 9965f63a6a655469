"""JAX's coordination service, in a process of its own. `python -m` runs this file there.

Inside process 0 it would end with it, and JAX's clients abort their processes, with a stack trace,
as soon as the service is gone. So it stays for the seconds that the others take to hear by the line
who was lost. JAX has no public way to have it elsewhere.
"""

import contextlib
import json
import signal
import subprocess
import sys
import time

from resnet_keras import subprocesses
from resnet_keras.distributed.heartbeat import LOST_SECONDS
from resnet_keras.errors import UserError

_MODULE = "resnet_keras.distributed.jax_coordinator"


class Service:
    """The service, as process 0 has it.

    Args:
        address: to listen at.
        count: how many processes there are.
        **settings: as JAX has them.

    Raises:
        UserError: if it cannot be started.
    """

    def __init__(self, address: str, count: int, **settings):
        # A session of its own: Ctrl-C is not for it.
        self._process = subprocess.Popen(
            [sys.executable, "-m", _MODULE, json.dumps([address, count, settings])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env=subprocesses.environment(),
        )
        if not self._process.stdout.readline():
            raise UserError(f"JAX's coordination service does not start at {address}")

    def shutdown(self) -> None:
        """Ends it at once."""
        with contextlib.suppress(OSError):
            self._process.stdin.write(b"end\n")
            self._process.stdin.close()
        self._process.wait()


@contextlib.contextmanager
def jax_coordinator():
    """Within the block `jax.distributed.initialize` starts its service in a process of its own."""
    from jax._src.lib import _jax

    start = _jax.get_distributed_runtime_service
    _jax.get_distributed_runtime_service = Service
    try:
        yield
    finally:
        _jax.get_distributed_runtime_service = start


def main() -> None:
    """Serves until told to end; when process 0 is gone without a word, for a while longer."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # a cluster tells all of a job's processes
    from jax._src.lib import _jax

    address, count, settings = json.loads(sys.argv[1])
    service = _jax.get_distributed_runtime_service(address, count, **settings)
    print("ready", flush=True)
    if not sys.stdin.readline():
        time.sleep(1.5 * LOST_SECONDS)
    service.shutdown()


if __name__ == "__main__":
    main()
