"""Archives are read in memory, and only the expected regular files are accepted."""

import io
import random
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resnet_keras.data import archive
from resnet_keras.errors import UserError

# The second file cannot be compressed, so most bytes of an archive belong to its content.
FILES = {"one": b"1" * 5000, "two": random.Random(0).randbytes(10_000)}


def member(name, content=b"", **attributes):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content


def pack(path, *members):
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


def official(*more):
    return [member("set/", type=tarfile.DIRTYPE), *more] + [
        member(f"set/{name}", content) for name, content in FILES.items()
    ]


def read(path):
    return {name: content for name, _, content in archive.read_files(path, "set", list(FILES))}


def test_archive_and_folder_give_the_same_files(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    assert read(tmp_path) == FILES
    packed = pack(tmp_path / "a.tar.gz", *official(member("set/readme.html", b"x")))
    assert read(packed) == FILES
    sources = [source for _, source, _ in archive.read_files(packed, "set", ["one"])]
    assert sources == [f"{packed}: set/one"]


def test_member_names_may_start_with_a_dot(tmp_path):
    members = [member(f"./set/{name}", content) for name, content in FILES.items()]
    assert read(pack(tmp_path / "a.tar.gz", *members)) == FILES


def test_reading_stops_after_the_last_requested_file(tmp_path):
    path = pack(tmp_path / "a.tar.gz", *official(), member("../evil", b"x"))
    assert read(path) == FILES


@pytest.mark.parametrize(
    "evil",
    [
        member("../one", b"x"),
        member("set/../../one", b"x"),
        member("/set/one", b"x"),
        member("set/one", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("set/one", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
        member("set/one", type=tarfile.FIFOTYPE),
        member("set/one", type=tarfile.DIRTYPE),
        member("set/other", type=tarfile.SYMTYPE, linkname="one"),
    ],
    ids=lambda evil: f"{evil[0].name}-{evil[0].type.decode()}",
)
def test_links_and_paths_outside_the_folder_are_rejected(tmp_path, evil):
    path = pack(tmp_path / "a.tar.gz", *official(evil))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(
        UserError, match=r"a\.tar\.gz: .*(a link or a path outside|not a regular file)"
    ):
        read(path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("folder", ["", "other/", "set/deeper/"])
def test_files_in_another_folder_are_not_accepted(tmp_path, folder):
    members = [member(f"{folder}{name}", content) for name, content in FILES.items()]
    with pytest.raises(UserError, match="does not contain set/one, set/two"):
        read(pack(tmp_path / "a.tar.gz", *members))


@pytest.mark.parametrize("name", ["set/one", "set/not_requested"])
@pytest.mark.parametrize("size", [archive.MAX_BYTES + 1, 2**40])
def test_oversized_members_are_rejected_without_reading_them(tmp_path, name, size):
    path = tmp_path / "a.tar.gz"
    info, _ = member(name, size=size)
    with tarfile.open(path, "w:gz") as tar:
        tar.fileobj.write(info.tobuf(tarfile.GNU_FORMAT))
    with pytest.raises(UserError, match=rf"{name}: the file has {size} bytes"):
        read(path)


def test_oversized_files_in_a_folder_are_rejected_without_reading_them(tmp_path):
    with (tmp_path / "one").open("wb") as file:
        file.truncate(archive.MAX_BYTES + 1)
    with pytest.raises(UserError, match="one: the file has 268435457 bytes"):
        read(tmp_path)


def test_archives_with_too_many_members_are_rejected(tmp_path):
    path = pack(tmp_path / "a.tar.gz", *[member(f"set/{i}") for i in range(1001)], *official())
    with pytest.raises(UserError, match="more than 1000 members"):
        read(path)


def test_missing_files_are_named(tmp_path):
    (tmp_path / "one").write_bytes(b"x")
    with pytest.raises(UserError, match="two: no such file"):
        read(tmp_path)


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60
)
@given(st.floats(0, 0.95))
def test_truncated_archives_are_rejected(tmp_path, share):
    content = pack(tmp_path / "whole.tar.gz", *official()).read_bytes()
    path = tmp_path / "cut.tar.gz"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(
        UserError, match=r"cut\.tar\.gz: the archive (is truncated|does not contain)"
    ):
        read(path)


def test_truncation_inside_a_member_is_reported_as_such(tmp_path):
    content = pack(tmp_path / "whole.tar.gz", *official()).read_bytes()
    path = tmp_path / "cut.tar.gz"
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"cut\.tar\.gz: the archive is truncated or damaged"):
        read(path)


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100
)
@given(st.data())
def test_damaged_archives_raise_only_user_errors(tmp_path, data):
    path = tmp_path / "a.tar.gz"
    content = bytearray(pack(path, *official()).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        assert read(path).keys() == FILES.keys()
    except UserError as error:
        assert "a.tar.gz" in str(error)


@pytest.mark.parametrize("content", [b"", b"not gzip", b"\x1f\x8b"])
def test_files_that_are_not_archives_are_rejected(tmp_path, content):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(content)
    with pytest.raises(UserError, match="truncated or damaged"):
        read(path)
