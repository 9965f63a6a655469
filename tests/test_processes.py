"""Signals, and the environment of child processes."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from resnet_keras.processes import (
    Interrupted,
    SignalHandlers,
    child_environment,
    interrupt_on_signal,
)

SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


def send(number):
    os.kill(os.getpid(), number)


@SIGNALS
def test_signals_raise_within_the_block_only(number):
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as caught, interrupt_on_signal():
        send(number)
    assert caught.value.number is number
    assert signal.getsignal(number) is before


@SIGNALS
def test_handlers_are_installed_until_they_are_restored(number):
    received = []
    before = signal.getsignal(number)
    handlers = SignalHandlers(lambda number, frame: received.append(number))
    handlers.install()
    send(number)
    handlers.restore()
    assert received == [number]
    assert signal.getsignal(number) is before
    handlers.restore()
    assert signal.getsignal(number) is before


@SIGNALS
def test_a_signal_that_a_library_swallowed_is_not_lost(number):
    received = []
    handlers = SignalHandlers(lambda number, frame: received.append(number))
    with interrupt_on_signal():
        with contextlib.suppress(BaseException):
            send(number)
        handlers.install()
        handlers.restore()
    assert received == [number]


def test_without_a_signal_the_handler_is_not_called():
    received = []
    handlers = SignalHandlers(lambda number, frame: received.append(number))
    with interrupt_on_signal():
        handlers.install()
        handlers.restore()
    assert received == []


def test_a_child_process_imports_the_package_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    environment = child_environment(KERAS_BACKEND="jax")
    assert environment["KERAS_BACKEND"] == "jax"
    assert environment["PYTHONPATH"].split(os.pathsep)[-1] == "/somewhere"
    command = [sys.executable, "-c", "import resnet_keras"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=60)
