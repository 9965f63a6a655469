"""Word of a loss: real connections, no network to train."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from resnet_keras.distributed import heartbeat as lines
from tests.distributed.meeting import call, free_address, meet_all

ROOT = Path(__file__).resolve().parents[2]


def watched(found):
    """Watches every line; returns the lists that losses are put into, and an event a line."""
    losses, events = [[] for _ in found], [threading.Event() for _ in found]
    for line, loss, event in zip(found, losses, events, strict=True):
        line.watch(lambda why, loss=loss, event=event: (loss.append(why), event.set()))
    return losses, events


def test_who_gives_up_tells_all_the_others_why():
    found = meet_all(3)
    losses, events = watched(found)
    found[2].fail("no space left on device")
    assert events[0].wait(10) and events[1].wait(10)
    expected = ["process 2 of 3 gave up: no space left on device"]
    assert losses == [expected, expected, []]


# Another process, which can die and hang as threads cannot.
MEMBER = """
import sys, time
from resnet_keras.distributed.rendezvous import call_roll
line = call_roll(sys.argv[1], int(sys.argv[2]), 3, {"--seed": "0", "keras": "3"}, 20, print)
line.watch(print)
time.sleep(60)
"""


@contextlib.contextmanager
def two_and_another_process():
    address = free_address()
    command = [sys.executable, "-c", MEMBER, address, "2"]
    other = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        with ThreadPoolExecutor(2) as pool:
            yield list(pool.map(lambda index: call(address, index, 3), range(2))), other
    finally:
        other.kill()
        other.wait()


def test_one_that_dies_is_named_to_all_at_once():
    with two_and_another_process() as (found, other):
        losses, events = watched(found)
        other.kill()
        assert events[0].wait(5) and events[1].wait(5)
    for (why,) in losses:
        assert why.startswith(
            "process 2 of 3 has died, or its machine is gone: its connection broke off. The run"
        )


def test_one_that_hangs_is_named_after_a_while(monkeypatch):
    monkeypatch.setattr(lines, "LOST_SECONDS", 3.0)
    with two_and_another_process() as (found, other):
        losses, events = watched(found)
        time.sleep(4)
        assert losses == [[], []]  # signs of life come without being asked for
        os.kill(other.pid, 19)
        assert events[0].wait(10) and events[1].wait(10)
    for (why,) in losses:
        assert why.startswith("process 2 of 3 has not been heard of for 3 seconds. The run")


def leave(line):
    ended = line.wait_for_end()
    line.close()
    return ended


def test_one_that_is_through_is_not_missed():
    found = meet_all(3)
    losses, _ = watched(found)
    assert not found[0].others_are_through
    for line in found[1:]:
        line.through()
    time.sleep(1)
    assert found[0].others_are_through
    found[1].fail("SIGTERM")
    time.sleep(1)
    assert losses == [[], [], []]
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(leave, found[2])
        found[0].end(stopped_by=15)
        assert other.result(10) == {"stopped_by": 15}


def test_the_end_is_told_and_nobody_is_missed_then():
    found = meet_all(3)
    losses, _ = watched(found)
    with ThreadPoolExecutor(2) as pool:
        others = [pool.submit(leave, line) for line in found[1:]]
        found[0].end(test_error=8.75)
        assert [other.result(10) for other in others] == [{"test_error": 8.75}] * 2
    time.sleep(1)
    assert losses == [[], [], []]
