"""keras-tuner's way to several processes: one chief that decides, workers that run the trials."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from resnet_keras.errors import UsageError, UserError
from resnet_keras.files import make_folder
from resnet_keras.runs.folder import RunFolder

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


def wait_for(place: Path, say: Callable[[str], None], every: float = 2.0) -> None:
    """Waits until no other process writes to a trial's folder.

    A chief that was started again hands out trials that other workers have not ended yet.

    Args:
        place: the folder.
        say: told that there is something to wait for.
        every: seconds between two looks.

    Raises:
        UserError: if the folder cannot be made.
    """
    make_folder(place)
    told = False
    while True:
        try:
            with RunFolder(place.parent, place.name).locked():
                return
        except UserError as error:
            if not told:
                say(f"trial {place.name} waits: {error}")
            told = True
        time.sleep(every)
