"""Injected faults: existing files stay intact, and the message says what to do."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from resnet_keras.errors import UserError
from resnet_keras.recipe import Recipe
from resnet_keras.training import checkpoint
from tests.training import driver

DRIVER = Path(__file__).with_name("driver.py")
TINY = {"arch": "resnet8", "dataset": "digits", "batch_size": 16, "steps": 6, "drops": ()}


def drive(folder, *flags, kilobytes="unlimited"):
    """Runs the driver with a limit on the size of files."""
    # The shell sets the limit. Python code between fork and exec can deadlock in a process with
    # many threads.
    limited = ["bash", "-c", f'ulimit -f {kilobytes}; exec "$@"', "bash"]
    return subprocess.run(
        [*limited, sys.executable, DRIVER, folder, *flags],
        capture_output=True,
        text=True,
        timeout=300,
    )


def run_in(tmp_path, checkpoint_every=1, **values):
    from resnet_keras.runs.folder import RunOptions
    from resnet_keras.training.job import run

    options = RunOptions(
        runs_dir=str(tmp_path / "runs"),
        export_dir=str(tmp_path / "exports"),
        name="run",
        checkpoint_every=checkpoint_every,
    )
    return run(Recipe(**{**TINY, **values}), options)


def test_a_non_finite_loss_ends_the_run_and_keeps_the_last_good_checkpoint(tmp_path):
    from resnet_keras.training.callbacks import NonFiniteLoss

    with pytest.raises(NonFiniteLoss) as error:
        run_in(tmp_path, learning_rate=1e30, steps=30)
    step = int(str(error.value).split("step ")[1].split(" ")[0])
    assert "--learning-rate" in str(error.value)
    newest = checkpoint.paths(tmp_path / "runs/run/checkpoints")[-1]
    assert newest.name == f"step-{step - 1:09d}.ckpt"
    assert str(newest) in str(error.value)
    checkpoint.load(newest)
    assert not (tmp_path / "exports/run").exists()


def test_a_network_with_non_finite_predictions_is_not_exported(tmp_path):
    with pytest.raises(UserError, match="not a number"):
        run_in(tmp_path, learning_rate=1e38, steps=1)
    assert not (tmp_path / "exports/run").exists()


def test_non_finite_weights_are_not_saved_even_at_the_last_step(tmp_path):
    from resnet_keras.training.callbacks import NonFiniteLoss

    with pytest.raises(NonFiniteLoss, match=r"after step 1, .* is no longer finite"):
        run_in(tmp_path, learning_rate=1e39, steps=1)
    assert not checkpoint.paths(tmp_path / "runs/run/checkpoints")
    assert not (tmp_path / "exports/run").exists()


@pytest.mark.landing
def test_a_failed_save_keeps_the_earlier_checkpoints(tmp_path):
    short = ("--steps", "6", "--drops", "5", "--warmup-steps", "2")
    assert driver.train(tmp_path, *short) == 0
    folder = tmp_path / "runs/run"
    before = {path.name: path.read_bytes() for path in checkpoint.paths(folder / "checkpoints")}
    # Run again from the first checkpoint, where only small files can be written.
    (folder / "result.json").unlink()
    (folder / "checkpoints/step-000000006.ckpt").unlink()
    del before["step-000000006.ckpt"]
    assert before
    done = drive(tmp_path, *short, kilobytes=100)
    assert done.returncode == 1
    assert "cannot write" in done.stderr and "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    after = {path.name: path.read_bytes() for path in checkpoint.paths(folder / "checkpoints")}
    assert after == before
    assert not list((folder / "checkpoints").glob(".*tmp"))


@pytest.mark.slow
def test_a_full_file_system_is_a_clear_error_and_the_run_can_resume(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1300k", "tmpfs", disk], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    try:
        done = drive(disk)
        assert done.returncode == 1
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        checkpoints = checkpoint.paths(disk / "runs/run/checkpoints")
        assert checkpoints
        for path in checkpoints:
            checkpoint.load(path)
        subprocess.run(["mount", "-o", "remount,size=50m", disk], check=True)
        again = drive(disk)
        assert again.returncode == 0, again.stderr
        assert "resuming after step" in again.stderr
    finally:
        subprocess.run(["umount", "-l", disk], check=False)


def test_an_export_folder_that_cannot_be_created_fails_before_training(tmp_path):
    (tmp_path / "exports").write_text("a file")
    with pytest.raises(UserError, match=r"cannot create the folder .*exports"):
        run_in(tmp_path)
    assert not (tmp_path / "runs").exists()


@pytest.mark.landing
def test_a_second_run_in_the_same_folder_is_refused(tmp_path):
    first = subprocess.Popen(
        [sys.executable, DRIVER, tmp_path, "--steps", "4000", "--drops", "3000"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        log = tmp_path / "steps.log"
        while not log.exists() or not log.read_text():
            assert first.poll() is None
        os.kill(first.pid, signal.SIGSTOP)
        with pytest.raises(UserError, match=rf"another run \(process {first.pid}\)"):
            run_in(tmp_path)
    finally:
        first.kill()
        first.wait()
    # The lock ended with its process. Now only the other recipe is refused.
    with pytest.raises(UserError, match="steps: 6 here, 4000 there"):
        run_in(tmp_path)
