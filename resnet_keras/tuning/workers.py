"""keras-tuner's way to several processes: one chief that decides, workers that run the trials."""

import os

from resnet_keras.errors import UsageError

ID, IP, PORT = "KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"


def check() -> None:
    """Compares the three variables of the environment with one another.

    Raises:
        UsageError: if some are set and others are not.
    """
    missing = [name for name in (ID, IP, PORT) if not os.environ.get(name)]
    if IP in os.environ and missing:
        raise UsageError(f"{IP} is set and {' and '.join(missing)} is not: a search on several "
                         "machines needs all three")  # fmt: skip


def is_chief() -> bool:
    """Whether this process decides for others."""
    return IP in os.environ and "chief" in os.environ[ID]


def is_worker() -> bool:
    """Whether another process decides for this one."""
    return IP in os.environ and not is_chief()
