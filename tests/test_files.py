"""Files and folders are there whole or not at all."""

import errno
import os
import stat

import pytest

from resnet_keras.errors import UsageError, UserError
from resnet_keras.files import (
    folder_written_whole,
    make_folder,
    one_component,
    remove_unfinished,
    written_whole,
)


class Broken(Exception):
    pass


def entries(folder):
    return sorted(path.name for path in folder.iterdir())


def test_file_takes_its_place_at_the_end(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with written_whole(path) as beside:
        beside.write_text("new")
        assert beside.parent == tmp_path
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert entries(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [Broken, KeyboardInterrupt])
def test_failing_block_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), written_whole(path) as beside:
        beside.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert entries(tmp_path) == ["a.txt"]


def test_failing_block_leaves_no_file_where_there_was_none(tmp_path):
    with pytest.raises(Broken), written_whole(tmp_path / "a.txt"):
        raise Broken
    assert entries(tmp_path) == []


def test_a_full_disk_is_one_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    words = r"cannot write .*a\.txt: No space left on device"
    with pytest.raises(UserError, match=words), written_whole(path) as beside:
        beside.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert path.read_text() == "old"
    assert entries(tmp_path) == ["a.txt"]


def test_a_missing_folder_is_one_line(tmp_path):
    path = tmp_path / "none" / "a.txt"
    with pytest.raises(UserError, match="cannot write"), written_whole(path) as beside:
        beside.write_text("x")


def test_a_file_in_place_of_the_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "a.txt"
    with pytest.raises(UserError, match="cannot write"), written_whole(path) as beside:
        beside.write_text("x")


def test_a_file_that_was_never_written_is_an_error(tmp_path):
    with pytest.raises(UserError), written_whole(tmp_path / "a.txt"):
        pass
    assert entries(tmp_path) == []


def test_folder_appears_whole(tmp_path):
    path = tmp_path / "models" / "1"
    with folder_written_whole(path) as beside:
        (beside / "a").write_text("1")
        (beside / "sub").mkdir()
        (beside / "sub" / "b").write_text("2")
        assert not path.exists()
        names = entries(tmp_path / "models")
        # TensorFlow Serving takes folders whose names are numbers.
        assert all(name.startswith(".") and not name.isdecimal() for name in names)
    assert entries(tmp_path / "models") == ["1"]
    assert entries(path) == ["a", "sub"]
    assert (path / "sub" / "b").read_text() == "2"


def test_others_may_read_the_folder(tmp_path):
    old = os.umask(0o022)
    try:
        with folder_written_whole(tmp_path / "1") as beside:
            (beside / "a").write_text("1")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "1").stat().st_mode) == 0o755


@pytest.mark.parametrize("error", [Broken, KeyboardInterrupt])
def test_failing_block_leaves_no_folder(tmp_path, error):
    with pytest.raises(error), folder_written_whole(tmp_path / "1") as beside:
        (beside / "a").write_text("1")
        raise error
    assert entries(tmp_path) == []


def test_a_folder_that_appeared_meanwhile_is_not_touched(tmp_path):
    path = tmp_path / "1"
    with pytest.raises(UserError, match="cannot write"), folder_written_whole(path) as beside:
        (beside / "mine").write_text("1")
        path.mkdir()
        (path / "theirs").write_text("2")
    assert entries(path) == ["theirs"]
    assert entries(tmp_path) == ["1"]


def test_a_parent_that_is_a_file_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"), folder_written_whole(tmp_path / "file/1"):
        pass


def test_make_folder(tmp_path):
    assert make_folder(tmp_path / "a" / "b").is_dir()
    assert make_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot make the folder"):
        make_folder(tmp_path / "file")
    with pytest.raises(UserError, match="cannot make the folder"):
        make_folder(tmp_path / "file" / "b")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(UserError, match="permission"):
            make_folder(tmp_path)
        with pytest.raises(UserError, match="Permission"), written_whole(tmp_path / "a") as beside:
            beside.write_text("x")
    finally:
        tmp_path.chmod(0o755)


def test_what_a_killed_process_was_writing_is_removed_and_nothing_else(tmp_path):
    with written_whole(tmp_path / "kept") as beside:
        beside.write_text("whole")
    names = [beside.name, f"{beside.name}.keras"]
    others = ("kept", ".lock", "tmp", "a.tmp", ".hidden")
    for name in (*names, *others):
        (tmp_path / name).write_text("x")
    remove_unfinished(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)
    remove_unfinished(tmp_path / "no such folder")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0", 5, "é" * 101])
def test_what_is_no_name_of_a_folder(name):
    with pytest.raises(UsageError, match="a run's name"):
        one_component(name, "a run's name")
    assert one_component("é" * 100, "a run's name") == "é" * 100
