"""A trial whose process is killed: how often it is begun again."""

import json
import os
import signal

import pytest

from resnet_keras.recipe import Recipe
from resnet_keras.runs.folder import RunResult
from resnet_keras.training import job
from resnet_keras.tuning import trial
from resnet_keras.tuning.attempts import KilledBefore, counted

BASE = Recipe(arch="resnet8", dataset="digits", steps=9, drops=(), validation_size=100)


def killed_in(folder):
    """Begins a trial in a process of its own, which is killed in it."""
    child = os.fork()
    if child == 0:
        try:
            with counted(folder):
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    return os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def checkpoint_of(folder, step):
    (folder / "checkpoints").mkdir(exist_ok=True)
    (folder / "checkpoints" / f"step-{step:09d}.ckpt").write_bytes(b"")


def test_the_third_start_without_a_newer_checkpoint_fails_the_trial(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(job, "run", lambda *args, **kwargs: ran.append(args))
    assert killed_in(tmp_path) and killed_in(tmp_path)
    with pytest.raises(trial.TrialFailed, match=r"killed 2 times before its first checkpoint"):
        trial.run_trial(BASE, {}, tmp_path, None)
    assert not ran
    assert "killed 2 times" in json.loads((tmp_path / trial.RECORD).read_text())["error"]


def test_a_trial_that_got_further_is_begun_again_however_often_it_is_killed(tmp_path):
    for step in (100, 200, 300):
        assert killed_in(tmp_path)
        checkpoint_of(tmp_path, step)
    assert killed_in(tmp_path) and killed_in(tmp_path)
    with pytest.raises(KilledBefore, match=r"since the checkpoint step-000000300\.ckpt"):
        counted(tmp_path).__enter__()


def test_what_ends_without_a_kill_is_not_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(job, "run", lambda *args, **kwargs: RunResult(signal.SIGTERM, tmp_path))
    for _ in range(4):
        with pytest.raises(trial.Interrupted):
            trial.run_trial(BASE, {}, tmp_path, None)
    assert killed_in(tmp_path)
    with pytest.raises(trial.Interrupted):
        trial.run_trial(BASE, {}, tmp_path, None)
    assert not list(tmp_path.iterdir())
