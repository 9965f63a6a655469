"""Files and folders are written completely or not at all."""

import errno
import os
import stat

import pytest

from resnet_keras.errors import UsageError, UserError
from resnet_keras.files import (
    atomic_folder,
    atomic_write,
    make_folder,
    path_component,
    remove_unfinished,
)


class Broken(Exception):
    pass


def entries(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_file_is_replaced_at_the_end(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == tmp_path
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert entries(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [Broken, KeyboardInterrupt])
def test_a_failing_block_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert entries(tmp_path) == ["a.txt"]


def test_a_failing_block_leaves_no_new_file(tmp_path):
    with pytest.raises(Broken), atomic_write(tmp_path / "a.txt"):
        raise Broken
    assert entries(tmp_path) == []


def test_a_full_disk_is_a_user_error(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    message = r"cannot write .*a\.txt: No space left on device"
    with pytest.raises(UserError, match=message), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert path.read_text() == "old"
    assert entries(tmp_path) == ["a.txt"]


def test_a_missing_folder_is_a_user_error(tmp_path):
    path = tmp_path / "none" / "a.txt"
    with pytest.raises(UserError, match="cannot write"), atomic_write(path) as temporary:
        temporary.write_text("x")


def test_a_file_in_place_of_the_folder_is_a_user_error(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "a.txt"
    with pytest.raises(UserError, match="cannot write"), atomic_write(path) as temporary:
        temporary.write_text("x")


def test_a_file_that_was_never_written_is_an_error(tmp_path):
    with pytest.raises(UserError), atomic_write(tmp_path / "a.txt"):
        pass
    assert entries(tmp_path) == []


def test_the_folder_appears_complete(tmp_path):
    path = tmp_path / "models" / "1"
    with atomic_folder(path) as temporary:
        (temporary / "a").write_text("1")
        (temporary / "sub").mkdir()
        (temporary / "sub" / "b").write_text("2")
        assert not path.exists()
        names = entries(tmp_path / "models")
        # TensorFlow Serving loads folders whose names are numbers.
        assert all(name.startswith(".") and not name.isdecimal() for name in names)
    assert entries(tmp_path / "models") == ["1"]
    assert entries(path) == ["a", "sub"]
    assert (path / "sub" / "b").read_text() == "2"


def test_other_users_can_read_the_folder(tmp_path):
    old = os.umask(0o022)
    try:
        with atomic_folder(tmp_path / "1") as temporary:
            (temporary / "a").write_text("1")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "1").stat().st_mode) == 0o755


@pytest.mark.parametrize("error", [Broken, KeyboardInterrupt])
def test_a_failing_block_leaves_no_folder(tmp_path, error):
    with pytest.raises(error), atomic_folder(tmp_path / "1") as temporary:
        (temporary / "a").write_text("1")
        raise error
    assert entries(tmp_path) == []


def test_a_folder_that_appears_in_the_meantime_is_kept(tmp_path):
    path = tmp_path / "1"
    with pytest.raises(UserError, match="cannot write"), atomic_folder(path) as temporary:
        (temporary / "mine").write_text("1")
        path.mkdir()
        (path / "theirs").write_text("2")
    assert entries(path) == ["theirs"]
    assert entries(tmp_path) == ["1"]


def test_a_parent_that_is_a_file_is_a_user_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"), atomic_folder(tmp_path / "file/1"):
        pass


def test_make_folder(tmp_path):
    assert make_folder(tmp_path / "a" / "b").is_dir()
    assert make_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot create the folder"):
        make_folder(tmp_path / "file")
    with pytest.raises(UserError, match="cannot create the folder"):
        make_folder(tmp_path / "file" / "b")


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write anywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(UserError, match="permission"):
            make_folder(tmp_path)
        with (
            pytest.raises(UserError, match="Permission"),
            atomic_write(tmp_path / "a") as temporary,
        ):
            temporary.write_text("x")
    finally:
        tmp_path.chmod(0o755)


def test_only_temporary_files_of_killed_processes_are_removed(tmp_path):
    with atomic_write(tmp_path / "kept") as temporary:
        temporary.write_text("whole")
    names = [temporary.name, f"{temporary.name}.keras"]
    others = ("kept", ".lock", "tmp", "a.tmp", ".hidden")
    for name in (*names, *others):
        (tmp_path / name).write_text("x")
    remove_unfinished(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)
    remove_unfinished(tmp_path / "no such folder")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0", 5, "é" * 101])
def test_path_component(name):
    with pytest.raises(UsageError, match="a run's name"):
        path_component(name, "a run's name")
    assert path_component("é" * 100, "a run's name") == "é" * 100
