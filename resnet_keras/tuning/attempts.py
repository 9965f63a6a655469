"""How often a trial was begun in vain: Linux answers a lack of memory by killing the process.

Nobody is left then to record that the trial failed, and the same command would begin it again, to
be killed again.
"""

import contextlib
from pathlib import Path

from resnet_keras.errors import UserError
from resnet_keras.files import read_json, write_json
from resnet_keras.runs.folder import RunFolder
from resnet_keras.training import checkpoint

RECORD = "starts.json"
# A process can be killed for many reasons; twice at the same place seldom is chance.
MOST = 2


class KilledBefore(UserError):
    """The process of this trial was killed too often without getting further."""


@contextlib.contextmanager
def counted(folder: Path):
    """Notes that a trial begins, and that it ended, however that was, unless by a kill.

    Args:
        folder: the trial's; it exists.

    Raises:
        KilledBefore: if it was begun twice from its newest checkpoint, and killed each time.
        UserError: if the note cannot be read or written.
    """
    path = folder / RECORD
    kept = checkpoint.paths(RunFolder(folder.parent, folder.name).checkpoints)
    newest = kept[-1].name if kept else None
    before = read_json(path) if path.exists() else {}
    starts = before.get("starts", 0) if before.get("checkpoint") == newest else 0
    if starts >= MOST:
        since = f"since the checkpoint {newest}" if kept else "before its first checkpoint"
        raise KilledBefore(
            f"the process was killed {starts} times {since}: too little memory, perhaps"
        )
    write_json(path, {"starts": starts + 1, "checkpoint": newest})
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
