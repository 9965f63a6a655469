"""A connection between two processes of a run. Messages are JSON objects, one per line."""

import contextlib
import json
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

_LONGEST_LINE = 1 << 20


@dataclass
class Connection:
    """One end of a connection to another process.

    Attributes:
        index: the number of the process at the other end.
        socket: the connected socket.
        last_received: when data last arrived, in seconds of `time.monotonic`.
        finished: whether the other process has completed its part of the run.

    Example:

    >>> here, there = (Connection(index, end) for index, end in enumerate(socket.socketpair()))
    >>> here.send(alive=True)
    >>> there.receive_one(timeout=5.0)
    {'alive': True}
    >>> here.socket.close()
    >>> print(there.receive())
    None
    >>> there.socket.close()
    """

    index: int
    socket: socket.socket
    last_received: float = field(default_factory=time.monotonic)
    finished: bool = False
    _partial: bytes = b""

    def send(self, **message: Any) -> None:
        """Sends a message. Does nothing if the connection is closed.

        Args:
            **message: its keys and values, which JSON can represent.
        """
        # A closed connection is noticed by `receive`.
        with contextlib.suppress(OSError):
            self.socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> list[dict] | None:
        """Returns the messages that have arrived.

        Waits for data as long as the socket's timeout allows.

        Returns:
            The complete messages, possibly none; `None` if the connection is closed, or if what
            arrived is not a message.
        """
        try:
            data = self.socket.recv(1 << 16)
        except (BlockingIOError, TimeoutError):
            return []
        except OSError:
            return None
        if not data or len(self._partial) > _LONGEST_LINE:
            return None
        self.last_received = time.monotonic()
        *lines, self._partial = (self._partial + data).split(b"\n")
        try:
            messages = [json.loads(line) for line in lines]
        except ValueError:
            return None
        return messages if all(isinstance(message, dict) for message in messages) else None

    def receive_one(self, timeout: float) -> dict | None:
        """Returns the next message.

        Args:
            timeout: how long to wait, in seconds.

        Returns:
            The message; `None` if none arrives in time, or the connection is closed.
        """
        self.socket.settimeout(timeout)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            messages = self.receive()
            if messages is None:
                return None
            if messages:
                return messages[0]
        return None


def format_processes(indices: Sequence[int]) -> str:
    """Formats process numbers for a message.

    Args:
        indices: the numbers, at least one.

    Returns:
        Such as `process 1` or `processes 1, 3`.

    Example:

    >>> format_processes([1, 3])
    'processes 1, 3'
    """
    numbers = ", ".join(map(str, indices))
    return f"process {numbers}" if len(indices) == 1 else f"processes {numbers}"
