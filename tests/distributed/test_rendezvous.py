"""How processes meet, over real connections; no network is trained."""

import contextlib
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from resnet_keras.distributed import rendezvous
from resnet_keras.errors import UsageError, UserError
from tests.distributed.local_processes import SETTINGS, free_address, meet_all, meet_as


@pytest.mark.parametrize("count", [2, 4])
def test_all_processes_meet_and_agree_on_the_address_of_jax(count):
    heartbeats = meet_all(count)
    assert [heartbeat.index for heartbeat in heartbeats] == list(range(count))
    assert {heartbeat.count for heartbeat in heartbeats} == {count}
    assert len({heartbeat.jax_address for heartbeat in heartbeats}) == 1
    assert heartbeats[0].jax_address.startswith("127.0.0.1:")


def test_a_single_process_waits_for_no_others():
    assert meet_as(free_address(), 0, 1).count == 1


def test_process_0_names_the_missing_processes():
    lines, address = [], free_address()
    with ThreadPoolExecutor(2) as pool:
        primary = pool.submit(meet_as, address, 0, 4, timeout=3.0, report=lines.append)
        worker = pool.submit(meet_as, address, 2, 4, timeout=3.0)
        with pytest.raises(UserError, match="processes 1, 3 of 4 did not connect to port"):
            primary.result()
        with pytest.raises(UserError, match="processes 1, 3 of 4 did not connect in time"):
            worker.result()
    assert any("waiting for processes 1, 3 at 127.0.0.1" in line for line in lines)


def test_a_worker_reports_that_process_0_is_missing():
    lines = []
    with pytest.raises(UserError, match=r"process 0 of 2 did not answer at 127\.0\.0\.1"):
        meet_as(free_address(), 1, timeout=1.5, report=lines.append)
    assert lines and "waiting for process 0 at 127.0.0.1" in lines[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"settings": {**SETTINGS, "--seed": "1"}},
            "rejected this process: --seed is 0 in process 0 but 1 in this process",
        ),
        ({"count": 3}, "process 0 expects 2 processes, this process 3"),
    ],
)
def test_a_process_with_other_settings_is_rejected_and_may_connect_again(changes, message):
    address = free_address()
    with ThreadPoolExecutor(2) as pool:
        primary = pool.submit(meet_as, address, 0)
        with pytest.raises(UserError, match=message):
            meet_as(address, 1, **changes)
        assert meet_as(address, 1).index == 1
        assert primary.result().count == 2


def test_a_second_process_with_the_same_number_is_rejected():
    address = free_address()
    with ThreadPoolExecutor(3) as pool:
        primary = pool.submit(meet_as, address, 0, 3)
        first = pool.submit(meet_as, address, 1, 3)
        time.sleep(0.7)
        with pytest.raises(UserError, match="process 1 of 3 is already connected"):
            meet_as(address, 1, 3)
        pool.submit(meet_as, address, 2, 3)
        assert primary.result().count == 3 and first.result().index == 1


def test_a_process_that_left_while_others_were_missing_may_connect_again():
    address = free_address()
    with ThreadPoolExecutor(3) as pool:
        primary = pool.submit(meet_as, address, 0, 3)
        host, port = address.split(":")
        while True:
            with contextlib.suppress(OSError):
                leaving = socket.create_connection((host, int(port)))
                break
        leaving.sendall(json.dumps({"hello": 1, "of": 3, "says": SETTINGS}).encode() + b"\n")
        time.sleep(1.0)
        leaving.close()
        time.sleep(1.0)
        workers = [pool.submit(meet_as, address, index, 3) for index in (1, 2)]
        assert primary.result().count == 3
        assert [worker.result().index for worker in workers] == [1, 2]


def test_connections_of_other_programs_are_ignored(monkeypatch):
    monkeypatch.setattr(rendezvous, "MESSAGE_TIMEOUT", 0.5)
    address = free_address()
    with ThreadPoolExecutor(2) as pool:
        primary = pool.submit(meet_as, address, 0)
        host, port = address.split(":")
        time.sleep(0.2)
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"[1, 2]\n", b'{"hello": "x"}\n', b""):
            with socket.create_connection((host, int(port))) as other:
                other.sendall(data)
        assert meet_as(address, 1).index == 1
        assert primary.result().count == 2


@pytest.mark.parametrize("address", ["here", "here:", ":5700", "here:0", "here:70000", "here:x"])
def test_an_address_must_be_host_and_port(address):
    with pytest.raises(UsageError, match="--coordinator must be the HOST:PORT"):
        meet_as(address, 0)


@pytest.mark.parametrize("index", [-1, 2])
def test_a_process_number_must_be_below_the_count(index):
    with pytest.raises(UsageError, match=f"from 0 to 1 .* Received: {index}"):
        meet_as(free_address(), index)


def test_a_port_in_use_is_reported():
    server = socket.create_server(("", 0))
    with server, pytest.raises(UserError, match="process 0 cannot listen on port"):
        meet_as(f"127.0.0.1:{server.getsockname()[1]}", 0)
