"""SIGTERM and Ctrl-C: who gets them, and what they become."""

import contextlib
import signal
import threading

HANDLED = (signal.SIGTERM, signal.SIGINT)


class Interrupted(BaseException):
    """A signal asked the process to end. No `Exception`: nothing may catch it by the way.

    Attributes:
        number: the signal.
    """

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = signal.Signals(number)


class Taken:
    """The handled signals, sent to one function from `take` to `give_back`.

    Python delivers signals to the main thread alone; in another one this does nothing.

    Args:
        handler: as for `signal.signal`.
    """

    def __init__(self, handler):
        self.handler = handler
        self._before = {}

    def take(self) -> None:
        """Takes them over, and one that came while they were `raised` and that ended nothing."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self.handler) for number in HANDLED}
            for before in set(self._before.values()):
                if isinstance(before, _Raise) and before.heard is not None:
                    self.handler(before.heard, None)

    def give_back(self) -> None:
        """Hands them to whoever had them before. Doing it twice does no harm."""
        before, self._before = self._before, {}
        for number, handler in before.items():
            signal.signal(number, handler)


class _Raise:
    """Raises `Interrupted`, and remembers it: a library's bare `except:` swallows that, too."""

    def __init__(self):
        self.heard = None

    def __call__(self, number, frame):
        self.heard = number
        raise Interrupted(number)


@contextlib.contextmanager
def raised():
    """Within the block the signals raise `Interrupted`, so that files are tidied up on the way."""
    taken = Taken(_Raise())
    taken.take()
    try:
        yield
    finally:
        taken.give_back()
