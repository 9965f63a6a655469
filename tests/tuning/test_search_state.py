"""What a search keeps of itself, and goes on with. Its trials train nothing here."""

import csv
import os

import keras_tuner
import pytest

from resnet_keras.errors import UserError
from resnet_keras.recipe import Recipe
from resnet_keras.tuning import results, trial
from resnet_keras.tuning.search import Plan, search
from resnet_keras.tuning.space import Range

BASE = Recipe(
    arch="resnet8", dataset="digits", batch_size=16, steps=9, drops=(), validation_size=100, pad=1
)
SPACE = (
    Range("learning_rate", low=0.01, high=0.1, scale="log"),
    Range("nesterov", choices=(False, True)),
)


@pytest.fixture(autouse=True)
def ran(monkeypatch):
    """The ids of the trials that were run; a trial's score is its learning rate."""
    ids = []

    def scored(base, values, folder, data_dir):
        ids.append(folder.name)
        return values["learning_rate"]

    monkeypatch.setattr(trial, "run_trial", scored)
    monkeypatch.setattr(results, "draw_search", lambda *args: None)
    return ids


def go(folder, trials=2, tuner="random", base=BASE, space=SPACE, **more):
    said = []
    return search(Plan(base, space, tuner, trials, **more), str(folder), "s", None, said.append)


def rows(folder):
    with open(folder / "s" / "trials.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_search_goes_on_whatever_this_process_is_called(tmp_path, monkeypatch, ran):
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "morning")
    go(tmp_path, trials=2)
    before = rows(tmp_path)
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "evening")
    go(tmp_path, trials=3)
    assert rows(tmp_path)[:2] == before and len(rows(tmp_path)) == 3
    assert ran == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("tuner", "kind"),
    [
        ("random", keras_tuner.oracles.RandomSearchOracle),
        ("hyperband", keras_tuner.oracles.HyperbandOracle),
        ("bayesian", keras_tuner.oracles.BayesianOptimizationOracle),
    ],
)
def test_the_tuner_asked_for_decides(tuner, kind, tmp_path, monkeypatch, ran):
    real, asked = kind.populate_space, []

    def asking(oracle, trial_id):
        asked.append(trial_id)
        return real(oracle, trial_id)

    monkeypatch.setattr(kind, "populate_space", asking)
    go(tmp_path, trials=5, tuner=tuner)
    assert asked == ran == ["0", "1", "2", "3", "4"]


@pytest.mark.slow
def test_the_bayesian_search_learns_from_the_scores(tmp_path):
    # The score is the learning rate, so that the least is best.
    go(tmp_path, trials=12, tuner="bayesian")
    rates = [float(row["learning_rate"]) for row in rows(tmp_path)]
    assert max(rates[8:]) < 0.02 < sum(rates[:3]) / 3


def test_a_search_that_failures_ended_runs_nothing_more_until_more_may_fail(
    tmp_path, monkeypatch, ran
):
    def failing(base, values, folder, data_dir):
        ran.append(folder.name)
        raise trial.TrialFailed("no good")

    with monkeypatch.context() as during:
        during.setattr(trial, "run_trial", failing)
        for _ in range(2):
            with pytest.raises(UserError, match=r"2 trials in a row failed.*--max-failed"):
                go(tmp_path, trials=4, failures=2)
    assert ran == ["0", "1"]
    go(tmp_path, trials=4, failures=3)
    assert ran == ["0", "1", "2", "3"]
    assert [row["status"] for row in rows(tmp_path)] == ["failed", "failed", "done", "done"]


@pytest.mark.parametrize("tuner", ["random", "hyperband"])
def test_a_kill_between_a_new_trials_file_and_the_state_loses_no_trial(
    tuner, tmp_path, monkeypatch, ran
):
    go(tmp_path / "whole", trials=3, tuner=tuner)
    ran.clear()
    real, written = os.replace, []

    class Killed(BaseException):
        pass

    def killed_after_the_second(source, target):
        name = os.path.basename(target)
        if name == "oracle.json" and any("trial_1" in path for path in written):
            raise Killed
        real(source, target)
        written.append(str(target))

    with monkeypatch.context() as during:
        during.setattr(os, "replace", killed_after_the_second)
        with pytest.raises(Killed):
            go(tmp_path, trials=3, tuner=tuner)
    assert (tmp_path / "s" / "keras_tuner" / "trial_1" / "trial.json").exists()
    assert ran == ["0"]
    go(tmp_path, trials=3, tuner=tuner)
    assert ran == ["0", "1", "2"]
    assert rows(tmp_path) == rows(tmp_path / "whole")
