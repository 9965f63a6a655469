"""What the benchmarks' command lines have in common: options, types of flags, and errors."""

import argparse
import math
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine
from resnet_keras.errors import UserError


@dataclass(frozen=True)
class Options:
    """How to measure.

    Attributes:
        rounds: the number of turns of each contestant.
        steps: the number of steps per turn; `None` leaves it to the suite.
        out: the folder for the results.
        precision: `"auto"`, `"float32"`, `"mixed_bfloat16"` or `"both"`; see `precisions`.
        quick: measure little and at a small size, to check that it works.
    """

    rounds: int = 7
    steps: int | None = None
    out: Path = Path("results/benchmarks")
    precision: str = "auto"
    quick: bool = False

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions to measure. `"auto"` includes bfloat16 if the processor has it."""
        if self.precision == "both" or (self.precision == "auto" and machine.has_bfloat16()):
            return ("float32", "mixed_bfloat16")
        return ("float32",) if self.precision == "auto" else (self.precision,)


def positive_number(text: str) -> float:
    """Parses a positive, finite number, for argparse.

    Raises:
        argparse.ArgumentTypeError: if the text is not one.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a positive number. Received: {text!r}")
    return value


def output_folder(given: Path | None, default: Path, quick: bool) -> Path:
    """Returns the folder for results.

    With `--quick`, the default is a new temporary folder, because what `--quick` measures is not a
    result and must not overwrite one.

    Args:
        given: the folder on the command line, if any.
        default: the folder without `--quick`.
        quick: whether `--quick` is given.
    """
    if given is None and quick:
        return Path(tempfile.mkdtemp(prefix="benchmarks-quick-"))
    return default if given is None else given


def run_command(main: Callable[[], int]) -> int:
    """Runs a command and reports a user's mistake in one line.

    Args:
        main: the command; returns its exit status.

    Returns:
        The exit status; 2 if the command raised a `UserError`.
    """
    try:
        return main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
