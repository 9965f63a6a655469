"""How the processes of a run find each other before training starts.

Process 0 listens on a port and waits until all others have connected. It rejects processes whose
settings differ from its own, and reports which processes are missing.
"""

import contextlib
import socket
import time
from collections.abc import Callable

from resnet_keras.distributed.connection import Connection, format_processes
from resnet_keras.distributed.heartbeat import MESSAGE_TIMEOUT, Heartbeat
from resnet_keras.errors import UsageError, UserError

# Seconds between two reports about the processes that are missing.
_REPORT_INTERVAL = 10.0

# The keys of the messages "hello", "of", "says", "begin" and "refused" must not change: processes
# that run different versions of this program use them to tell the user so.


def meet(
    address: str,
    index: int,
    count: int,
    settings: dict[str, str],
    timeout: float,
    report: Callable[[str], object],
) -> Heartbeat:
    """Waits until all processes of a run are connected.

    Args:
        address: HOST:PORT of process 0.
        index: the number of this process, from 0.
        count: the number of processes.
        settings: what must be the same in all processes, by name.
        timeout: how long to wait, in seconds.
        report: called with one line of progress at a time.

    Returns:
        The heartbeat, connected but not watching yet.

    Raises:
        UsageError: if the address or the number is not valid.
        UserError: if a process does not connect in time, process 0 cannot listen on the port, or
            process 0 rejects this process.

    Example:

    >>> address = f"127.0.0.1:{free_port()}"
    >>> meet(address, index=0, count=1, settings={"seed": "0"}, timeout=5.0, report=print).count
    1
    """
    host, port = _split_address(address)
    if not 0 <= index < count:
        raise UsageError(
            f"--process must be from 0 to {count - 1} with --processes {count}. Received: {index}"
        )
    deadline = time.monotonic() + timeout
    if index == 0:
        return _meet_as_primary(host, port, count, settings, deadline, report)
    return _meet_as_worker(host, port, index, count, settings, deadline, report)


def free_port() -> int:
    """Returns a TCP port that is free on all interfaces of this machine.

    Returns:
        The port. Another program may take it before the caller does.

    Example:

    >>> 1024 <= free_port() < 65536
    True
    """
    with socket.create_server(("", 0)) as server:
        return server.getsockname()[1]


def _split_address(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(
            "--coordinator must be the HOST:PORT of process 0, such as 10.0.0.1:5700. "
            f"Received: {address}"
        )
    return host.strip("[]"), int(port)


def _meet_as_primary(
    host: str,
    port: int,
    count: int,
    settings: dict[str, str],
    deadline: float,
    report: Callable[[str], object],
) -> Heartbeat:
    dual_stack = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual_stack else socket.AF_INET
    try:
        server = socket.create_server(
            ("", port), family=family, backlog=count, dualstack_ipv6=dual_stack
        )
    except OSError as error:
        raise UserError(
            f"process 0 cannot listen on port {port}: {error.strerror or error}"
        ) from error
    present: dict[int, Connection] = {}
    next_report = time.monotonic() + 1
    with server:
        server.settimeout(0.5)
        while len(present) < count - 1:
            missing = [index for index in range(1, count) if index not in present]
            now = time.monotonic()
            if now > deadline:
                for connection in present.values():
                    connection.send(
                        refused=f"{format_processes(missing)} of {count} did not connect in time"
                    )
                raise UserError(
                    f"{format_processes(missing)} of {count} did not connect to port {port} in "
                    "time: start all processes with the same command, each with its own --process"
                )
            if now > next_report:
                report(
                    f"process 0 of {count}: waiting for {format_processes(missing)} at "
                    f"{host}:{port}, {deadline - now:.0f} s left"
                )
                next_report = now + _REPORT_INTERVAL
            with contextlib.suppress(TimeoutError):
                _admit(Connection(-1, server.accept()[0]), count, settings, present)
            for index in [i for i, connection in present.items() if _is_closed(connection)]:
                del present[index]
    jax_address = f"[{host}]:{free_port()}" if ":" in host else f"{host}:{free_port()}"
    for connection in present.values():
        connection.send(begin=jax_address)
        connection.last_received = time.monotonic()
    return Heartbeat(0, count, jax_address, list(present.values()))


def _admit(
    connection: Connection,
    count: int,
    settings: dict[str, str],
    present: dict[int, Connection],
) -> None:
    """Adds a new connection to `present`, or rejects it with a reason."""
    message = connection.receive_one(MESSAGE_TIMEOUT) or {}
    index, theirs = message.get("hello"), message.get("says")
    if not isinstance(index, int) or not isinstance(theirs, dict):
        connection.socket.close()  # not a process of this program
        return
    if message.get("of") != count:
        reason = f"process 0 expects {count} processes, this process {message.get('of')}"
    elif index in present or not 0 < index < count:
        reason = f"process {index} of {count} is already connected"
    else:
        reason = "; ".join(
            f"{name} is {settings[name]} in process 0 but {theirs.get(name)} in this process"
            for name in settings
            if settings[name] != theirs.get(name)
        )
    if reason:
        connection.send(refused=reason)
        connection.socket.close()
        return
    connection.index = index
    present[index] = connection


def _meet_as_worker(
    host: str,
    port: int,
    index: int,
    count: int,
    settings: dict[str, str],
    deadline: float,
    report: Callable[[str], object],
) -> Heartbeat:
    next_report = time.monotonic() + 1
    while True:
        now = time.monotonic()
        if now > deadline:
            raise UserError(
                f"process 0 of {count} did not answer at {host}:{port} in time: check that it is "
                "running, and that this machine can reach the port"
            )
        if now > next_report:
            report(
                f"process {index} of {count}: waiting for process 0 at {host}:{port}, "
                f"{deadline - now:.0f} s left"
            )
            next_report = now + _REPORT_INTERVAL
        try:
            connected = socket.create_connection((host, port), timeout=MESSAGE_TIMEOUT)
            break
        except OSError:
            time.sleep(0.3)
    connection = Connection(0, connected)
    connection.send(hello=index, of=count, says=settings)
    report(f"process {index} of {count}: connected to process 0 at {host}:{port}")
    # Process 0 has its own deadline and names the missing processes: wait for its message.
    remaining = max(MESSAGE_TIMEOUT, deadline - time.monotonic() + 2 * MESSAGE_TIMEOUT)
    reply = connection.receive_one(remaining) or {}
    if "begin" not in reply:
        reason = reply.get("refused", "it closed the connection")
        raise UserError(f"process 0 of {count} at {host}:{port} rejected this process: {reason}")
    return Heartbeat(index, count, reply["begin"], [connection])


def _is_closed(connection: Connection) -> bool:
    """Whether a process that had connected has left while others were still missing."""
    connection.socket.settimeout(0.0)
    return connection.receive() is None
