"""The roll call, and word of a loss: real connections, no network to train."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from resnet_keras.errors import UsageError, UserError
from resnet_keras.training import line as lines
from resnet_keras.training.line import call_roll

SAYS = {"--seed": "0", "keras": "3"}
ROOT = Path(__file__).resolve().parents[2]


def free_address():
    with socket.create_server(("", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"


def call(address, index, count=2, says=SAYS, wait=20.0, report=lambda line: None):
    return call_roll(address, index, count, says, wait, report)


def meet(count=2):
    """Returns the lines of all processes, threads standing in for them."""
    address = free_address()
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda index: call(address, index, count), range(count)))


@pytest.mark.parametrize("count", [2, 4])
def test_all_come_together_and_agree_where_the_coordinator_is(count):
    found = meet(count)
    assert [line.index for line in found] == list(range(count))
    assert {line.count for line in found} == {count}
    assert len({line.coordinator for line in found}) == 1
    assert found[0].coordinator.startswith("127.0.0.1:")


def test_of_one_alone_nobody_is_waited_for():
    assert call(free_address(), 0, 1).count == 1


def test_process_0_names_who_is_missing():
    said, address = [], free_address()
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(call, address, 0, 4, wait=3.0, report=said.append)
        member = pool.submit(call, address, 2, 4, wait=3.0)
        with pytest.raises(UserError, match="processes 1, 3 of 4 did not come"):
            leader.result()
        with pytest.raises(UserError, match="processes 1, 3 of 4 did not come in time"):
            member.result()
    assert any("waiting for processes 1, 3 at 127.0.0.1" in line for line in said)


def test_a_process_says_that_process_0_is_missing():
    said = []
    with pytest.raises(UserError, match=r"process 0 of 2 did not answer at 127\.0\.0\.1"):
        call(free_address(), 1, wait=1.5, report=said.append)
    assert said and "waiting for process 0 at 127.0.0.1" in said[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"says": {**SAYS, "--seed": "1"}}, "--seed is 0 at process 0 and 1 here"),
        ({"count": 3}, "process 0 was told of 2 processes, this one of 3"),
    ],
)
def test_one_that_does_not_fit_is_refused_and_the_others_wait_on(changes, message):
    address = free_address()
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(call, address, 0)
        with pytest.raises(UserError, match=message):
            call(address, 1, **changes)
        assert call(address, 1).index == 1
        assert leader.result().count == 2


def test_a_second_one_of_the_same_number_is_refused():
    address = free_address()
    with ThreadPoolExecutor(3) as pool:
        leader = pool.submit(call, address, 0, 3)
        first = pool.submit(call, address, 1, 3)
        time.sleep(0.7)
        with pytest.raises(UserError, match="there is a process 1 of 3 already"):
            call(address, 1, 3)
        pool.submit(call, address, 2, 3)
        assert leader.result().count == 3 and first.result().index == 1


def test_one_that_went_away_while_the_others_were_waited_for_may_come_again():
    address = free_address()
    with ThreadPoolExecutor(3) as pool:
        leader = pool.submit(call, address, 0, 3)
        host, port = address.split(":")
        while True:
            with contextlib.suppress(OSError):
                gone = socket.create_connection((host, int(port)))
                break
        gone.sendall(json.dumps({"hello": 1, "of": 3, "says": SAYS}).encode() + b"\n")
        time.sleep(1.0)
        gone.close()
        time.sleep(1.0)
        others = [pool.submit(call, address, index, 3) for index in (1, 2)]
        assert leader.result().count == 3
        assert [other.result().index for other in others] == [1, 2]


def test_strangers_are_not_listened_to(monkeypatch):
    monkeypatch.setattr(lines, "_PATIENCE", 0.5)
    address = free_address()
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(call, address, 0)
        host, port = address.split(":")
        time.sleep(0.2)
        for words in (b"GET / HTTP/1.1\r\n\r\n", b"[1, 2]\n", b'{"hello": "x"}\n', b""):
            with socket.create_connection((host, int(port))) as stranger:
                stranger.sendall(words)
        assert call(address, 1).index == 1
        assert leader.result().count == 2


@pytest.mark.parametrize("address", ["here", "here:", ":5700", "here:0", "here:70000", "here:x"])
def test_an_address_is_host_and_port(address):
    with pytest.raises(UsageError, match="--coordinator is HOST:PORT"):
        call(address, 0)


@pytest.mark.parametrize("index", [-1, 2])
def test_a_number_is_below_the_count(index):
    with pytest.raises(UsageError, match=f"from 0 to 1 .* Received: {index}"):
        call(free_address(), index)


def test_a_port_in_use_is_said():
    taken = socket.create_server(("", 0))
    with taken, pytest.raises(UserError, match="process 0 cannot listen at port"):
        call(f"127.0.0.1:{taken.getsockname()[1]}", 0)


def watched(found):
    """Watches every line; returns the lists that losses are put into, and an event a line."""
    losses, events = [[] for _ in found], [threading.Event() for _ in found]
    for line, loss, event in zip(found, losses, events, strict=True):
        line.watch(lambda why, loss=loss, event=event: (loss.append(why), event.set()))
    return losses, events


def test_who_gives_up_tells_all_the_others_why():
    found = meet(3)
    losses, events = watched(found)
    found[2].fail("no space left on device")
    assert events[0].wait(10) and events[1].wait(10)
    expected = ["process 2 of 3 gave up: no space left on device"]
    assert losses == [expected, expected, []]


# Another process, which can die and hang as threads cannot.
MEMBER = """
import sys, time
from resnet_keras.training.line import call_roll
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
    found = meet(3)
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
    found = meet(3)
    losses, _ = watched(found)
    with ThreadPoolExecutor(2) as pool:
        others = [pool.submit(leave, line) for line in found[1:]]
        found[0].end(test_error=8.75)
        assert [other.result(10) for other in others] == [{"test_error": 8.75}] * 2
    time.sleep(1)
    assert losses == [[], [], []]
