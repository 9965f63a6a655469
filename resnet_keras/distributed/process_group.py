"""The processes that train one network together, connected by `jax.distributed`."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from resnet_keras.data.dataset import BatchShare
from resnet_keras.distributed.connection import format_processes
from resnet_keras.distributed.heartbeat import Heartbeat
from resnet_keras.distributed.jax_coordinator import external_coordinator
from resnet_keras.distributed.rendezvous import meet
from resnet_keras.errors import UsageError, UserError
from resnet_keras.processes import Interrupted

# Steps between two checks whether any process was asked to stop. All check at the same steps.
STOP_CHECK_INTERVAL = 8
# Seconds that a process whose collective operation failed waits for news of who was lost.
_FAILURE_NEWS_SECONDS = 30.0


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of a run, as one of them sees them.

    Attributes:
        count: the number of processes.
        index: the number of this process, from 0. Process 0 is the primary process: only it
            evaluates and writes.
        heartbeat: connects this process with the others; `None` for a single process.

    Example:

    >>> ProcessGroup(count=4, index=1).share(batch_size=128).start
    32
    >>> SINGLE_PROCESS.is_primary
    True
    """

    count: int = 1
    index: int = 0
    heartbeat: Heartbeat | None = None

    @property
    def is_primary(self) -> bool:
        """Whether this is the process that evaluates and writes."""
        return self.index == 0

    def share(self, batch_size: int) -> BatchShare:
        """Returns the part of each batch that this process computes.

        Args:
            batch_size: images per batch, over all processes.
        """
        size = batch_size // self.count
        return BatchShare(batch_size, self.index * size, size)

    def any(self, flag: bool) -> bool:
        """Returns whether the flag is set in any process.

        All processes must call it at the same time.

        Args:
            flag: the flag of this process.
        """
        if self.count == 1:
            return flag
        from jax.experimental import multihost_utils

        return bool(multihost_utils.process_allgather(np.array([flag])).any())

    def broadcast(self, data: bytes | None) -> bytes:
        """Returns the data of the primary process in every process.

        All processes must call it at the same time.

        Args:
            data: what the primary process sends; ignored in workers.
        """
        sent = data if self.is_primary and data is not None else b""
        if self.count == 1:
            return sent
        from jax.experimental import multihost_utils

        array = np.frombuffer(sent, np.uint8)
        length = int(multihost_utils.broadcast_one_to_all(np.array(array.size, np.int32)))
        if not length:
            return b""
        array = array if self.is_primary else np.zeros(length, np.uint8)
        return np.asarray(multihost_utils.broadcast_one_to_all(array)).tobytes()

    def check_same(self, what: str, digest: bytes) -> None:
        """Checks that all processes have the same value.

        All processes must call it at the same time.

        Args:
            what: the name of the value, for the message.
            digest: a checksum of the value, of at least eight bytes.

        Raises:
            UserError: if the values differ.
        """
        if self.count == 1:
            return
        from jax.experimental import multihost_utils

        mine = np.frombuffer(digest[:8], np.uint8)
        gathered = multihost_utils.process_allgather(mine)
        others = [i for i, theirs in enumerate(gathered) if not np.array_equal(theirs, mine)]
        if others:
            raise UserError(
                f"{what} must be the same in all processes, but process {self.index} and "
                f"{format_processes(others)} differ"
            )

    def end(self, **results: Any) -> dict:
        """Ends a run that is complete in this process.

        The primary process may still export and measure while workers wait here. A worker that
        dies or is stopped meanwhile does no harm.

        Args:
            **results: the results of the run; those of the primary process count.

        Returns:
            The results of the primary process.
        """
        if self.heartbeat is None:
            return results
        import jax

        if self.is_primary:
            # The primary process goes last, because JAX's coordination service ends with it.
            self.heartbeat.end(**results)
            jax.distributed.shutdown()
            return results
        self.heartbeat.finish()
        results = self.heartbeat.wait_for_end()
        jax.distributed.shutdown()
        self.heartbeat.close()
        return results


SINGLE_PROCESS = ProcessGroup()


