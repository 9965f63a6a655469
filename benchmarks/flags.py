"""What a benchmark's flags may be, and how a wrong one is told."""

import argparse
import math
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from resnet_keras.errors import UserError


def above_zero(text: str) -> float:
    """Reads a finite number above 0, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"a number above 0 is needed, not {text!r}")
    return value


def out_folder(given: Path | None, usual: Path, quick: bool) -> Path:
    """Returns where results go: what `--quick` finds out is none, and never replaces any."""
    if given is None and quick:
        return Path(tempfile.mkdtemp(prefix="benchmarks-quick-"))
    return usual if given is None else given


def run(main: Callable[[], int]) -> int:
    """Calls a command; a user's mistake is one line and the exit status 2."""
    try:
        return main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
