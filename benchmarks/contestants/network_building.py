"""The time that building a network takes."""

import time

from benchmarks.contestants import Built
from resnet_keras.models.build import build


def make(network: str) -> Built:
    """Builds nothing yet; the imports of this module are not part of the time.

    Args:
        network: the name of a network.

    Returns:
        `(run_steps, facts)`. A step builds the network.
    """

    def run_steps(count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            build(network)
        return time.perf_counter() - start

    return run_steps, {}