def join(
    address: str,
    count: int,
    index: int,
    settings: dict[str, str],
    timeout: float,
    report: Callable[[str], object],
    local_devices: Sequence[int] | None = None,
) -> ProcessGroup:
    """Waits for the other processes of a run and connects JAX with theirs.

    Call it before anything is computed. From then on, if another process dies, hangs or fails, this
    process prints a message and ends with status 1.

    Args:
        address: HOST:PORT of process 0.
        count: the number of processes.
        index: the number of this process, from 0.
        settings: what must be the same in all processes, by name.
        timeout: how long to wait for the others, in seconds.
        report: called with one line at a time.
        local_devices: the numbers of the GPUs of this process; `None` for all of the machine.

    Returns:
        The process group.

    Raises:
        UsageError: if a value is not valid, or Keras runs on another backend than JAX.
        UserError: if a process is missing, or process 0 rejects this one.

    Example:

    >>> join("10.0.0.1:5700", 2, 0, {"seed": "0"}, 300.0, print).is_primary  # doctest: +SKIP
    process 0 of 2: all processes are connected
    True
    """
    if keras.backend.backend() != "jax":
        raise UsageError(
            "several processes need Keras' JAX backend: KERAS_BACKEND=jax python train.py …. "
            f"Received: KERAS_BACKEND={keras.backend.backend()}"
        )
    if count < 1:
        raise UsageError(f"--processes must be at least 1. Received: {count}")
    heartbeat = meet(address, index, count, settings, timeout, report)
    process_group = ProcessGroup(count, index, heartbeat)
    heartbeat.watch(lambda reason: _exit(report, reason))
    with report_failures(process_group), _discard_standard_output():
        _initialize_jax(heartbeat, local_devices)
        # The first collective operation makes all connections, now that all processes are present.
        process_group.any(False)
    report(f"process {index} of {count}: all processes are connected")
    return process_group


@contextlib.contextmanager
def report_failures(process_group: ProcessGroup) -> Iterator[None]:
    """Reports to the other processes whatever ends this process within the block.

    A collective operation that fails because another process is gone raises an exception that does
    not help the user. In this case the block waits for the heartbeat to report the lost process,
    which ends this process with a better message.

    Args:
        process_group: the processes of the run.

    Example:

    >>> with report_failures(SINGLE_PROCESS):
    ...     print("training")
    training
    """
    heartbeat = process_group.heartbeat
    if heartbeat is None:
        yield
        return
    try:
        yield
    except Interrupted as interruption:
        if process_group.is_primary and heartbeat.others_finished:
            heartbeat.end(stopped_by=int(interruption.number))
        else:
            heartbeat.fail(f"{interruption}. The same commands resume from the last checkpoint")
        raise
    except UserError as error:
        heartbeat.fail(" ".join(str(error).split()))
        raise
    except Exception as error:
        time.sleep(_FAILURE_NEWS_SECONDS)
        # No process was lost, so the error is in this one.
        heartbeat.fail(f"{type(error).__name__}: {error}")
        raise


@contextlib.contextmanager
def _discard_standard_output() -> Iterator[None]:
    """Discards standard output, to which Gloo's C++ code prints a greeting.

    Programs that read the standard output of a run expect results only.
    """
    sys.stdout.flush()
    saved, devnull = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(devnull)


def _exit(report: Callable[[str], object], reason: str) -> None:
    report(reason)
    sys.stdout.flush()
    # `sys.exit` would not do: the main thread may be inside an operation that never returns.
    os._exit(1)


def _initialize_jax(heartbeat: Heartbeat, local_devices: Sequence[int] | None) -> None:
    import jax

    # Collective operations between CPUs need a library; GPUs have NCCL.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    # This service would take over SIGTERM, which the callback `EndOnSignal` needs.
    jax.config.update("jax_enable_preemption_service", False)
    # Otherwise JAX aborts this process when another is lost, before `_exit` can report which.
    jax.config.update("jax_enable_recoverability", True)
    with external_coordinator():
        jax.distributed.initialize(
            heartbeat.jax_address,
            heartbeat.count,
            heartbeat.index,
            local_device_ids=local_devices,
            cluster_detection_method="deactivate",
        )
    if jax.local_device_count() * heartbeat.count != jax.device_count():
        raise UserError(
            f"all processes must have the same number of devices. Received: "
            f"{jax.local_device_count()} in process {heartbeat.index}, {jax.device_count()} in all "
            f"{heartbeat.count} processes"
        )
