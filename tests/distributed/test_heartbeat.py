"""Reports about lost processes, over real connections; no network is trained."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from resnet_keras.distributed import heartbeat as heartbeat_module
from tests.distributed.local_processes import free_address, meet_all, meet_as

ROOT = Path(__file__).resolve().parents[2]


def watch_all(heartbeats):
    """Watches all heartbeats; returns a list of failures and an event for each of them."""
    failures, events = [[] for _ in heartbeats], [threading.Event() for _ in heartbeats]
    for heartbeat, failed, event in zip(heartbeats, failures, events, strict=True):
        heartbeat.watch(
            lambda reason, failed=failed, event=event: (failed.append(reason), event.set())
        )
    return failures, events


def test_a_failure_is_reported_to_all_others_with_its_reason():
    heartbeats = meet_all(3)
    failures, events = watch_all(heartbeats)
    heartbeats[2].fail("no space left on device")
    assert events[0].wait(10) and events[1].wait(10)
    expected = ["process 2 of 3 failed: no space left on device"]
    assert failures == [expected, expected, []]


# A real process, because threads cannot die or hang.
WORKER = """
import sys, time
from resnet_keras.distributed.rendezvous import meet
heartbeat = meet(sys.argv[1], int(sys.argv[2]), 3, {"--seed": "0", "keras": "3"}, 20, print)
heartbeat.watch(print)
time.sleep(60)
"""


@contextlib.contextmanager
def two_threads_and_a_process():
    address = free_address()
    command = [sys.executable, "-c", WORKER, address, "2"]
    worker = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        with ThreadPoolExecutor(2) as pool:
            yield list(pool.map(lambda index: meet_as(address, index, 3), range(2))), worker
    finally:
        worker.kill()
        worker.wait()


def test_a_process_that_dies_is_reported_at_once():
    with two_threads_and_a_process() as (heartbeats, worker):
        failures, events = watch_all(heartbeats)
        worker.kill()
        assert events[0].wait(5) and events[1].wait(5)
    for (reason,) in failures:
        assert reason.startswith(
            "process 2 of 3 died or became unreachable: its connection closed. The run has ended"
        )


def test_a_process_that_hangs_is_reported_after_the_timeout(monkeypatch):
    monkeypatch.setattr(heartbeat_module, "TIMEOUT", 3.0)
    with two_threads_and_a_process() as (heartbeats, worker):
        failures, events = watch_all(heartbeats)
        time.sleep(4)
        assert failures == [[], []]  # heartbeats arrive without being requested
        os.kill(worker.pid, signal.SIGSTOP)
        assert events[0].wait(10) and events[1].wait(10)
    for (reason,) in failures:
        assert reason.startswith("process 2 of 3 has sent nothing for 3 seconds. The run has ended")


def wait_and_close(heartbeat):
    results = heartbeat.wait_for_end()
    heartbeat.close()
    return results


def test_losing_a_process_that_has_finished_is_not_a_failure():
    heartbeats = meet_all(3)
    failures, _ = watch_all(heartbeats)
    assert not heartbeats[0].others_finished
    for heartbeat in heartbeats[1:]:
        heartbeat.finish()
    time.sleep(1)
    assert heartbeats[0].others_finished
    heartbeats[1].fail("SIGTERM")
    time.sleep(1)
    assert failures == [[], [], []]
    with ThreadPoolExecutor(1) as pool:
        worker = pool.submit(wait_and_close, heartbeats[2])
        heartbeats[0].end(stopped_by=15)
        assert worker.result(10) == {"stopped_by": 15}


def test_the_end_carries_the_results_and_closing_is_not_a_failure_then():
    heartbeats = meet_all(3)
    failures, _ = watch_all(heartbeats)
    with ThreadPoolExecutor(2) as pool:
        workers = [pool.submit(wait_and_close, heartbeat) for heartbeat in heartbeats[1:]]
        heartbeats[0].end(test_error=8.75)
        assert [worker.result(10) for worker in workers] == [{"test_error": 8.75}] * 2
    time.sleep(1)
    assert failures == [[], [], []]
