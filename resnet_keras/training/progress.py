"""The progress of a run: a progress bar in a terminal, plain lines in a log.

The reader of the output may go away (for example, Ctrl-C ends `| tee log` too), and the disk of a
log may become full. Training continues all the same, so that its checkpoint is written.
"""

import contextlib
import shutil
import sys
import time
from typing import TextIO

from resnet_keras.formatting import format_elapsed
from resnet_keras.runs.metrics import Row

_BAR_WIDTH = 16
_SECONDS_BETWEEN_UPDATES = 0.2


class Progress:
    """Prints the progress of a run to a stream.

    Args:
        total: the number of steps of the run.
        stream: the stream; standard error by default, so that standard output contains only
            results.

    Example:

    >>> progress = Progress(total=64_000, stream=sys.stdout)
    >>> progress.line("resuming after step 32000 of 64000")
    resuming after step 32000 of 64000
    """

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self.total = total
        self.stream = stream or sys.stderr
        self.on_terminal = self.stream.isatty()
        self._bar_length = 0
        self._bar_drawn_at = 0.0

    def line(self, text: str) -> None:
        """Prints a line, above the progress bar if there is one."""
        with contextlib.suppress(OSError):
            self._clear_bar()
            print(text, file=self.stream, flush=True)

    def row(self, row: Row) -> None:
        """Prints a row of `metrics.csv` as a line."""
        if row.test_error is not None:
            measured = f"  test error {row.test_error:.2f} %"
        elif row.validation_error is not None:
            measured = f"  validation error {row.validation_error:.2f} %"
        else:
            measured = ""
        self.line(
            f"step {row.step}/{self.total}  rate {row.learning_rate:g}  loss {row.loss:.4f}  "
            f"train error {row.train_error:.2f} %{measured}  "
            f"{row.images_per_second:,.0f} images/s  {format_elapsed(row.seconds)}"
        )

    def bar(
        self, step: int, loss: float, error: float, images_per_second: float, seconds_left: float
    ) -> None:
        """Redraws the progress bar, only in a terminal and at most five times per second.

        Args:
            step: the number of steps that are done.
            loss: the mean loss since the last row.
            error: the training error since the last row in percent.
            images_per_second: the current speed.
            seconds_left: the time to the end at this speed.
        """
        now = time.monotonic()
        is_early = now - self._bar_drawn_at < _SECONDS_BETWEEN_UPDATES and step < self.total
        if not self.on_terminal or is_early:
            return
        self._bar_drawn_at = now
        filled = _BAR_WIDTH * step // self.total
        text = (
            f"[{'=' * filled}{' ' * (_BAR_WIDTH - filled)}] {step}/{self.total}  loss {loss:.3f}  "
            f"error {error:.1f} %  {images_per_second:,.0f} images/s  "
            f"{format_elapsed(seconds_left)} left"
        )
        # A line that wraps could not be overwritten.
        text = text[: shutil.get_terminal_size().columns - 1]
        with contextlib.suppress(OSError):
            self.stream.write("\r" + text.ljust(self._bar_length))
            self.stream.flush()
        self._bar_length = len(text)

    def _clear_bar(self) -> None:
        if self._bar_length:
            self.stream.write("\r" + " " * self._bar_length + "\r")
            self._bar_length = 0
