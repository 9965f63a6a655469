"""Counts how often the process of a trial was killed.

Linux handles a lack of memory by killing the process. No code can then record that the trial
failed, and the same command would start it again, to be killed again.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from resnet_keras.errors import UserError
from resnet_keras.files import read_json, write_json
from resnet_keras.runs.folder import RunFolder
from resnet_keras.training import checkpoint

RECORD = "starts.json"
# A process can be killed for many reasons, but twice at the same step is rarely a coincidence.
MAX_ATTEMPTS = 2


class KilledTooOften(UserError):
    """The process of a trial was killed several times without making progress."""


@contextlib.contextmanager
def counted_attempt(trial_folder: Path) -> Iterator[None]:
    """Counts the block as an attempt at a trial if the process is killed within it.

    Args:
        trial_folder: the folder of the trial; it has to exist.

    Raises:
        KilledTooOften: if the process was killed twice since the newest checkpoint.
        UserError: if the record cannot be read or written.

    Example:

    >>> folder = Path("trial")
    >>> folder.mkdir()
    >>> with counted_attempt(folder):
    ...     print((folder / "starts.json").exists())
    True
    >>> (folder / "starts.json").exists()
    False
    """
    path = trial_folder / RECORD
    checkpoints = checkpoint.paths(RunFolder(trial_folder.parent, trial_folder.name).checkpoints)
    newest = checkpoints[-1].name if checkpoints else None
    record = read_json(path) if path.exists() else {}
    attempts = record.get("starts", 0) if record.get("checkpoint") == newest else 0
    if attempts >= MAX_ATTEMPTS:
        since = f"since the checkpoint {newest}" if newest else "before its first checkpoint"
        raise KilledTooOften(
            f"the process was killed {attempts} times {since}, perhaps because there is not enough "
            "memory"
        )
    write_json(path, {"starts": attempts + 1, "checkpoint": newest})
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
