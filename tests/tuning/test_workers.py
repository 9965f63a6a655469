"""A search on several machines: the chief alone here, its workers' calls made by the test."""

import csv
import threading

import pytest
from keras_tuner.src.distribute import oracle_chief, oracle_client
from keras_tuner.src.engine.trial import Trial

from resnet_keras.errors import UserError
from resnet_keras.recipe import Recipe
from resnet_keras.runs.folder import RunFolder
from resnet_keras.tuning import results, workers
from resnet_keras.tuning.search import Plan, search
from resnet_keras.tuning.space import Range

BASE = Recipe(
    arch="resnet8", dataset="digits", batch_size=16, steps=9, drops=(), validation_size=100, pad=1
)
SPACE = (Range("learning_rate", low=0.01, high=0.1, scale="log"),)


@pytest.fixture
def be(monkeypatch):
    def called(name):
        monkeypatch.setenv("KERASTUNER_TUNER_ID", name)
        monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
        monkeypatch.setenv("KERASTUNER_ORACLE_PORT", "1")

    monkeypatch.setattr(results, "draw_search", lambda *args: None)
    return called


def go(folder, trials=4, base=BASE, **more):
    said = []
    return search(Plan(base, SPACE, "random", trials, **more), str(folder), "s", None, said.append)


def statuses(folder):
    with open(folder / "s" / "trials.csv", newline="") as file:
        return [row["status"] for row in csv.DictReader(file)]


def over_the_wire(trial):
    return Trial.from_proto(trial.to_proto())


def end(oracle, trial, status="COMPLETED"):
    """What a worker's calls come to."""
    copy = over_the_wire(trial)
    if status == "COMPLETED":
        oracle.update_trial(copy.trial_id, {"validation_error": 50.0})
    copy.status = status
    oracle.end_trial(copy)


def test_a_chief_publishes_at_every_end_of_a_trial(tmp_path, monkeypatch, be):
    be("chief")

    def served(oracle):
        first, second = (oracle.create_trial(f"worker{index}") for index in range(2))
        end(oracle, second)
        assert statuses(tmp_path) == ["running", "done"]
        end(oracle, first, "FAILED")
        assert statuses(tmp_path) == ["failed", "done"]

    monkeypatch.setattr(oracle_chief, "start_server", served)
    assert go(tmp_path).best["id"] == "1"


def test_too_many_failures_stop_a_chiefs_workers_and_it_says_so(tmp_path, monkeypatch, be):
    be("chief")
    answers = []

    def served(oracle):
        for _ in range(2):
            end(oracle, oracle.create_trial("worker0"), "FAILED")
        # Another thread, as each call may be one: a lock that is kept would keep it waiting.
        ask = threading.Thread(
            target=lambda: answers.append(oracle.create_trial("worker1")), daemon=True
        )
        ask.start()
        ask.join(20)

    monkeypatch.setattr(oracle_chief, "start_server", served)
    with pytest.raises(UserError, match="2 trials in a row failed"):
        go(tmp_path, failures=2)
    assert [answer.status for answer in answers] == ["STOPPED"]
    assert statuses(tmp_path) == ["failed", "failed"]


def test_a_chief_started_again_takes_the_end_of_a_trial_once(tmp_path, monkeypatch, be):
    be("chief")
    held = []

    def killed(oracle):
        held.extend(over_the_wire(oracle.create_trial(f"worker{index}")) for index in range(2))
        raise SystemExit

    def served(oracle):
        # worker2 is given what worker0 or worker1 still runs; both of these end theirs.
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
        go(tmp_path)
    monkeypatch.setattr(oracle_chief, "start_server", served)
    go(tmp_path)
    assert statuses(tmp_path) == ["done", "done", "running", "running"]


def test_a_worker_of_another_search_is_refused_before_it_takes_a_trial(tmp_path, monkeypatch, be):
    be("chief")
    monkeypatch.setattr(oracle_chief, "start_server", lambda oracle: None)
    go(tmp_path)
    be("worker0")
    taken = []

    def given(client, tuner_id):
        taken.append(tuner_id)
        return Trial(None, status="STOPPED")

    monkeypatch.setattr(oracle_client.OracleClient, "get_space", lambda client: None)
    monkeypatch.setattr(oracle_client.OracleClient, "create_trial", given)
    with pytest.raises(UserError, match="validation_size: 200 here, 100 there"):
        go(tmp_path, base=Recipe.from_json(BASE.to_json() | {"validation_size": 200}))
    assert not taken
    go(tmp_path)
    assert taken == ["worker0"]


def test_a_worker_waits_for_the_one_that_still_has_its_trial(tmp_path):
    said, waited = [], threading.Event()

    def wait():
        workers.wait_for(tmp_path / "0", said.append, every=0.01)
        waited.set()

    with RunFolder(tmp_path, "0").locked():
        threading.Thread(target=wait, daemon=True).start()
        assert not waited.wait(0.3)
    assert waited.wait(10)
    assert len(said) == 1 and "another run" in said[0]
    workers.wait_for(tmp_path / "0", said.append)
    assert len(said) == 1
