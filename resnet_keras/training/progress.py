"""What a run says while it goes: a bar on a terminal, plain lines in a log.

Nobody need listen: whoever reads may end before the run (Ctrl-C ends a `| tee log` too), a log's
disk may be full. The run goes on, and its checkpoint is written.
"""

import contextlib
import shutil
import sys
import time

from resnet_keras.runs.metrics import Row

_WIDTH = 16


class Progress:
    """Prints to a stream.

    Args:
        total: steps of the whole run.
        stream: where to; standard error by default, so that results alone go to standard output.
    """

    def __init__(self, total: int, stream=None):
        self.total = total
        self.stream = stream or sys.stderr
        self.on_terminal = self.stream.isatty()
        self._bar_length = 0
        self._shown_at = 0.0

    def line(self, text: str) -> None:
        """Prints a line, above the bar if there is one."""
        with contextlib.suppress(OSError):
            self._clear()
            print(text, file=self.stream, flush=True)

    def row(self, row: Row) -> None:
        """Prints what was measured."""
        test = row.test_error if row.test_error is not None else row.validation_error
        kind = "test" if row.test_error is not None else "validation"
        measured = "" if test is None else f"  {kind} error {test:.2f} %"
        self.line(
            f"step {row.step}/{self.total}  rate {row.learning_rate:g}  loss {row.loss:.4f}  "
            f"train error {row.train_error:.2f} %{measured}  "
            f"{row.images_per_second:,.0f} images/s  {clock(row.seconds)}"
        )

    def bar(self, step: int, loss: float, error: float, images_per_second: float, left: float):
        """Redraws the bar, on a terminal and at most five times a second.

        Args:
            step: steps done.
            loss: mean since the last row.
            error: percent, likewise.
            images_per_second: of late.
            left: seconds to the end at that pace.
        """
        now = time.monotonic()
        if not self.on_terminal or (now - self._shown_at < 0.2 and step < self.total):
            return
        self._shown_at = now
        done = _WIDTH * step // self.total
        text = (
            f"[{'=' * done}{' ' * (_WIDTH - done)}] {step}/{self.total}  loss {loss:.3f}  "
            f"error {error:.1f} %  {images_per_second:,.0f} images/s  {clock(left)} left"
        )
        # A line that wraps cannot be drawn over.
        text = text[: shutil.get_terminal_size().columns - 1]
        with contextlib.suppress(OSError):
            self.stream.write("\r" + text.ljust(self._bar_length))
            self.stream.flush()
        self._bar_length = len(text)

    def _clear(self):
        if self._bar_length:
            self.stream.write("\r" + " " * self._bar_length + "\r")
            self._bar_length = 0


def clock(seconds: float) -> str:
    """Returns a duration as people write it: `42 s`, `12:05 min`, `3:07 h`."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes}:{seconds:02d} min"
    return f"{minutes // 60}:{minutes % 60:02d} h"
