"""Tests of searches in several processes. The tests make the calls of the workers themselves."""

import csv
import threading

import pytest
from keras_tuner.src.distribute import oracle_chief, oracle_client
from keras_tuner.src.engine.trial import Trial

from resnet_keras.errors import UserError
from resnet_keras.recipe import Recipe
from resnet_keras.runs.folder import RunFolder
from resnet_keras.tuning import results, workers
from resnet_keras.tuning.search import SearchConfig, search
from resnet_keras.tuning.space import Range

BASE = Recipe(
    arch="resnet8", dataset="digits", batch_size=16, steps=9, drops=(), validation_size=100, pad=1
)
SPACE = (Range("learning_rate", low=0.01, high=0.1, scale="log"),)


@pytest.fixture
def set_role(monkeypatch):
    def set_environment(name):
        monkeypatch.setenv("KERASTUNER_TUNER_ID", name)
        monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
        monkeypatch.setenv("KERASTUNER_ORACLE_PORT", "1")

    monkeypatch.setattr(results, "draw_search", lambda *args: None)
    return set_environment


def run_search(folder, trials=4, base=BASE, **more):
    config = SearchConfig(base, SPACE, "random", trials, **more)
    return search(config, str(folder), "s", None, log=lambda line: None)


def statuses(folder):
    with open(folder / "s" / "trials.csv", newline="") as file:
        return [row["status"] for row in csv.DictReader(file)]


def sent_over_grpc(trial):
    return Trial.from_proto(trial.to_proto())


def end(oracle, trial, status="COMPLETED"):
    """Makes the calls with which a worker ends a trial."""
    copy = sent_over_grpc(trial)
    if status == "COMPLETED":
        oracle.update_trial(copy.trial_id, {"validation_error": 50.0})
    copy.status = status
    oracle.end_trial(copy)


def test_a_chief_writes_the_results_after_each_trial(tmp_path, monkeypatch, set_role):
    set_role("chief")

    def served(oracle):
        first, second = (oracle.create_trial(f"worker{index}") for index in range(2))
        end(oracle, second)
        assert statuses(tmp_path) == ["running", "done"]
        end(oracle, first, "FAILED")
        assert statuses(tmp_path) == ["failed", "done"]

    monkeypatch.setattr(oracle_chief, "start_server", served)
    assert run_search(tmp_path).best["id"] == "1"


def test_a_chief_stops_its_workers_after_too_many_failures(tmp_path, monkeypatch, set_role):
    set_role("chief")
    trials_given = []

    def served(oracle):
        for _ in range(2):
            end(oracle, oracle.create_trial("worker0"), "FAILED")
        # In another thread, as in a server, so that it would wait for a lock that is still held.
        ask = threading.Thread(
            target=lambda: trials_given.append(oracle.create_trial("worker1")), daemon=True
        )
        ask.start()
        ask.join(20)

    monkeypatch.setattr(oracle_chief, "start_server", served)
    with pytest.raises(UserError, match="2 consecutive trials failed"):
        run_search(tmp_path, failures=2)
    assert [answer.status for answer in trials_given] == ["STOPPED"]
    assert statuses(tmp_path) == ["failed", "failed"]


def test_a_restarted_chief_records_the_end_of_a_trial_once(tmp_path, monkeypatch, set_role):
    set_role("chief")
    held = []

    def killed(oracle):
        held.extend(sent_over_grpc(oracle.create_trial(f"worker{index}")) for index in range(2))
        raise SystemExit

    def served(oracle):
        # worker2 gets a trial that worker0 or worker1 is still running; both end theirs.
        again = oracle.create_trial("worker2")
        for trial in held:
            end(oracle, trial)
        assert again.trial_id in [trial.trial_id for trial in held]
        assert oracle.create_trial("worker0").trial_id == "2"
        end(oracle, again, "FAILED")
        assert sorted(oracle.end_order) == ["0", "1"]
        assert oracle.create_trial("worker2").trial_id == "3"

    monkeypatch.setattr(oracle_chief, "start_server", killed)
    with pytest.raises(SystemExit):
        run_search(tmp_path)
    monkeypatch.setattr(oracle_chief, "start_server", served)
    run_search(tmp_path)
    assert statuses(tmp_path) == ["done", "done", "running", "running"]


def test_a_worker_of_another_search_is_refused_at_once(tmp_path, monkeypatch, set_role):
    set_role("chief")
    monkeypatch.setattr(oracle_chief, "start_server", lambda oracle: None)
    run_search(tmp_path)
    set_role("worker0")
    taken = []

    def given(client, tuner_id):
        taken.append(tuner_id)
        return Trial(None, status="STOPPED")

    monkeypatch.setattr(oracle_client.OracleClient, "get_space", lambda client: None)
    monkeypatch.setattr(oracle_client.OracleClient, "create_trial", given)
    with pytest.raises(UserError, match="validation_size: 200 here, 100 there"):
        run_search(tmp_path, base=Recipe.from_json(BASE.to_json() | {"validation_size": 200}))
    assert not taken
    run_search(tmp_path)
    assert taken == ["worker0"]


def test_a_worker_waits_for_the_one_that_is_still_running_its_trial(tmp_path):
    lines, waited = [], threading.Event()

    def wait():
        workers.wait_until_unlocked(tmp_path / "0", lines.append, poll_seconds=0.01)
        waited.set()

    with RunFolder(tmp_path, "0").locked():
        threading.Thread(target=wait, daemon=True).start()
        assert not waited.wait(0.3)
    assert waited.wait(10)
    assert len(lines) == 1 and "another run" in lines[0]
    workers.wait_until_unlocked(tmp_path / "0", lines.append)
    assert len(lines) == 1
