"""Launching: what is skipped, what fails, what a signal does. The runs are small stand-ins."""

import json
import os
import signal
import sys
import threading
import time

import pytest

from resnet_keras.experiments import runner
from resnet_keras.experiments.catalogue import get
from resnet_keras.experiments.plan import plan, state, steps_done
from resnet_keras.experiments.runner import ExperimentOptions, launch
from tests.made_up_runs import make_run

# Stands in for `train`: argv[1] is the run's folder, argv[2] what is to happen.
STAND_IN = """
import pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1]); folder.mkdir(exist_ok=True)
what = sys.argv[2]
def stop(number, frame):
    (folder / "checkpoint").write_text(str(number)); sys.exit(128 + number)
signal.signal(signal.SIGTERM, stop); signal.signal(signal.SIGINT, stop)
(folder / "began").write_text("")
if what == "fail":
    print("a first line"); print("train: the disk is full", file=sys.stderr); sys.exit(1)
while what == "meet" and len(list(folder.parent.glob("*/began"))) < 3:
    time.sleep(0.01)
if what == "wait":
    time.sleep(60)
(folder / "result.json").write_text("{}")
print("test error: 9.00 %")
"""


@pytest.fixture
def planned():
    return plan(get("options"), scale=0.01)


@pytest.fixture
def stand_in(monkeypatch):
    what = {}

    def command(one, places):
        folder = str(places.runs_dir / one.name)
        return [sys.executable, "-c", STAND_IN, folder, what.get(one.name, "succeed")]

    monkeypatch.setattr(runner, "command", command)
    return what


def test_the_command_is_an_ordinary_train(tmp_path, planned):
    words = runner.command(planned[0], ExperimentOptions(tmp_path, "data"))
    assert words[1:4] == ["-m", "resnet_keras", "train"]
    assert words[words.index("--name") + 1] == "resnet20-A-seed0-x0.01"
    assert words[words.index("--export-dir") + 1] == str(tmp_path / "exports")
    assert words[words.index("--data-dir") + 1] == "data"


def test_all_are_run_once(tmp_path, planned, stand_in):
    said = []
    outcome = launch(planned, ExperimentOptions(tmp_path), say=said.append)
    assert outcome.done == [one.name for one in planned]
    assert not outcome.failed
    assert any("test error: 9.00 %" in line for line in said)
    recipe = json.loads((tmp_path / f"{planned[1].name}.recipe.json").read_text())
    assert recipe == planned[1].recipe.to_json()
    assert state(planned[0], tmp_path) == "done"
    (tmp_path / planned[0].name / "began").unlink()
    assert launch(planned, ExperimentOptions(tmp_path), say=said.append).done == outcome.done
    assert not (tmp_path / planned[0].name / "began").exists()


def test_a_run_of_another_recipe_is_not_taken_for_the_one_of_its_name(tmp_path, stand_in):
    (one,) = plan(get("options"), only=("resnet20-A",))
    # As `train.py --steps 400` leaves it: under the name of the full run.
    make_run(tmp_path, name=one.name, scale=400 / 64_000)
    assert state(one, tmp_path) == "other recipe"
    assert steps_done(one, tmp_path) is None
    launch([one], ExperimentOptions(tmp_path), say=print)
    assert (tmp_path / one.name / "began").exists()


def test_what_a_recipe_leaves_open_a_run_may_have_decided(tmp_path, planned, stand_in):
    make_run(tmp_path, scale=0.01, augmentation="pad", precision="float32")
    assert state(planned[0], tmp_path) == "done"
    assert launch(planned[:1], ExperimentOptions(tmp_path), say=print).done == [planned[0].name]
    assert not (tmp_path / planned[0].name / "began").exists()


def test_a_failure_is_told_and_the_rest_goes_on(tmp_path, planned, stand_in):
    stand_in[planned[0].name] = "fail"
    said = []
    outcome = launch(planned, ExperimentOptions(tmp_path), say=said.append)
    assert outcome.done == [one.name for one in planned[1:]]
    ((name, lines),) = outcome.failed
    assert name == planned[0].name
    assert "the disk is full" in lines
    assert any("FAILED with status 1" in line for line in said)
    # Again: an old log's lines are not taken for the new run's.
    stand_in.clear()
    assert launch(planned, ExperimentOptions(tmp_path), say=said.append).failed == []


def test_several_at_a_time(tmp_path, planned, stand_in):
    # Each waits until all have begun.
    stand_in.update({one.name: "meet" for one in planned})
    outcome = launch(planned, ExperimentOptions(tmp_path), jobs=3, say=lambda line: None)
    assert sorted(outcome.done) == sorted(one.name for one in planned)


def test_one_that_cannot_start_does_not_keep_the_rest_from_it(tmp_path, planned, stand_in):
    (tmp_path / f"{planned[0].name}.log").mkdir()
    outcome = launch(planned, ExperimentOptions(tmp_path), say=lambda line: None)
    assert outcome.done == [one.name for one in planned[1:]]
    ((name, why),) = outcome.failed
    assert name == planned[0].name and "cannot write" in why


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_the_runs_and_no_more_are_started(tmp_path, planned, stand_in, number):
    stand_in.update({one.name: "wait" for one in planned})
    before = signal.getsignal(number)

    def send():
        for one in planned[:2]:
            while not (tmp_path / one.name / "began").exists():
                time.sleep(0.02)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    outcome = launch(planned, ExperimentOptions(tmp_path), jobs=2, say=lambda line: None)
    thread.join()
    assert outcome.stopped_by == number
    assert sorted(outcome.interrupted) == [one.name for one in planned[:2]]
    for one in planned[:2]:
        assert (tmp_path / one.name / "checkpoint").read_text() == str(int(number))
    assert not (tmp_path / planned[2].name).exists()
    assert signal.getsignal(number) == before
