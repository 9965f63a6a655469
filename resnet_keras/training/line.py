"""The line between the processes of one run: a roll call at the beginning, word of a loss later.

A missing process must be named, not guessed from a time-out, and one that dies must not leave the
others waiting for it in a collective operation for ever. JAX's own means know neither names nor
reasons, so process 0 keeps a TCP connection with every other one. Numbers do not travel on it.
"""

import contextlib
import json
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from resnet_keras.errors import UsageError, UserError

# Seconds between signs of life, and of silence after which a process counts as lost.
BEAT_SECONDS, LOST_SECONDS = 2.0, 20.0
# Seconds between two lines that say who is being waited for.
REPORT_SECONDS = 10.0
_PATIENCE = 5.0
_ON = ". The run has ended; the same commands go on from its last checkpoint"
_LONGEST_LINE = 1 << 20


@dataclass
class _Peer:
    """The other end of a connection."""

    index: int
    socket: socket.socket
    buffer: bytes = b""
    heard: float = field(default_factory=time.monotonic)
    through: bool = False

    def send(self, **message) -> None:
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


class Line:
    """One process's end of the line.

    Attributes:
        index: this process's number.
        count: how many there are.
        coordinator: HOST:PORT at which JAX's own service may be started.
    """

    def __init__(self, index: int, count: int, coordinator: str, peers: list[_Peer]):
        self.index, self.count, self.coordinator = index, count, coordinator
        self._peers = {peer.index: peer for peer in peers}
        self._over, self._ending = threading.Event(), threading.Event()
        self._ended: dict = {}
        self._end_came = threading.Event()
        self._lock = threading.Lock()

    def watch(self, on_loss: Callable[[str], None]) -> None:
        """Begins to send signs of life and to wait for those of the others, in a thread.

        Args:
            on_loss: called from that thread, once, with a sentence about who was lost, or gave up.
        """
        self._watcher = threading.Thread(target=self._watch, args=(on_loss,), daemon=True)
        self._watcher.start()

    @property
    def others_are_through(self) -> bool:
        """Whether nothing that this process does depends on another one any more."""
        return all(peer.through for peer in self._peers.values())

    def through(self) -> None:
        """Tells process 0 that this one has done its part: its loss is no loss any more."""
        self._send(through=True)

    def fail(self, reason: str) -> None:
        """Tells the others that this process gives up."""
        if not self._over.is_set():
            self._over.set()  # or their answer would end this process before it has said why
            self._send(failed=reason)
            self.close()

    def end(self, **message) -> None:
        """Tells the others, from process 0, that all is done, and how; waits until they left."""
        self._ending.set()
        self._send(end=message)
        self._watcher.join(LOST_SECONDS)
        self.close()

    def wait_for_end(self) -> dict:
        """Waits, in another process than 0, until process 0 says that all is done. A loss is
        `on_loss`'s business."""
        self._end_came.wait()
        return self._ended

    def close(self) -> None:
        """Says goodbye and hangs up."""
        self._over.set()
        self._send(bye=True)
        for peer in self._peers.values():
            with contextlib.suppress(OSError):
                peer.socket.shutdown(socket.SHUT_WR)

    def _send(self, **message):
        with self._lock:
            for peer in list(self._peers.values()):
                peer.send(**message)

    def _watch(self, on_loss):
        with selectors.DefaultSelector() as selector:
            for peer in self._peers.values():
                peer.socket.setblocking(True)
                peer.socket.settimeout(_PATIENCE)
                selector.register(peer.socket, selectors.EVENT_READ, peer)
            beat = 0.0
            while not self._over.is_set() and self._peers:
                if time.monotonic() - beat >= BEAT_SECONDS:
                    self._send(alive=True)
                    beat = time.monotonic()
                ready = {key.data.index for key, _ in selector.select(timeout=BEAT_SECONDS / 4)}
                for peer in list(self._peers.values()):
                    why = self._why_lost(peer, peer.index in ready)
                    if self._over.is_set():
                        return
                    if why and (peer.through or self._ending.is_set()):
                        self._peers.pop(peer.index, None)
                    if peer.index not in self._peers:
                        selector.unregister(peer.socket)
                    elif why:
                        self._send(lost=why)
                        self._over.set()
                        on_loss(why)
                        return

    def _why_lost(self, peer, ready):
        """Reads what a peer said; returns a sentence if somebody is lost."""
        name = f"process {peer.index} of {self.count}"
        if ready:
            messages = peer.receive()
            for message in messages or ():
                if "lost" in message:
                    return str(message["lost"])
                if "failed" in message:
                    return f"{name} gave up: {message['failed']}"
                peer.through = peer.through or "through" in message
                if "end" in message:
                    self._ended = message["end"]
                    # From now on nobody is missed.
                    self._ending.set()
                    self._end_came.set()
                    return None
                if "bye" in message:
                    del self._peers[peer.index]
                    return None
            if messages is None:
                return f"{name} has died, or its machine is gone: its connection broke off{_ON}"
        if time.monotonic() - peer.heard > LOST_SECONDS:
            return f"{name} has not been heard of for {LOST_SECONDS:.0f} seconds{_ON}"
        return None


