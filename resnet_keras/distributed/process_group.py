"""Several processes that train one network together, by `jax.distributed`."""

import contextlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from resnet_keras import signals
from resnet_keras.data.dataset import Share
from resnet_keras.distributed import jax_coordinator
from resnet_keras.distributed.heartbeat import Heartbeat
from resnet_keras.distributed.rendezvous import meet
from resnet_keras.errors import UsageError, UserError

# Steps between two looks at whether somebody was asked to stop. All look at the same steps.
STOP_CHECK_INTERVAL = 8
# Seconds that a failed collective operation waits for word of who is missing.
_WORD_SECONDS = 30.0


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of a run, seen from one of them.

    Attributes:
        count: how many there are.
        index: this one's number, from 0 on. Number 0 leads: it alone writes.
        heartbeat: to the others; `None` for a process that is alone.
    """

    count: int = 1
    index: int = 0
    heartbeat: Heartbeat | None = None

    @property
    def is_primary(self) -> bool:
        """Whether this is the one that writes."""
        return self.index == 0

    def share(self, batch_size: int) -> Share:
        """Returns the part of each batch that this process brings."""
        each = batch_size // self.count
        return Share(batch_size, self.index * each, each)

    def any(self, flag: bool) -> bool:
        """Returns whether the flag is raised in any process. All have to ask at the same time."""
        if self.count == 1:
            return flag
        from jax.experimental import multihost_utils

        return bool(multihost_utils.process_allgather(np.array([flag])).any())

    def from_primary(self, data: bytes | None) -> bytes:
        """Returns, in every process, what process 0 gave."""
        if self.count == 1:
            return data
        from jax.experimental import multihost_utils

        given = np.frombuffer(data if self.is_primary else b"", np.uint8)
        length = int(multihost_utils.broadcast_one_to_all(np.array(given.size, np.int32)))
        if not length:
            return b""
        given = given if self.is_primary else np.zeros(length, np.uint8)
        return np.asarray(multihost_utils.broadcast_one_to_all(given)).tobytes()

    def same_everywhere(self, what: str, digest: bytes) -> None:
        """Checks that all processes have the same of something.

        Args:
            what: its name, for the message.
            digest: eight bytes or more of its checksum.

        Raises:
            UserError: if not.
        """
        if self.count == 1:
            return
        from jax.experimental import multihost_utils

        mine = np.frombuffer(digest[:8], np.uint8)
        others = [i for i, theirs in enumerate(multihost_utils.process_allgather(mine))
                  if not np.array_equal(theirs, mine)]  # fmt: skip
        if others:
            raise UserError(f"{what} of processes {others} differ from those of {self.index}")

    def end(self, **results) -> dict:
        """Takes leave of the others, the run being over.

        Process 0 may still export and measure while the others wait here; one that does not, or is
        asked to stop, does no harm to that.

        Args:
            **results: how it ended; process 0's count.

        Returns:
            Those of process 0.
        """
        if self.heartbeat is None:
            return results
        import jax

        if self.is_primary:
            # JAX's own service ends with this process, so it goes last.
            self.heartbeat.end(**results)
            jax.distributed.shutdown()
            return results
        self.heartbeat.through()
        ended = self.heartbeat.wait_for_end()
        jax.distributed.shutdown()
        self.heartbeat.close()
        return ended


SINGLE_PROCESS = ProcessGroup()


def join(
    address: str,
    count: int,
    index: int,
    says: dict[str, str],
    wait: float,
    report: Callable[[str], None],
    local_devices: list[int] | None = None,
) -> ProcessGroup:
    """Waits for the other processes and connects JAX with theirs.

    To be called before anything is computed. From then on a process that is lost, dead or
    silent, ends this one with status 1 and a message.

    Args:
        address: HOST:PORT of process 0.
        count: how many processes there are.
        index: this one's number, from 0 on.
        says: what all must agree on, by name.
        wait: seconds until it gives up.
        report: takes a line for people.
        local_devices: the numbers of this process's GPUs; `None` for all of the machine.

    Raises:
        UsageError: if a value cannot be right, or Keras runs on another backend than JAX.
        UserError: if a process is missing, or refused.
    """
    if keras.backend.backend() != "jax":
        raise UsageError(
            "several processes train on Keras' JAX backend: KERAS_BACKEND=jax python train.py …. "
            f"Received: {keras.backend.backend()}"
        )
    if count < 1:
        raise UsageError(f"--processes is a number from 1 on. Received: {count}")
    heartbeat = meet(address, index, count, says, wait, report)
    processes = ProcessGroup(count, index, heartbeat)
    heartbeat.watch(lambda why: _end_process(report, why))
    with report_failures(processes), _standard_output_to_nobody():
        _initialize(heartbeat, local_devices)
        # All connections are made here, where it is known that everybody is there.
        processes.any(False)
    report(f"process {index} of {count}: all are there")
    return processes


@contextlib.contextmanager
def report_failures(processes: ProcessGroup):
    """Within the block, what ends this process is told to the others.

    An operation between processes that fails because another one has gone says nothing that helps
    a user: word of who it was is waited for, and ends this process.
    """
    if processes.heartbeat is None:
        yield
        return
    try:
        yield
    except signals.Interrupted as interruption:
        if processes.is_primary and processes.heartbeat.others_are_through:
            processes.heartbeat.end(stopped_by=int(interruption.number))
        else:
            processes.heartbeat.fail(
                f"{interruption}. The same commands go on from the last checkpoint"
            )
        raise
    except UserError as error:
        processes.heartbeat.fail(" ".join(str(error).split()))
        raise
    except Exception as error:
        time.sleep(_WORD_SECONDS)
        # Nobody is missing: the fault is here.
        processes.heartbeat.fail(f"{type(error).__name__}: {error}")
        raise


@contextlib.contextmanager
def _standard_output_to_nobody():
    """Gloo's C++ says hello on descriptor 1, where a user's program expects results alone."""
    sys.stdout.flush()
    saved, nobody = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nobody, 1)
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(nobody)


def _end_process(report, why):
    report(why)
    sys.stdout.flush()
    # Not `sys.exit`: the main thread may be inside an operation that never returns.
    os._exit(1)


def _initialize(heartbeat, local_devices):
    import jax

    # Collective operations between processors; GPUs have their own.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    # Takes SIGTERM for itself, which `EndOnSignal` has to hear of.
    jax.config.update("jax_enable_preemption_service", False)
    # Without it JAX aborts the process when another is lost, before `_end_process` can say which.
    jax.config.update("jax_enable_recoverability", True)
    with jax_coordinator.jax_coordinator():
        jax.distributed.initialize(
            heartbeat.coordinator,
            heartbeat.count,
            heartbeat.index,
            local_device_ids=local_devices,
            cluster_detection_method="deactivate",
        )
    if jax.local_device_count() * heartbeat.count != jax.device_count():
        raise UserError(
            f"every process needs as many devices as the others: process {heartbeat.index} has "
            f"{jax.local_device_count()} of {jax.device_count()} with {heartbeat.count} processes"
        )
