"""The private functions of JAX that this program uses. No other module imports `jax._src`.

JAX 0.10 and 0.11 have no public functions for either purpose. The functions here were checked with
the version that requirements.txt pins, and JAX 0.11.2 has them unchanged. After an upgrade of JAX,
`tests/distributed/test_jax_private.py` shows whether they still work, and where to look if not.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DetectedCluster:
    """What JAX found out about the processes of a job. `None` stands for what it did not find.

    Attributes:
        coordinator: HOST:PORT of process 0.
        count: the number of processes.
        index: the number of this process, from 0.
        local_devices: the numbers of the GPUs of this process.

    Example:

    >>> DetectedCluster("10.0.0.1:5700", count=4, index=3, local_devices=[1]).index
    3
    """

    coordinator: str | None
    count: int | None
    index: int | None
    local_devices: Sequence[int] | None


def detect_cluster(local_devices: Sequence[int] | None, timeout: float) -> DetectedCluster:
    """Detects the processes of a job from the environment variables of Slurm and other launchers.

    `jax.distributed.initialize` does the same, but also connects the processes. This program needs
    the result earlier, for its own rendezvous.

    Args:
        local_devices: the numbers of the GPUs of this process; `None` to detect them.
        timeout: how long to wait for the address of process 0, in seconds.

    Returns:
        What was detected.

    Raises:
        Exception: of any kind, if the environment variables are incomplete.

    Example:

    >>> detect_cluster(local_devices=None, timeout=10)  # not started by a launcher
    DetectedCluster(coordinator=None, count=None, index=None, local_devices=None)
    """
    from jax._src.clusters import ClusterEnv

    detected = ClusterEnv.auto_detect_unset_distributed_params(
        coordinator_address=None,
        num_processes=None,
        process_id=None,
        local_device_ids=local_devices,
        cluster_detection_method=None,
        initialization_timeout=int(timeout),
    )
    return DetectedCluster(*detected)


def start_coordination_service(address: str, count: int, **settings: Any) -> Any:
    """Starts JAX's coordination service in this process.

    Args:
        address: HOST:PORT to listen at.
        count: the number of processes that will connect.
        **settings: the keyword arguments that `jax.distributed.initialize` passes.

    Returns:
        The service. It has a method `shutdown`.

    Example:

    >>> import socket
    >>> with socket.create_server(("", 0)) as server:
    ...     address = f"127.0.0.1:{server.getsockname()[1]}"
    >>> start_coordination_service(address, count=1).shutdown()
    """
    return _jax_library().get_distributed_runtime_service(address, count, **settings)


@contextlib.contextmanager
def replace_coordination_service(start: Callable[..., Any]) -> Iterator[None]:
    """Makes `jax.distributed.initialize` start another coordination service within the block.

    Args:
        start: called in process 0 instead of `start_coordination_service`, with the same
            arguments; returns an object with a method `shutdown`.

    Example:

    >>> with replace_coordination_service(lambda *args, **settings: "a service"):
    ...     start_coordination_service("127.0.0.1:5701", count=2)
    'a service'
    """
    library = _jax_library()
    original = library.get_distributed_runtime_service
    library.get_distributed_runtime_service = start
    try:
        yield
    finally:
        library.get_distributed_runtime_service = original


def _jax_library() -> Any:
    """The module in which `jax/_src/distributed.py` looks the service up when it starts it."""
    from jax._src.lib import _jax

    return _jax