def call_roll(
    address: str,
    index: int,
    count: int,
    says: dict[str, str],
    wait: float,
    report: Callable[[str], None],
) -> Line:
    """Waits until all processes are there.

    Args:
        address: HOST:PORT of process 0.
        index: this process's number, from 0 on.
        count: how many there are.
        says: what all must agree on, in words, by name.
        wait: seconds until it gives up.
        report: takes a line for people.

    Raises:
        UsageError: if a value cannot be right.
        UserError: if some process does not come in time, the address cannot be listened at, or
            process 0 refuses this one.
    """
    host, port = split_address(address)
    if not 0 <= index < count:
        raise UsageError(
            f"--process is a number from 0 to {count - 1} where --processes is {count}. "
            f"Received: {index}"
        )
    until = time.monotonic() + wait
    if index == 0:
        return _lead(host, port, count, says, until, report)
    return _join(host, port, index, count, says, until, report)


def split_address(address: str) -> tuple[str, int]:
    """Parts HOST:PORT.

    Raises:
        UsageError: if it is none.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(
            f"--coordinator is HOST:PORT of process 0, such as 10.0.0.1:5700. Received: {address}"
        )
    return host.strip("[]"), int(port)


def _lead(host, port, count, says, until, report):
    try:
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        server = socket.create_server(("", port), family=family, backlog=count, dualstack_ipv6=both)
    except OSError as error:
        raise UserError(
            f"process 0 cannot listen at port {port}: {error.strerror or error}"
        ) from error
    present: dict[int, _Peer] = {}
    next_report = time.monotonic() + 1
    with server:
        server.settimeout(0.5)
        while len(present) < count - 1:
            missing = [index for index in range(1, count) if index not in present]
            now = time.monotonic()
            if now > until:
                for peer in present.values():
                    peer.send(refused=f"{_named(missing)} of {count} did not come in time")
                raise UserError(
                    f"{_named(missing)} of {count} did not come to port {port} in time: start "
                    "all of them with the same command, each with its own --process"
                )
            if now > next_report:
                report(
                    f"process 0 of {count}: waiting for {_named(missing)} at {host}:{port}, "
                    f"{until - now:.0f} s more"
                )
                next_report = now + REPORT_SECONDS
            with contextlib.suppress(TimeoutError):
                _admit(_Peer(-1, server.accept()[0]), count, says, present)
            for index in [i for i, peer in present.items() if _gone(peer)]:
                del present[index]
    coordinator = f"[{host}]:{_free_port()}" if ":" in host else f"{host}:{_free_port()}"
    for peer in present.values():
        peer.send(begin=coordinator)
        peer.heard = time.monotonic()
    return Line(0, count, coordinator, list(present.values()))


def _admit(peer, count, says, present):
    """Lets a newcomer in, or tells it why not."""
    message = peer.wait(_PATIENCE) or {}
    index, theirs = message.get("hello"), message.get("says")
    if not isinstance(index, int) or not isinstance(theirs, dict):
        peer.socket.close()  # no process of ours
        return
    if message.get("of") != count:
        why = f"process 0 was told of {count} processes, this one of {message.get('of')}"
    elif index in present or not 0 < index < count:
        why = f"there is a process {index} of {count} already"
    else:
        differ = [name for name in says if says[name] != theirs.get(name)]
        why = "; ".join(
            f"{name} is {says[name]} at process 0 and {theirs.get(name)} here" for name in differ
        )
    if why:
        peer.send(refused=why)
        peer.socket.close()
        return
    peer.index = index
    present[index] = peer


def _join(host, port, index, count, says, until, report):
    next_report = time.monotonic() + 1
    while True:
        now = time.monotonic()
        if now > until:
            raise UserError(
                f"process 0 of {count} did not answer at {host}:{port} in time: is it running, "
                "and may this machine reach that port?"
            )
        if now > next_report:
            report(
                f"process {index} of {count}: waiting for process 0 at {host}:{port}, "
                f"{until - now:.0f} s more"
            )
            next_report = now + REPORT_SECONDS
        try:
            peer = _Peer(0, socket.create_connection((host, port), timeout=_PATIENCE))
            break
        except OSError:
            time.sleep(0.3)
    peer.send(hello=index, of=count, says=says)
    report(f"process {index} of {count}: reached process 0 at {host}:{port}")
    # Process 0 gives up by its own clock, and says so.
    answer = peer.wait(max(_PATIENCE, until - time.monotonic() + 2 * _PATIENCE)) or {}
    if "begin" not in answer:
        why = answer.get("refused", "it hung up")
        raise UserError(f"process 0 of {count} at {host}:{port} does not take this one: {why}")
    return Line(index, count, answer["begin"], [peer])


def _gone(peer):
    """Whether one that was admitted has hung up again before all were there."""
    peer.socket.settimeout(0.0)
    return peer.receive() is None


def _free_port():
    with socket.create_server(("", 0)) as probe:
        return probe.getsockname()[1]


def _named(indices):
    names = ", ".join(map(str, indices))
    return f"process {names}" if len(indices) == 1 else f"processes {names}"
