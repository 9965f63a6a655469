"""This process's signals, and the environment of the processes that it starts."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)

SignalHandler = Callable[[int, FrameType | None], Any]


class Interrupted(BaseException):
    """A signal asked the process to end.

    It is not an `Exception`, so that `except Exception` does not catch it by accident.

    Args:
        number: the signal.

    Attributes:
        number: the signal, as a `signal.Signals`.

    Example:

    >>> Interrupted(15).number.name
    'SIGTERM'
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = signal.Signals(number)


class SignalHandlers:
    """Sends SIGTERM and SIGINT (Ctrl-C) to a function, between `install` and `restore`.

    Python delivers signals to the main thread only. In other threads, both methods do nothing.

    Args:
        handler: called with the signal's number and the stack frame, as for `signal.signal`.

    Example:

    >>> received = []
    >>> handlers = SignalHandlers(lambda number, frame: received.append(number))
    >>> handlers.install()
    >>> signal.raise_signal(signal.SIGTERM)
    >>> handlers.restore()
    >>> received == [signal.SIGTERM]
    True
    """

    def __init__(self, handler: SignalHandler) -> None:
        self.handler = handler
        self._previous: dict[int, Any] = {}

    def install(self) -> None:
        """Installs the handler.

        If `interrupt_on_signal` was in effect, and a library swallowed its exception, the handler
        is called now, so that the signal is not lost.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        self._previous = {number: signal.signal(number, self.handler) for number in SIGNALS}
        for previous in set(self._previous.values()):
            if isinstance(previous, _RaiseInterrupted) and previous.received is not None:
                self.handler(previous.received, None)

    def restore(self) -> None:
        """Restores the previous handlers. Calling it twice is harmless."""
        previous, self._previous = self._previous, {}
        for number, handler in previous.items():
            signal.signal(number, handler)


class _RaiseInterrupted:
    """A signal handler that raises `Interrupted`, and remembers the signal.

    The exception may get lost: a bare `except:` in a library catches it, too.
    """

    def __init__(self) -> None:
        self.received: int | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        raise Interrupted(number)


@contextlib.contextmanager
def interrupt_on_signal() -> Iterator[None]:
    """Makes SIGTERM and SIGINT raise `Interrupted` within the block.

    Temporary files are then removed while the exception propagates.

    Raises:
        Interrupted: when one of the signals arrives.

    Example:

    >>> try:
    ...     with interrupt_on_signal():
    ...         signal.raise_signal(signal.SIGTERM)
    ... except Interrupted as interruption:
    ...     print(interruption)
    SIGTERM
    """
    handlers = SignalHandlers(_RaiseInterrupted())
    handlers.install()
    try:
        yield
    finally:
        handlers.restore()


def child_environment(**variables: str) -> dict[str, str]:
    """Returns environment variables for a child process that imports this package.

    The package is on the child's `PYTHONPATH`, so `python -m resnet_keras…` works in any folder.

    Args:
        **variables: variables to set or to replace.

    Returns:
        The variables of this process, with these changes.

    Example:

    >>> child_environment(KERAS_BACKEND="jax")["KERAS_BACKEND"]
    'jax'
    """
    root = str(Path(__file__).resolve().parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, **variables, "PYTHONPATH": os.pathsep.join(paths)}
