"""What becomes of SIGTERM and Ctrl-C."""

import contextlib
import os
import signal

import pytest

from resnet_keras.signals import Interrupted, Taken, raised

SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


def send(number):
    os.kill(os.getpid(), number)


@SIGNALS
def test_raised_within_the_block_alone(number):
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as caught, raised():
        send(number)
    assert caught.value.number is number
    assert signal.getsignal(number) is before


@SIGNALS
def test_taken_until_they_are_given_back(number):
    heard = []
    before = signal.getsignal(number)
    taken = Taken(lambda number, frame: heard.append(number))
    taken.take()
    send(number)
    taken.give_back()
    assert heard == [number]
    assert signal.getsignal(number) is before
    taken.give_back()
    assert signal.getsignal(number) is before


@SIGNALS
def test_one_that_a_library_swallowed_is_not_lost(number):
    heard = []
    taken = Taken(lambda number, frame: heard.append(number))
    with raised():
        with contextlib.suppress(BaseException):
            send(number)
        taken.take()
        taken.give_back()
    assert heard == [number]


def test_without_one_nothing_is_heard():
    heard = []
    taken = Taken(lambda number, frame: heard.append(number))
    with raised():
        taken.take()
        taken.give_back()
    assert heard == []
