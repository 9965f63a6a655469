"""Run folders: names, the lock, and clearing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from resnet_keras.errors import UsageError, UserError
from resnet_keras.runs.folder import RunFolder

ROOT = Path(__file__).resolve().parents[2]

HOLD = """
import sys, time
from resnet_keras.runs.folder import RunFolder
with RunFolder(sys.argv[1], "run").locked():
    print("locked", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of `tmp_path/run`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().strip() == "locked"
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM])
def test_only_one_process_at_a_time_holds_the_lock(tmp_path, holder, signal_number):
    folder = RunFolder(tmp_path, "run")
    message = f"another run .process {holder.pid}.*--name"
    with pytest.raises(UserError, match=message), folder.locked():
        pytest.fail("two processes hold the lock")
    # The failed attempt has not released the lock of the other process.
    with pytest.raises(UserError, match=str(holder.pid)), folder.locked():
        pass
    with RunFolder(tmp_path, "other").locked():
        pass
    os.kill(holder.pid, signal_number)
    holder.wait()
    with folder.locked():
        assert (folder.path / ".lock").read_text() == str(os.getpid())


def test_the_lock_is_released_at_the_end_of_the_block(tmp_path):
    folder = RunFolder(tmp_path / "deep" / "runs", "run")
    for _ in range(2):
        with folder.locked():
            assert folder.path.is_dir()
    with pytest.raises(RuntimeError), folder.locked():
        raise RuntimeError
    with folder.locked():
        pass


def test_a_lock_file_of_an_ended_process_does_not_block(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").write_text("999999")
    with RunFolder(tmp_path, "run").locked():
        pass


def test_a_lock_that_cannot_be_written_is_a_user_error(tmp_path):
    (tmp_path / "run" / ".lock").mkdir(parents=True)
    message = r"cannot lock .*\.lock: Is a directory"
    with pytest.raises(UserError, match=message), RunFolder(tmp_path, "run").locked():
        pytest.fail("the lock was acquired")


def test_temporary_files_of_a_killed_process_are_removed(tmp_path):
    folder = RunFolder(tmp_path, "run")
    folder.checkpoints.mkdir(parents=True)
    temporary = [folder.checkpoints / ".step-000000004.ckpt.77.tmp", folder.path / ".a.csv.77.tmp"]
    others = [folder.checkpoints / "step-000000004.ckpt", folder.path / "notes.tmp"]
    for path in (*temporary, *others):
        path.write_text("x")
    with folder.locked():
        assert not any(path.exists() for path in temporary)
        assert all(path.exists() for path in others)


def test_a_folder_that_cannot_be_created_is_a_user_error(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (RunFolder(tmp_path / "file", "a"), RunFolder(tmp_path, "file")):
        with pytest.raises(UserError, match="cannot create"), folder.locked():
            pass


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "/a", "a/", "../a", "a\\b", "a\0b", "/", "./a"]
)
def test_names_of_more_than_one_path_component_are_rejected(tmp_path, name):
    with pytest.raises(UsageError, match="single path component"):
        RunFolder(tmp_path, name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a", "resnet20-A-seed0", "...", ".hidden", "ünicode", "a b"])
def test_other_names_are_accepted(tmp_path, name):
    assert RunFolder(tmp_path, name).path.parent == tmp_path


def test_a_name_that_is_too_long_is_a_user_error(tmp_path):
    with pytest.raises(UserError), RunFolder(tmp_path, "a" * 300).locked():
        pass


def test_clear_leaves_the_lock_and_files_of_others(tmp_path):
    folder = RunFolder(tmp_path, "run")
    with folder.locked():
        for path in (folder.config, folder.metrics, folder.model, folder.curve, folder.result):
            path.write_text("old")
        for path in (folder.checkpoints, folder.logs):
            path.mkdir()
            (path / "x").write_text("old")
        (folder.path / "notes.txt").write_text("mine")
        folder.clear()
        folder.clear()
    assert sorted(path.name for path in folder.path.iterdir()) == [".lock", "notes.txt"]
