"""Tests of `tuning.trial`: how often a trial is started whose process is killed."""

import json
import os
import signal

import pytest

from resnet_keras.recipe import Recipe
from resnet_keras.runs.folder import RunResult
from resnet_keras.training import job
from resnet_keras.tuning import trial
from resnet_keras.tuning.trial import KilledTooOften, counted_attempt

BASE = Recipe(arch="resnet8", dataset="digits", steps=9, drops=(), validation_size=100)


def killed_in(folder):
    """Starts a trial in a child process that is killed during it. Returns whether it was."""
    child = os.fork()
    if child == 0:
        try:
            with counted_attempt(folder):
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    return os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def write_checkpoint(folder, step):
    (folder / "checkpoints").mkdir(exist_ok=True)
    (folder / "checkpoints" / f"step-{step:09d}.ckpt").write_bytes(b"")


def test_the_third_attempt_without_a_newer_checkpoint_fails_the_trial(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(job, "run", lambda *args, **kwargs: ran.append(args))
    assert killed_in(tmp_path) and killed_in(tmp_path)
    with pytest.raises(trial.TrialFailed, match=r"killed 2 times before its first checkpoint"):
        trial.run_trial(BASE, {}, tmp_path, None)
    assert not ran
    assert "killed 2 times" in json.loads((tmp_path / trial.RECORD).read_text())["error"]


def test_a_trial_that_makes_progress_may_be_killed_any_number_of_times(tmp_path):
    for step in (100, 200, 300):
        assert killed_in(tmp_path)
        write_checkpoint(tmp_path, step)
    assert killed_in(tmp_path) and killed_in(tmp_path)
    with pytest.raises(KilledTooOften, match=r"since the checkpoint step-000000300\.ckpt"):
        counted_attempt(tmp_path).__enter__()


def test_attempts_that_end_without_a_kill_are_not_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(job, "run", lambda *args, **kwargs: RunResult(signal.SIGTERM, tmp_path))
    for _ in range(4):
        with pytest.raises(trial.Interrupted):
            trial.run_trial(BASE, {}, tmp_path, None)
    assert killed_in(tmp_path)
    with pytest.raises(trial.Interrupted):
        trial.run_trial(BASE, {}, tmp_path, None)
    assert not list(tmp_path.iterdir())
