"""The progress of a run in a terminal and in a log."""

import io

import pytest

from resnet_keras.training.progress import Progress


class Stream(io.StringIO):
    """Replaces a terminal or a log. Writing to it raises `error`, if given."""

    def __init__(self, on_terminal=False, error=None):
        super().__init__()
        self.on_terminal, self.error = on_terminal, error

    def isatty(self):
        return self.on_terminal

    def write(self, text):
        if self.error:
            raise self.error
        return super().write(text)


def test_lines_are_printed_above_the_bar():
    stream = Stream(on_terminal=True)
    progress = Progress(100, stream)
    progress.bar(10, 2.3, 90.0, 500.0, 60.0)
    progress.line("a line")
    assert "10/100" in stream.getvalue()
    assert stream.getvalue().endswith("\ra line\n")


def test_there_is_no_bar_in_a_log():
    stream = Stream()
    Progress(100, stream).bar(10, 2.3, 90.0, 500.0, 60.0)
    assert stream.getvalue() == ""


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space")])
def test_errors_of_the_stream_are_ignored(error):
    progress = Progress(100, Stream(on_terminal=True, error=error))
    progress.bar(10, 2.3, 90.0, 500.0, 60.0)
    progress.line("a line")
