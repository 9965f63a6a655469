"""Detects processes of a run that crash, hang or fail, and reports them to the others by name.

Without this, the other processes would wait forever in a collective operation, or end with a
timeout that names nobody: JAX itself reports neither which process was lost nor why. Process 0
therefore keeps a TCP connection to every other process. No training data travels on it.
"""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from resnet_keras.distributed.connection import Connection

# Every process sends a message this often, in seconds.
INTERVAL = 2.0
# A process that sends nothing for so many seconds counts as lost.
TIMEOUT = 20.0
# Sending or receiving one message may take so many seconds.
MESSAGE_TIMEOUT = 5.0

_ENDED = ". The run has ended; the same commands resume from its last checkpoint"


class Heartbeat:
    """The heartbeat of one process. `meet` creates it.

    Process 0 is connected to all others; they are connected to process 0 only, which forwards what
    it learns.

    Args:
        index: the number of this process, from 0.
        count: the number of processes.
        jax_address: HOST:PORT at which process 0 may start JAX's coordination service.
        connections: the connections to other processes.

    Attributes:
        index: the number of this process, from 0.
        count: the number of processes.
        jax_address: HOST:PORT of JAX's coordination service.

    Example:

    >>> ends = socket.socketpair()
    >>> primary = Heartbeat(0, 2, "127.0.0.1:5701", [Connection(1, ends[0])])
    >>> worker = Heartbeat(1, 2, "127.0.0.1:5701", [Connection(0, ends[1])])
    >>> failure = threading.Event()
    >>> primary.watch(lambda reason: (print(reason), failure.set()))
    >>> worker.fail("no space left on device")
    >>> failure.wait(10)
    process 1 of 2 failed: no space left on device
    True
    """

    def __init__(
        self, index: int, count: int, jax_address: str, connections: Sequence[Connection]
    ) -> None:
        self.index, self.count, self.jax_address = index, count, jax_address
        self._connections = {connection.index: connection for connection in connections}
        self._closed = threading.Event()
        # The run is complete, so that connections may close.
        self._ending = threading.Event()
        self._end_received = threading.Event()
        self._results: dict = {}
        self._send_lock = threading.Lock()

    def watch(self, on_failure: Callable[[str], Any]) -> None:
        """Starts to send heartbeats and to watch those of the other processes, in a thread.

        Args:
            on_failure: called once, from that thread, with one sentence about the process that was
                lost or failed.
        """
        self._thread = threading.Thread(target=self._watch, args=(on_failure,), daemon=True)
        self._thread.start()

    @property
    def others_finished(self) -> bool:
        """Whether all other processes have completed their part. None is needed any more."""
        return all(connection.finished for connection in self._connections.values())

    def finish(self) -> None:
        """Reports to process 0 that this process has completed its part.

        From then on, losing this process is not a failure.
        """
        self._send(finished=True)

    def fail(self, reason: str) -> None:
        """Reports to the other processes that this one ends, and closes the connections.

        Args:
            reason: one sentence.
        """
        if not self._closed.is_set():
            # First, or the answer of the others would end this process before it has printed why.
            self._closed.set()
            self._send(failed=reason)
            self.close()

    def end(self, **results: Any) -> None:
        """Reports from process 0 that the run is complete, and waits until the others have left.

        Args:
            **results: the results of the run, which JSON can represent.
        """
        self._ending.set()
        self._send(end=results)
        self._thread.join(TIMEOUT)
        self.close()

    def wait_for_end(self) -> dict:
        """Waits in a worker until process 0 calls `end`.

        If process 0 is lost before, `on_failure` is called instead.

        Returns:
            The results that process 0 passed to `end`.
        """
        self._end_received.wait()
        return self._results

    def close(self) -> None:
        """Leaves the run in good order and closes the connections."""
        self._closed.set()
        self._send(bye=True)
        for connection in self._connections.values():
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_WR)

    def _send(self, **message: Any) -> None:
        with self._send_lock:
            for connection in list(self._connections.values()):
                connection.send(**message)

    def _watch(self, on_failure: Callable[[str], Any]) -> None:
        with selectors.DefaultSelector() as selector:
            for connection in self._connections.values():
                connection.socket.setblocking(True)
                connection.socket.settimeout(MESSAGE_TIMEOUT)
                selector.register(connection.socket, selectors.EVENT_READ, connection)
            last_sent = 0.0
            while not self._closed.is_set() and self._connections:
                if time.monotonic() - last_sent >= INTERVAL:
                    self._send(alive=True)
                    last_sent = time.monotonic()
                ready = {key.data.index for key, _ in selector.select(timeout=INTERVAL / 4)}
                for connection in list(self._connections.values()):
                    failure = self._check(connection, connection.index in ready)
                    if self._closed.is_set():
                        return
                    if failure and (connection.finished or self._ending.is_set()):
                        self._connections.pop(connection.index, None)
                    if connection.index not in self._connections:
                        selector.unregister(connection.socket)
                    elif failure:
                        self._send(lost=failure)
                        self._closed.set()
                        on_failure(failure)
                        return

    def _check(self, connection: Connection, ready: bool) -> str | None:
        """Reads the messages of a process; returns one sentence if a process was lost or failed."""
        name = f"process {connection.index} of {self.count}"
        if ready:
            messages = connection.receive()
            for message in messages or ():
                if "lost" in message:
                    return str(message["lost"])
                if "failed" in message:
                    return f"{name} failed: {message['failed']}"
                connection.finished = connection.finished or "finished" in message
                if "end" in message:
                    self._results = message["end"]
                    # From now on, connections may close.
                    self._ending.set()
                    self._end_received.set()
                    return None
                if "bye" in message:
                    del self._connections[connection.index]
                    return None
            if messages is None:
                return f"{name} died or became unreachable: its connection closed{_ENDED}"
        if time.monotonic() - connection.last_received > TIMEOUT:
            return f"{name} has sent nothing for {TIMEOUT:.0f} seconds{_ENDED}"
        return None
