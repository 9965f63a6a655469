"""Tests of `tuning.search` and `tuning.trial` with trainings on the digits."""

import csv
import dataclasses
import errno
import json
import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from resnet_keras.cli.main import main
from resnet_keras.data import sources as loading
from resnet_keras.data.dataset import Images
from resnet_keras.errors import UsageError, UserError
from resnet_keras.evaluation.measure import MetricsAccumulator
from resnet_keras.recipe import Recipe
from resnet_keras.runs.config import read_recipe
from resnet_keras.training import job
from resnet_keras.training.callbacks import NonFiniteLoss
from resnet_keras.training.resolve import resolve_for_dataset
from resnet_keras.training.state import TrainingState
from resnet_keras.tuning.search import SearchConfig, _check_base, search
from resnet_keras.tuning.space import Range
from resnet_keras.tuning.trial import RECORD, TrialFailed, run_trial

BASE = Recipe(
    arch="resnet8", dataset="digits", batch_size=16, steps=9, drops=(), validation_size=100, pad=1
)
SPACE = (
    Range("learning_rate", low=0.01, high=0.1, scale="log"),
    Range("nesterov", choices=(False, True)),
)
DIVERGING = (Range("learning_rate", choices=(1e30, 1e31)), Range("pad", choices=(0, 1)))


def run_search(folder, space=SPACE, tuner="random", trials=2, name="s", base=BASE, **more):
    config = SearchConfig(base, space, tuner, trials, **more)
    return search(config, str(folder), name, None, log=lambda line: None)


def rows(folder):
    with open(folder / "trials.csv", newline="") as file:
        return list(csv.DictReader(file))


def results(folder):
    return [
        (row["id"], row["learning_rate"], row["nesterov"], row["score"]) for row in rows(folder)
    ]


def test_alternate_flip_may_vary_on_a_data_set_that_is_not_mirrored():
    # The default search space contains it.
    base = _check_base(BASE, None)
    assert (BASE.flip, base.flip) == (None, False)
    trial_recipe = dataclasses.replace(base, alternate_flip=True)
    assert not resolve_for_dataset(trial_recipe, loading.load_digits()).flip
    with pytest.raises(UsageError, match="--alternate-flip has no effect on digits"):
        _check_base(dataclasses.replace(BASE, alternate_flip=True), None)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return run_search(tmp_path_factory.mktemp("tuning"))


def test_a_search_writes_a_table_a_figure_and_a_recipe(done):
    found = rows(done.folder)
    assert [row["status"] for row in found] == ["done", "done"]
    assert all(row["steps"] == "9" and float(row["seconds"]) > 0 for row in found)
    assert (done.folder / "search.png").read_bytes()[:4] == b"\x89PNG"
    assert done.best["score"] == min(float(row["score"]) for row in found)


def test_the_score_is_the_last_error_on_held_out_images_of_the_trial(done):
    for row in rows(done.folder):
        with open(done.folder / "trials" / row["id"] / "metrics.csv", newline="") as file:
            last = list(csv.DictReader(file))[-1]
        assert float(last["validation_error"]) == pytest.approx(float(row["score"]), abs=1e-4)
        assert last["test_error"] == ""


def test_a_trial_exports_nothing(done):
    assert not list(done.folder.rglob("saved_model.pb"))
    assert not list(done.folder.rglob("model.keras"))


