"""From a URL to a connection that tries again."""

import random
import time
from collections.abc import Callable

from resnet_keras.client.address import Address
from resnet_keras.client.connection import Connection
from resnet_keras.client.problems import Unavailable
from resnet_keras.client.rest import RestConnection
from resnet_keras.client.tensors import Answer

FIRST_WAIT = 0.2
LONGEST_WAIT = 5.0


def connect(address: Address, timeout: float, ca_file: str | None = None) -> Connection:
    """Returns a connection by REST or gRPC.

    Args:
        address: of the model.
        timeout: seconds for a request.
        ca_file: whom to trust, PEM, where TLS is spoken.

    Raises:
        UserError: if `ca_file` cannot be read.
    """
    if address.rpc:
        # gRPC takes a third of a second to import.
        from resnet_keras.client.rpc import RpcConnection

        return RpcConnection(address, timeout, ca_file)
    return RestConnection(address, timeout, ca_file)


def retrying(
    predict: Callable, retries: int, sleep: Callable[[float], None] = time.sleep
) -> Callable[[object], list[Answer]]:
    """Returns `predict`, tried again where the server is unavailable.

    It waits about 0.2 s, then twice as long each time, 5 s at most, a random part of it so that
    many clients do not come back at once.

    Args:
        predict: raises `Unavailable`, or whatever else at once.
        retries: how often to try again.
        sleep: waits seconds.
    """

    def attempt(inputs):
        for tries in range(retries + 1):
            try:
                return predict(inputs)
            except Unavailable:
                if tries == retries:
                    raise
                wait = min(LONGEST_WAIT, FIRST_WAIT * 2**tries)
                sleep(wait * random.uniform(0.75, 1.25))
        raise AssertionError("unreachable")

    return attempt
