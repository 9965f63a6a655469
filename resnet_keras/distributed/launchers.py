"""The processes that a cluster's launcher has started: Slurm, Open MPI, Kubernetes."""

import os
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from resnet_keras.errors import UserError

# By which each shows that it started several processes, and this one's number.
_COUNTS = {"Slurm": "SLURM_NTASKS", "Open MPI": "OMPI_COMM_WORLD_SIZE"}
_NUMBERS = {"Slurm": "SLURM_PROCID", "Open MPI": "OMPI_COMM_WORLD_RANK"}
# A batch script has a number too, but is no step of `srun`.
_STEPS = {"Slurm": "SLURM_STEP_NODELIST"}
_JOB_INDEX, _IN_KUBERNETES = "JOB_COMPLETION_INDEX", "KUBERNETES_SERVICE_HOST"


@dataclass(frozen=True)
class Place:
    """This process's place among those that train together.

    Attributes:
        coordinator: HOST:PORT of process 0.
        count: how many processes there are.
        index: this one's number, from 0 on.
        local_devices: numbers of its GPUs; `None` for all of its machine.
    """

    coordinator: str
    count: int
    index: int
    local_devices: list[int] | None = None


def launcher(environment: Mapping[str, str] = os.environ) -> str | None:
    """Returns the name of what started several processes, this one among them; `None` for a
    process that was started alone.

    A shell or a batch script in a Slurm allocation, or a pod that is no indexed job's, is alone.
    """
    for name, variable in _COUNTS.items():
        count = environment.get(variable, "1")
        needed = {_NUMBERS[name], _STEPS.get(name, _NUMBERS[name])}
        if count.isdecimal() and int(count) > 1 and needed <= environment.keys():
            return name
    if _JOB_INDEX in environment and _IN_KUBERNETES in environment:
        return "Kubernetes"
    return None


def place(name: str, wait: float) -> Place:
    """Returns this process's place as `jax.distributed.initialize` finds it.

    Args:
        name: from `launcher`.
        wait: seconds that finding process 0's address may take.

    Raises:
        UserError: if it cannot be found out.
    """
    until = time.monotonic() + wait
    while True:
        try:
            return _detected(wait)
        except Exception as error:  # whatever the launcher's variables or servers break
            # A name that is not known yet: process 0's pod has not been scheduled.
            if isinstance(error.__cause__, OSError) and time.monotonic() < until:
                time.sleep(1)
                continue
            why = " ".join(str(error).split()) or type(error).__name__
            raise UserError(
                f"{name} started this process, but not where the others are is to be found out "
                f"({why}): give --coordinator HOST:PORT --processes N --process I"
            ) from error


def _detected(wait):
    from jax._src.clusters import ClusterEnv  # the detection by itself has no public name

    # Where the launcher shows each process its own GPU alone, its number there is 0.
    given = os.environ.get("JAX_LOCAL_DEVICE_IDS")
    numbers = [int(number) for number in given.split(",")] if given else None
    with warnings.catch_warnings(record=True) as said:
        found = ClusterEnv.auto_detect_unset_distributed_params(
            None, None, None, numbers, None, int(wait)
        )
    coordinator, count, index, local_devices = found
    if None in (coordinator, count, index):
        raise RuntimeError(*(str(one.message) for one in said))
    return Place(coordinator, count, index, local_devices)
