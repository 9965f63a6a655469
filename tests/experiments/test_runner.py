"""Tests of `experiments.runner`. Small scripts stand in for the trainings."""

import json
import os
import signal
import sys
import threading
import time

import pytest

from resnet_keras.experiments import runner
from resnet_keras.experiments.catalogue import get_experiment
from resnet_keras.experiments.plan import plan, state
from resnet_keras.experiments.runner import ExperimentOptions, launch
from tests.made_up_runs import make_run

# Stands in for `train`. argv[1] is the run folder, argv[2] says what happens.
STAND_IN = """
import pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1]); folder.mkdir(exist_ok=True)
action = sys.argv[2]
def stop(number, frame):
    (folder / "checkpoint").write_text(str(number)); sys.exit(128 + number)
signal.signal(signal.SIGTERM, stop); signal.signal(signal.SIGINT, stop)
(folder / "started").write_text("")
if action == "fail":
    print("a first line"); print("train: the disk is full", file=sys.stderr); sys.exit(1)
while action == "wait for all" and len(list(folder.parent.glob("*/started"))) < 3:
    time.sleep(0.01)
if action == "wait":
    time.sleep(60)
(folder / "result.json").write_text("{}")
print("test error: 9.00 %")
"""


@pytest.fixture
def planned():
    return plan(get_experiment("options"), scale=0.01)


@pytest.fixture
def stand_in(monkeypatch):
    """Replaces `train`. A run succeeds unless the returned dict names another action for it."""
    actions = {}

    def command(run, options):
        folder = str(options.runs_dir / run.name)
        return [sys.executable, "-c", STAND_IN, folder, actions.get(run.name, "succeed")]

    monkeypatch.setattr(runner, "command", command)
    return actions


def test_a_run_is_started_by_a_train_command(tmp_path, planned):
    words = runner.command(planned[0], ExperimentOptions(tmp_path, "data"))
    assert words[1:4] == ["-m", "resnet_keras", "train"]
    assert words[words.index("--name") + 1] == "resnet20-A-seed0-x0.01"
    assert words[words.index("--export-dir") + 1] == str(tmp_path / "exports")
    assert words[words.index("--data-dir") + 1] == "data"


def test_every_run_is_trained_once(tmp_path, planned, stand_in):
    lines = []
    result = launch(planned, ExperimentOptions(tmp_path), log=lines.append)
    assert result.done == [run.name for run in planned]
    assert not result.failed
    assert any("test error: 9.00 %" in line for line in lines)
    recipe = json.loads((tmp_path / f"{planned[1].name}.recipe.json").read_text())
    assert recipe == planned[1].recipe.to_json()
    assert state(planned[0], tmp_path) == "done"
    (tmp_path / planned[0].name / "started").unlink()
    assert launch(planned, ExperimentOptions(tmp_path), log=lines.append).done == result.done
    assert not (tmp_path / planned[0].name / "started").exists()


def test_a_run_with_another_recipe_does_not_count_as_complete(tmp_path, stand_in):
    (run,) = plan(get_experiment("options"), only=("resnet20-A",))
    # `train.py --steps 400` leaves its run under the name of the full run.
    make_run(tmp_path, name=run.name, scale=400 / 64_000)
    launch([run], ExperimentOptions(tmp_path), log=print)
    assert (tmp_path / run.name / "started").exists()


def test_a_complete_run_is_not_started_again(tmp_path, planned, stand_in):
    make_run(tmp_path, scale=0.01, augmentation="pad", precision="float32")
    assert launch(planned[:1], ExperimentOptions(tmp_path), log=print).done == [planned[0].name]
    assert not (tmp_path / planned[0].name / "started").exists()


def test_a_failure_is_reported_and_the_other_runs_continue(tmp_path, planned, stand_in):
    stand_in[planned[0].name] = "fail"
    lines = []
    result = launch(planned, ExperimentOptions(tmp_path), log=lines.append)
    assert result.done == [run.name for run in planned[1:]]
    ((name, last_lines),) = result.failed
    assert name == planned[0].name
    assert "the disk is full" in last_lines
    assert any("FAILED with status 1" in line for line in lines)
    # The second time, lines of the old log must not be mistaken for those of the new run.
    stand_in.clear()
    assert launch(planned, ExperimentOptions(tmp_path), log=lines.append).failed == []


def test_several_runs_are_trained_at_the_same_time(tmp_path, planned, stand_in):
    # Each run waits until all have started.
    stand_in.update({run.name: "wait for all" for run in planned})
    result = launch(planned, ExperimentOptions(tmp_path), jobs=3, log=lambda line: None)
    assert sorted(result.done) == sorted(run.name for run in planned)


def test_the_other_runs_start_if_one_cannot(tmp_path, planned, stand_in):
    (tmp_path / f"{planned[0].name}.log").mkdir()
    result = launch(planned, ExperimentOptions(tmp_path), log=lambda line: None)
    assert result.done == [run.name for run in planned[1:]]
    ((name, why),) = result.failed
    assert name == planned[0].name and "cannot write" in why


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_the_runs_and_no_more_runs_start(tmp_path, planned, stand_in, number):
    stand_in.update({run.name: "wait" for run in planned})
    before = signal.getsignal(number)

    def send():
        for run in planned[:2]:
            while not (tmp_path / run.name / "started").exists():
                time.sleep(0.02)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    result = launch(planned, ExperimentOptions(tmp_path), jobs=2, log=lambda line: None)
    thread.join()
    assert result.stopped_by == number
    assert sorted(result.interrupted) == [run.name for run in planned[:2]]
    for run in planned[:2]:
        assert (tmp_path / run.name / "checkpoint").read_text() == str(int(number))
    assert not (tmp_path / planned[2].name).exists()
    assert signal.getsignal(number) == before
