"""A connection to another process of a run: messages are JSON objects, a line each."""

import contextlib
import json
import socket
import time
from dataclasses import dataclass, field

_LONGEST_LINE = 1 << 20


@dataclass
class Connection:
    """The other end of a connection.

    Attributes:
        index: of the process there.
        socket: connected.
        buffer: of a message, the part that has come.
        heard: when something was last received.
        through: whether it has done its part.
    """

    index: int
    socket: socket.socket
    buffer: bytes = b""
    heard: float = field(default_factory=time.monotonic)
    through: bool = False

    def send(self, **message) -> None:
        """Sends a message; says nothing if nobody is there any more."""
        with contextlib.suppress(OSError):  # whoever is gone is noticed by reading
            self.socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> list[dict] | None:
        """Returns the messages that have come whole; `None` if the connection is at its end."""
        try:
            data = self.socket.recv(1 << 16)
        except (BlockingIOError, TimeoutError):
            return []
        except OSError:
            return None
        if not data or len(self.buffer) > _LONGEST_LINE:
            return None
        self.heard = time.monotonic()
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        try:
            messages = [json.loads(line) for line in lines]
        except ValueError:
            return None
        return messages if all(isinstance(one, dict) for one in messages) else None

    def wait(self, seconds: float) -> dict | None:
        """Returns the next message; `None` if none comes in that time."""
        self.socket.settimeout(seconds)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            messages = self.receive()
            if messages is None:
                return None
            if messages:
                return messages[0]
        return None
