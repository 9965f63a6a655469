"""How long a network takes to build."""

import time

from resnet_keras.models.build import build


def make(network: str):
    """Does nothing yet: imports are not building.

    Returns:
        `(steps, facts)`; a step builds the network.
    """

    def steps(count):
        began = time.perf_counter()
        for _ in range(count):
            build(network)
        return time.perf_counter() - began

    return steps, {}
