"""Processes that come together on loopback, as threads."""

import socket
from concurrent.futures import ThreadPoolExecutor

from resnet_keras.distributed.rendezvous import meet

SAYS = {"--seed": "0", "keras": "3"}


def free_address():
    """HOST:PORT where nobody listens."""
    with socket.create_server(("", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"


def call(address, index, count=2, says=SAYS, wait=20.0, report=lambda line: None):
    """Calls the roll as one process."""
    return meet(address, index, count, says, wait, report)


def meet_all(count=2):
    """Returns the lines of all processes, threads standing in for them."""
    address = free_address()
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda index: call(address, index, count), range(count)))
