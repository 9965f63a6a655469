"""Other processes of this program."""

import os
from pathlib import Path


def environment(**more: str) -> dict[str, str]:
    """Returns the environment of a process that runs this very program, wherever it lies.

    Args:
        **more: variables put over this process's own.
    """
    here = str(Path(__file__).resolve().parents[1])
    paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, **more, "PYTHONPATH": os.pathsep.join(paths)}
