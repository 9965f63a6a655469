"""Searches in several processes: a chief makes the decisions, and workers run the trials.

keras-tuner defines the three environment variables that turn a process into a chief or a worker.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

from resnet_keras.errors import UsageError, UserError
from resnet_keras.files import make_folder
from resnet_keras.runs.folder import RunFolder

TUNER_ID, ORACLE_IP = "KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP"
ORACLE_PORT = "KERASTUNER_ORACLE_PORT"


def check_environment() -> None:
    """Checks that the three environment variables of keras-tuner are set together.

    Raises:
        UsageError: if some of them are set and others are not.

    Example:

    >>> check_environment()
    """
    missing = [name for name in (TUNER_ID, ORACLE_IP, ORACLE_PORT) if not os.environ.get(name)]
    if ORACLE_IP in os.environ and missing:
        raise UsageError(
            f"{ORACLE_IP} is set and {' and '.join(missing)} is not; a search on several machines "
            "needs all three variables"
        )


def is_chief() -> bool:
    """Returns whether this process decides which trials others run.

    Example:

    >>> is_chief()
    False
    """
    return ORACLE_IP in os.environ and "chief" in os.environ[TUNER_ID]


def is_worker() -> bool:
    """Returns whether this process runs trials that another one decides on.

    Example:

    >>> is_worker()
    False
    """
    return ORACLE_IP in os.environ and not is_chief()


def wait_until_unlocked(
    trial_folder: Path, log: Callable[[str], None], poll_seconds: float = 2.0
) -> None:
    """Waits until no other process writes to the folder of a trial.

    A restarted chief hands out trials that other workers may still be running.

    Args:
        trial_folder: the folder of the trial.
        log: is called once, with the reason, if the folder is locked.
        poll_seconds: the interval at which the lock is tried.

    Raises:
        UserError: if the folder cannot be created.

    Example:

    >>> wait_until_unlocked(Path("trials/0"), log=print)
    """
    make_folder(trial_folder)
    logged = False
    while True:
        try:
            with RunFolder(trial_folder.parent, trial_folder.name).locked():
                return
        except UserError as error:
            if not logged:
                log(f"trial {trial_folder.name} is waiting: {error}")
            logged = True
        time.sleep(poll_seconds)
