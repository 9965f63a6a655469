"""Finds out from Slurm, Open MPI or Kubernetes which process of a run this one is."""

import os
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from resnet_keras.distributed.jax_private import detect_cluster
from resnet_keras.errors import UserError

# The variables that hold the number of processes, and the number of this process.
_COUNT = {"Slurm": "SLURM_NTASKS", "Open MPI": "OMPI_COMM_WORLD_SIZE"}
_INDEX = {"Slurm": "SLURM_PROCID", "Open MPI": "OMPI_COMM_WORLD_RANK"}
# A batch script has a number, too, but only tasks that `srun` started have this variable.
_STEP = {"Slurm": "SLURM_STEP_NODELIST"}
_JOB_INDEX, _KUBERNETES_HOST = "JOB_COMPLETION_INDEX", "KUBERNETES_SERVICE_HOST"


@dataclass(frozen=True)
class ProcessSpec:
    """Which process of a run this one is: the arguments of `jax.distributed.initialize`.

    Attributes:
        address: HOST:PORT of process 0.
        count: the number of processes.
        index: the number of this process, from 0.
        local_devices: the numbers of the GPUs of this process; `None` for all of its machine.

    Example:

    >>> ProcessSpec("10.0.0.1:5700", count=2, index=1).index
    1
    """

    address: str
    count: int
    index: int
    local_devices: Sequence[int] | None = None


def detect_launcher(environment: Mapping[str, str] = os.environ) -> str | None:
    """Detects the launcher that started several processes, this one among them.

    A shell or batch script in a Slurm allocation, and a pod that does not belong to an indexed job,
    count as a single process.

    Args:
        environment: the environment variables of this process.

    Returns:
        `"Slurm"`, `"Open MPI"` or `"Kubernetes"`; `None` for a single process.

    Example:

    >>> detect_launcher({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"})
    'Open MPI'
    >>> print(detect_launcher({}))
    None
    """
    for name, variable in _COUNT.items():
        count = environment.get(variable, "1")
        required = {_INDEX[name], _STEP.get(name, _INDEX[name])}
        if count.isdecimal() and int(count) > 1 and required <= environment.keys():
            return name
    if _JOB_INDEX in environment and _KUBERNETES_HOST in environment:
        return "Kubernetes"
    return None


def process_spec(launcher: str, timeout: float) -> ProcessSpec:
    """Returns which process of the run this one is, as JAX detects it.

    Args:
        launcher: what `detect_launcher` returned.
        timeout: how long to wait for the address of process 0, in seconds.

    Raises:
        UserError: if it cannot be determined.

    Example:

    >>> process_spec("Slurm", timeout=300).index  # doctest: +SKIP
    3
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            return _detect(timeout)
        except Exception as error:  # whatever incomplete variables or unreachable servers cause
            # The name of process 0 cannot be resolved before Kubernetes has scheduled its pod.
            if isinstance(error.__cause__, OSError) and time.monotonic() < deadline:
                time.sleep(1)
                continue
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UserError(
                f"{launcher} started this process, but the address and number of the processes "
                f"cannot be determined ({reason}): give --coordinator HOST:PORT --processes N "
                "--process I"
            ) from error


def _detect(timeout: float) -> ProcessSpec:
    # If the launcher makes a single GPU visible to each process, its number is 0 in all of them.
    given = os.environ.get("JAX_LOCAL_DEVICE_IDS")
    numbers = [int(number) for number in given.split(",")] if given else None
    with warnings.catch_warnings(record=True) as caught:
        found = detect_cluster(numbers, timeout)
    if found.coordinator is None or found.count is None or found.index is None:
        raise RuntimeError(*(str(warning.message) for warning in caught))
    return ProcessSpec(found.coordinator, found.count, found.index, found.local_devices)
