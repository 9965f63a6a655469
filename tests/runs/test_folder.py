"""Who may write to a run's folder, and what stands in it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from resnet_keras.errors import UsageError, UserError
from resnet_keras.files import read_json, write_json
from resnet_keras.recipe import Recipe
from resnet_keras.runs.config import read_recipe
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
    """Another process that has the lock of `tmp_path/run`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().strip() == "locked"
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path, holder, how):
    folder = RunFolder(tmp_path, "run")
    words = f"another run .process {holder.pid}.*--name"
    with pytest.raises(UserError, match=words), folder.locked():
        pytest.fail("both have it")
    # The one who was refused has not taken the lock away.
    with pytest.raises(UserError, match=str(holder.pid)), folder.locked():
        pass
    with RunFolder(tmp_path, "other").locked():
        pass
    os.kill(holder.pid, how)
    holder.wait()
    with folder.locked():
        assert (folder.path / ".lock").read_text() == str(os.getpid())


def test_the_lock_is_free_again(tmp_path):
    folder = RunFolder(tmp_path / "deep" / "runs", "run")
    for _ in range(2):
        with folder.locked():
            assert folder.path.is_dir()
    with pytest.raises(RuntimeError), folder.locked():
        raise RuntimeError
    with folder.locked():
        pass


def test_a_lock_left_behind_does_not_block(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").write_text("999999")
    with RunFolder(tmp_path, "run").locked():
        pass


def test_a_lock_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "run" / ".lock").mkdir(parents=True)
    words = r"cannot lock .*\.lock: Is a directory"
    with pytest.raises(UserError, match=words), RunFolder(tmp_path, "run").locked():
        pytest.fail("it has none")


def test_what_a_killed_process_was_writing_is_removed(tmp_path):
    folder = RunFolder(tmp_path, "run")
    folder.checkpoints.mkdir(parents=True)
    left = [folder.checkpoints / ".step-000000004.ckpt.77.tmp", folder.path / ".a.csv.77.tmp"]
    kept = [folder.checkpoints / "step-000000004.ckpt", folder.path / "notes.tmp"]
    for path in (*left, *kept):
        path.write_text("x")
    with folder.locked():
        assert not any(path.exists() for path in left)
        assert all(path.exists() for path in kept)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot make"), RunFolder(tmp_path / "file", "a").locked():
        pass
    with pytest.raises(UserError, match="cannot make"), RunFolder(tmp_path, "file").locked():
        pass


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "/a", "a/", "../a", "a\\b", "a\0b", "/", "./a"]
)
def test_names_that_are_not_one_path_component(tmp_path, name):
    with pytest.raises(UsageError, match="one path component"):
        RunFolder(tmp_path, name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a", "resnet20-A-seed0", "...", ".hidden", "ünicode", "a b"])
def test_names_that_are(tmp_path, name):
    assert RunFolder(tmp_path, name).path.parent == tmp_path


def test_a_name_too_long_for_the_disk_is_one_line(tmp_path):
    with pytest.raises(UserError), RunFolder(tmp_path, "a" * 300).locked():
        pass


def started(tmp_path, recipe):
    folder = RunFolder(tmp_path, "run")
    folder.path.mkdir()
    write_json(folder.config, {"recipe": recipe.to_json(), "versions": {"keras": "3"}})
    return folder


def test_check_same(tmp_path):
    recipe = Recipe("resnet20", drops=(5, 7), learning_rate=0.3)
    folder = started(tmp_path, recipe)
    folder.check_same(recipe)
    folder.check_same(Recipe("resnet20", option="A", drops=(5, 7), learning_rate=0.3))
    other = Recipe("resnet20", drops=(5, 8), learning_rate=0.3, seed=4)
    with pytest.raises(UserError) as caught:
        folder.check_same(other)
    message = str(caught.value)
    assert "drops: 5,8 here, 5,7 there" in message and "seed: 4 here, 0 there" in message
    assert "learning_rate" not in message and str(folder.path) in message


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"recipe": 3}', '{"recipe": {}}', '{"recipe": {"arch": "x"}}',
             '{"arch": "resnet20", "colour": 1}', '{"recipe": {"arch": "resnet20", "steps": "3"}}'],
)  # fmt: skip
def test_a_damaged_config_is_named(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"config\.json"):
        read_recipe(path)


def test_a_config_that_is_no_text(tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"config\.json"):
        read_recipe(path)
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(UserError, match=f"cannot read {path}"):
            read_recipe(path)


def test_recipe_alone_or_in_a_config(tmp_path):
    recipe = Recipe("resnet56", seed=3)
    write_json(tmp_path / "a.json", recipe.to_json())
    write_json(tmp_path / "b.json", {"recipe": recipe.to_json(), "device": "x"})
    assert read_recipe(tmp_path / "a.json") == read_recipe(str(tmp_path / "b.json")) == recipe


def test_json_files(tmp_path):
    values = {"a": [1, 2.5, None], "ü": {"b": "ß"}}
    write_json(tmp_path / "x.json", values)
    assert read_json(tmp_path / "x.json") == values
    assert json.loads((tmp_path / "x.json").read_text("utf-8")) == values
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"a": object()})
    assert read_json(tmp_path / "x.json") == values
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_clear_leaves_the_lock_and_strangers(tmp_path):
    folder = started(tmp_path, Recipe("resnet20"))
    with folder.locked():
        for path in (folder.metrics, folder.model, folder.curve, folder.result):
            path.write_text("old")
        for path in (folder.checkpoints, folder.logs):
            path.mkdir()
            (path / "x").write_text("old")
        (folder.path / "notes.txt").write_text("mine")
        folder.clear()
        folder.clear()
    assert sorted(path.name for path in folder.path.iterdir()) == [".lock", "notes.txt"]
