"""The line between the processes of one run: word of whoever is lost.

One that dies must not leave the others waiting for it in a collective operation for ever, and must
be named, not guessed from a time-out. JAX's own means know neither names nor reasons, so process 0
keeps a TCP connection with every other one. Numbers do not travel on it.
"""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable

from resnet_keras.distributed.connection import Connection

# Seconds between signs of life, and of silence after which a process counts as lost.
BEAT_SECONDS, LOST_SECONDS = 2.0, 20.0
# Seconds that a message may take.
PATIENCE = 5.0
_ON = ". The run has ended; the same commands go on from its last checkpoint"


class Heartbeat:
    """One process's end of the line.

    Attributes:
        index: this process's number.
        count: how many there are.
        coordinator: HOST:PORT at which JAX's own service may be started.
    """

    def __init__(self, index: int, count: int, coordinator: str, peers: list[Connection]):
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
                peer.socket.settimeout(PATIENCE)
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