def test_train_accepts_the_config_of_the_best_trial(done, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = read_recipe(done.folder / "config.json")
    assert found.learning_rate == pytest.approx(done.best["learning_rate"])
    assert found.nesterov is done.best["nesterov"] and found.validation_size == 0
    config = str(done.folder / "config.json")
    assert main(["train", "--config", config, "--steps", "2", "--name", "again"]) == 0
    made = json.loads((tmp_path / "runs" / "again" / "config.json").read_text())["recipe"]
    assert made["learning_rate"] == found.learning_rate and made["nesterov"] is found.nesterov


@pytest.mark.landing
def test_the_test_images_have_no_effect_on_scores(done, tmp_path, monkeypatch):
    real = loading.load_for_recipe

    def with_blank_test_images(*args):
        dataset = real(*args)
        images = np.zeros_like(dataset.test.images)
        object.__setattr__(dataset, "test", Images(images, np.zeros_like(dataset.test.labels)))
        return dataset

    monkeypatch.setattr(job, "load_for_recipe", with_blank_test_images)
    assert results(run_search(tmp_path).folder) == results(done.folder)


def test_a_search_survives_a_full_disk_while_keras_tuner_saves_its_state(
    done, tmp_path, monkeypatch
):
    first = run_search(tmp_path, trials=1)
    state = first.folder / "keras_tuner" / "oracle.json"
    before, real = state.read_bytes(), os.replace

    def replace_on_full_disk(source, target):
        if os.path.basename(target) == "oracle.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    with monkeypatch.context() as during:
        during.setattr(os, "replace", replace_on_full_disk)
        with pytest.raises(UserError, match=r"cannot write .*oracle\.json: No space left"):
            run_search(tmp_path, trials=2)
    assert state.read_bytes() == before
    assert not list(state.parent.glob(".*"))
    assert results(run_search(tmp_path, trials=2).folder) == results(done.folder)


@pytest.mark.landing
def test_a_complete_search_runs_nothing_and_more_trials_continue_it(done, tmp_path):
    first = run_search(tmp_path, trials=1)
    result = first.folder / "trials" / rows(first.folder)[0]["id"] / "result.json"
    stamp = result.stat().st_mtime_ns
    more = run_search(tmp_path, trials=2)
    assert results(more.folder) == results(done.folder)

    assert result.stat().st_mtime_ns == stamp


@pytest.mark.landing
def test_an_interrupted_trial_resumes_from_its_checkpoint(done, tmp_path, monkeypatch):
    real_fit, real_end_step, starts = job.fit, TrainingState.end_step, []

    def recording_fit(setup, *args):
        starts.append(setup.state.start)
        return real_fit(setup, *args)

    def end_step_with_signal(self, step):
        real_end_step(self, step)
        if len(starts) == 2 and step == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(job, "fit", recording_fit)
    monkeypatch.setattr(TrainingState, "end_step", end_step_with_signal)
    stopped = run_search(tmp_path)
    assert stopped.stopped_by == signal.SIGTERM
    assert [row["status"] for row in rows(stopped.folder)] == ["done", "running"]
    assert results(run_search(tmp_path).folder) == results(done.folder)
    assert starts[:2] == [0, 0] and len(starts) == 3 and starts[2] >= 4


@pytest.mark.slow
def test_a_diverging_trial_is_recorded_and_the_search_continues(tmp_path):
    space = (
        Range("learning_rate", choices=(0.01, 1e30)),
        Range("nesterov", choices=(False, True)),
    )
    found = rows(run_search(tmp_path, space, trials=4, failures=4).folder)
    failed = [row for row in found if row["status"] == "failed"]
    assert len(found) == 4 and 0 < len(failed) < 4
    assert all(float(row["learning_rate"]) == 1e30 and not row["score"] for row in failed)
    assert all("finite" in row["error"] or "loss" in row["error"] for row in failed)


def test_too_many_consecutive_failures_end_the_search(tmp_path):
    with pytest.raises(UserError, match="2 consecutive trials failed"):
        run_search(tmp_path, DIVERGING, trials=4, failures=2)
    assert [row["status"] for row in rows(tmp_path / "s")] == ["failed", "failed"]


def test_running_out_of_memory_fails_only_one_trial(tmp_path, monkeypatch):
    real, calls = job.run, []

    def run_out_of_memory(*args, **kwargs):
        calls.append(args)
        if len(calls) == 1:
            raise MemoryError("no room")
        return real(*args, **kwargs)

    monkeypatch.setattr(job, "run", run_out_of_memory)
    found = rows(run_search(tmp_path).folder)
    assert [row["status"] for row in found] == ["failed", "done"]
    assert found[0]["error"] == "no room"


def test_a_problem_outside_the_trial_ends_the_search_and_fails_no_trial(tmp_path, monkeypatch):
    tried = []

    def fail_differently(recipe, *args, **kwargs):
        tried.append(recipe)
        if len(tried) == 2:
            raise UserError("cannot write x: No space left on device")
        raise NonFiniteLoss("the loss at step 1 is nan")

    monkeypatch.setattr(job, "run", fail_differently)
    with pytest.raises(UserError, match="cannot write x: No space left on device"):
        run_search(tmp_path, trials=4, failures=4)
    assert [row["status"] for row in rows(tmp_path / "s")] == ["failed", "running"]
    run_search(tmp_path, trials=3, failures=4)
    assert tried[2] == tried[1]
    assert [row["status"] for row in rows(tmp_path / "s")] == ["failed"] * 3


@pytest.mark.parametrize(
    ("error", "fails_trial"),
    [
        (UsageError("a mirror changes the classes"), True),
        (NonFiniteLoss("the loss at step 3 is nan"), True),
        (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"), True),
        (tf.errors.ResourceExhaustedError(None, None, "x; No space left on device"), False),
        (PermissionError(errno.EACCES, "Permission denied"), False),
        (UserError("another run (process 7) is writing to x"), False),
    ],
)
def test_only_errors_due_to_the_values_fail_a_trial(error, fails_trial, tmp_path, monkeypatch):
    def failing(*args, **kwargs):
        raise error

    monkeypatch.setattr(job, "run", failing)
    with pytest.raises(TrialFailed if fails_trial else UserError):
        run_trial(BASE, {"learning_rate": 0.1}, tmp_path / "0", None)
    assert (tmp_path / "0" / RECORD).exists() is fails_trial


def test_predictions_that_are_not_numbers_fail_the_trial(tmp_path, monkeypatch):
    def predict_nan(*args, **kwargs):
        MetricsAccumulator(2).update(np.full((1, 2), np.nan, np.float32), np.zeros(1, np.int32))

    monkeypatch.setattr(job, "run", predict_nan)
    with pytest.raises(TrialFailed, match="not a number"):
        run_trial(BASE, {"learning_rate": 0.1}, tmp_path / "0", None)


@pytest.mark.parametrize(
    ("changes", "data_dir", "words"),
    [
        ({"validation_size": 5000}, None, "can be held out"),
        ({"dataset": "cifar10"}, "nowhere", "nowhere"),
        ({"devices": 99}, None, "--devices 99"),
    ],
)
def test_what_no_trial_can_do_is_an_error_before_the_first(changes, data_dir, words, tmp_path):
    config = SearchConfig(dataclasses.replace(BASE, **changes), SPACE, "random", 2)
    with pytest.raises(UserError, match=words):
        search(config, str(tmp_path), "s", data_dir, print)
    assert not list(tmp_path.iterdir())


def test_another_space_in_the_same_folder_is_refused(done):
    with pytest.raises(UserError, match=r"pad.*choose another --name"):
        run_search(done.folder.parent, (*SPACE, Range("pad", choices=(0, 1))))


@pytest.mark.slow
def test_hyperband_shortens_the_schedule_and_prefers_the_longest(tmp_path):
    outcome = run_search(tmp_path, tuner="hyperband", trials=10)
    found = rows(outcome.folder)
    assert {row["steps"] for row in found[:9]} == {"1"} and found[9]["steps"] == "3"
    assert outcome.best["part"] == pytest.approx(1 / 3, abs=1e-4)
    assert read_recipe(outcome.folder / "config.json").steps == BASE.steps


@pytest.mark.slow
def test_the_bayesian_search_tries_different_values(tmp_path):
    found = rows(run_search(tmp_path, tuner="bayesian", trials=3).folder)
    assert len({row["learning_rate"] for row in found}) == 3


def run_processes(folder, *flags):
    """Runs a chief and two workers. Returns their exit statuses and their outputs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "resnet_keras", "tune", "--arch", "resnet8", "--recipe", "demo"),
        *("--steps-scale", "0.1", "--tuner", "random", "--trials", "4", "--name", "w"),
        *("--tuning-dir", str(folder), *flags),
    ]
    processes = {}
    for name in ("chief", "worker0", "worker1"):
        env = os.environ | {
            "KERASTUNER_TUNER_ID": name,
            "KERASTUNER_ORACLE_IP": "127.0.0.1",
            "KERASTUNER_ORACLE_PORT": str(port),
        }
        processes[name] = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    try:
        outputs = {name: one.communicate(timeout=300) for name, one in processes.items()}
    finally:
        for one in processes.values():
            one.kill()
    return {name: one.returncode for name, one in processes.items()}, outputs


@pytest.mark.slow
def test_a_chief_and_two_workers_share_the_trials(tmp_path):
    space = tmp_path / "space.toml"
    space.write_text("[recipe]\nlearning_rate = {low = 0.01, high = 0.1}\n")
    statuses, outputs = run_processes(tmp_path, "--space", str(space))
    assert set(statuses.values()) == {0}, outputs
    assert [row["status"] for row in rows(tmp_path / "w")] == ["done"] * 4
    assert "best: trial" in outputs["chief"][0]
    assert "trial 0" in outputs["worker0"][1] + outputs["worker1"][1]


@pytest.mark.slow
def test_a_chief_and_its_workers_end_when_too_many_trials_fail(tmp_path):
    space = tmp_path / "space.toml"
    space.write_text("[recipe]\nlearning_rate = {low = 1e30, high = 1e31}\n")
    statuses, outputs = run_processes(tmp_path, "--space", str(space), "--max-failed", "2")
    assert statuses == {"chief": 1, "worker0": 0, "worker1": 0}, outputs
    assert "2 consecutive trials failed" in outputs["chief"][1]
    found = [row["status"] for row in rows(tmp_path / "w")]
    assert 2 <= len(found) <= 3 and set(found) == {"failed"}
