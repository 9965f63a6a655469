"""The roll call: real connections, no network to train."""

import contextlib
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from resnet_keras.distributed import rendezvous
from resnet_keras.errors import UsageError, UserError
from tests.distributed.meeting import SAYS, call, free_address, meet_all


@pytest.mark.parametrize("count", [2, 4])
def test_all_come_together_and_agree_where_the_coordinator_is(count):
    found = meet_all(count)
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
    monkeypatch.setattr(rendezvous, "PATIENCE", 0.5)
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
