"""How the processes of one run come together: process 0 waits for all, and names who is missing."""

import contextlib
import socket
import time
from collections.abc import Callable

from resnet_keras.distributed.connection import Connection
from resnet_keras.distributed.heartbeat import PATIENCE, Heartbeat
from resnet_keras.errors import UsageError, UserError

# Seconds between two lines that say who is being waited for.
REPORT_SECONDS = 10.0


def meet(
    address: str,
    index: int,
    count: int,
    says: dict[str, str],
    wait: float,
    report: Callable[[str], None],
) -> Heartbeat:
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
    present: dict[int, Connection] = {}
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
                _admit(Connection(-1, server.accept()[0]), count, says, present)
            for index in [i for i, peer in present.items() if _gone(peer)]:
                del present[index]
    coordinator = f"[{host}]:{_free_port()}" if ":" in host else f"{host}:{_free_port()}"
    for peer in present.values():
        peer.send(begin=coordinator)
        peer.heard = time.monotonic()
    return Heartbeat(0, count, coordinator, list(present.values()))


def _admit(peer, count, says, present):
    """Lets a newcomer in, or tells it why not."""
    message = peer.wait(PATIENCE) or {}
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
            peer = Connection(0, socket.create_connection((host, port), timeout=PATIENCE))
            break
        except OSError:
            time.sleep(0.3)
    peer.send(hello=index, of=count, says=says)
    report(f"process {index} of {count}: reached process 0 at {host}:{port}")
    # Process 0 gives up by its own clock, and says so.
    answer = peer.wait(max(PATIENCE, until - time.monotonic() + 2 * PATIENCE)) or {}
    if "begin" not in answer:
        why = answer.get("refused", "it hung up")
        raise UserError(f"process 0 of {count} at {host}:{port} does not take this one: {why}")
    return Heartbeat(index, count, answer["begin"], [peer])


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
