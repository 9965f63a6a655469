"""Processes that meet on this machine; threads stand in for them."""

from concurrent.futures import ThreadPoolExecutor

from resnet_keras.distributed.rendezvous import free_port, meet

SETTINGS = {"--seed": "0", "keras": "3"}


def free_address():
    """HOST:PORT at which nothing listens."""
    return f"127.0.0.1:{free_port()}"


def meet_as(address, index, count=2, settings=SETTINGS, timeout=20.0, report=lambda line: None):
    """Meets the others as one process; returns its heartbeat."""
    return meet(address, index, count, settings, timeout, report)


def meet_all(count=2):
    """Returns the heartbeats of all processes."""
    address = free_address()
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda index: meet_as(address, index, count), range(count)))
