"""Tests of how a search resumes. The trials train nothing here."""

import csv
import os

import keras_tuner
import pytest

from resnet_keras.errors import UserError
from resnet_keras.recipe import Recipe
from resnet_keras.tuning import results, trial
from resnet_keras.tuning.search import SearchConfig, search
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
    """Returns the ids of the trials that ran. The score of a trial is its learning rate."""
    ids = []

    def score(base, values, trial_folder, data_dir):
        ids.append(trial_folder.name)
        return values["learning_rate"]

    monkeypatch.setattr(trial, "run_trial", score)
    monkeypatch.setattr(results, "draw_search", lambda *args: None)
    return ids


def run_search(folder, trials=2, tuner="random", base=BASE, space=SPACE, **more):
    config = SearchConfig(base, space, tuner, trials, **more)
    return search(config, str(folder), "s", None, log=lambda line: None)


def rows(folder):
    with open(folder / "s" / "trials.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_search_resumes_under_another_tuner_id(tmp_path, monkeypatch, ran):
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "morning")
    run_search(tmp_path, trials=2)
    before = rows(tmp_path)
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "evening")
    run_search(tmp_path, trials=3)
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
def test_the_chosen_tuner_decides_the_values(tuner, kind, tmp_path, monkeypatch, ran):
    real, asked = kind.populate_space, []

    def record(oracle, trial_id):
        asked.append(trial_id)
        return real(oracle, trial_id)

    monkeypatch.setattr(kind, "populate_space", record)
    run_search(tmp_path, trials=5, tuner=tuner)
    assert asked == ran == ["0", "1", "2", "3", "4"]


@pytest.mark.slow
def test_the_bayesian_search_learns_from_the_scores(tmp_path):
    # The score is the learning rate, so the lowest one is best.
    run_search(tmp_path, trials=12, tuner="bayesian")
    rates = [float(row["learning_rate"]) for row in rows(tmp_path)]
    assert max(rates[8:]) < 0.02 < sum(rates[:3]) / 3


def test_a_search_that_failures_ended_continues_only_if_more_may_fail(tmp_path, monkeypatch, ran):
    def fail(base, values, trial_folder, data_dir):
        ran.append(trial_folder.name)
        raise trial.TrialFailed("no good")

    with monkeypatch.context() as during:
        during.setattr(trial, "run_trial", fail)
        for _ in range(2):
            with pytest.raises(UserError, match=r"2 consecutive trials failed.*--max-failed"):
                run_search(tmp_path, trials=4, failures=2)
    assert ran == ["0", "1"]
    run_search(tmp_path, trials=4, failures=3)
    assert ran == ["0", "1", "2", "3"]
    assert [row["status"] for row in rows(tmp_path)] == ["failed", "failed", "done", "done"]


@pytest.mark.parametrize("tuner", ["random", "hyperband"])
def test_a_kill_between_writing_a_trial_and_the_state_loses_no_trial(
    tuner, tmp_path, monkeypatch, ran
):
    run_search(tmp_path / "uninterrupted", trials=3, tuner=tuner)
    ran.clear()
    real, written = os.replace, []

    class Killed(BaseException):
        pass

    def replace_until_killed(source, target):
        name = os.path.basename(target)
        if name == "oracle.json" and any("trial_1" in path for path in written):
            raise Killed
        real(source, target)
        written.append(str(target))

    with monkeypatch.context() as during:
        during.setattr(os, "replace", replace_until_killed)
        with pytest.raises(Killed):
            run_search(tmp_path, trials=3, tuner=tuner)
    assert (tmp_path / "s" / "keras_tuner" / "trial_1" / "trial.json").exists()
    assert ran == ["0"]
    run_search(tmp_path, trials=3, tuner=tuner)
    assert ran == ["0", "1", "2"]
    assert rows(tmp_path) == rows(tmp_path / "uninterrupted")
