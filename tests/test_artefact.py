"""What a path from the command line refers to: every kind of path, and every wrong input."""

import os

import pytest

from resnet_keras.artefact import Format, newest_version, resolve_artefact, version_number
from resnet_keras.errors import UsageError, UserError


def make_version(folder):
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").touch()
    return folder


@pytest.fixture
def export(tmp_path):
    """An export folder with the versions 2 and 10."""
    for name in ("2", "10"):
        make_version(tmp_path / "saved_models" / "net" / name)
    return tmp_path / "saved_models" / "net"


@pytest.fixture
def run(tmp_path):
    """The folder of a finished run."""
    folder = tmp_path / "runs" / "net"
    folder.mkdir(parents=True)
    for name in ("config.json", "metrics.csv", "model.keras", "result.json"):
        (folder / name).touch()
    return folder


def test_keras_file(run):
    found = resolve_artefact(run / "model.keras")
    assert (found.path, found.format) == (run / "model.keras", Format.KERAS)


def test_keras_file_of_any_name(tmp_path):
    (tmp_path / "network").touch()
    assert resolve_artefact(tmp_path / "network").format is Format.KERAS


def test_run_folder(run):
    found = resolve_artefact(run)
    assert (found.path, found.format) == (run / "model.keras", Format.KERAS)
    assert resolve_artefact(run, Format.KERAS) == found


def test_version_folder(export):
    found = resolve_artefact(export / "2")
    assert (found.path, found.format) == (export / "2", Format.SAVED_MODEL)


def test_export_folder_means_its_newest_version(export):
    found = resolve_artefact(str(export))
    assert (found.path, found.format) == (export / "10", Format.SAVED_MODEL)
    assert resolve_artefact(export, Format.SAVED_MODEL) == found


@pytest.mark.parametrize("name", ["01", "11", "0011"])
def test_version_folder_with_leading_zeros(export, name):
    version = make_version(export / name)
    assert resolve_artefact(version).path == version
    newest = version if int(name) > 10 else export / "10"
    assert resolve_artefact(export).path == newest


def test_two_names_of_one_version(export):
    make_version(export / "010")
    assert newest_version(export) == export / "10"


@pytest.mark.parametrize("name", ["draft", ".11.x.tmp", "11.tmp", "-11", "1e3", "١١", "²"])
def test_other_folders_are_not_versions(export, name):
    make_version(export / name)
    assert version_number(name) is None
    assert newest_version(export) == export / "10"


def test_a_file_is_not_a_version(export):
    (export / "11").touch()
    assert newest_version(export) == export / "10"


def test_a_folder_with_both_formats(export, run):
    make_version(run / "1")
    assert resolve_artefact(run).path == run / "1"
    assert resolve_artefact(run, Format.SAVED_MODEL).path == run / "1"
    assert resolve_artefact(run, Format.KERAS).path == run / "model.keras"


def test_links_are_followed(export, run, tmp_path):
    (tmp_path / "link").symlink_to(export)
    assert resolve_artefact(tmp_path / "link").path == tmp_path / "link" / "10"
    (tmp_path / "dangling").symlink_to(tmp_path / "absent")
    with pytest.raises(UserError, match="dangling does not exist"):
        resolve_artefact(tmp_path / "dangling")


def message_of(path, *formats, **options):
    with pytest.raises(UserError) as caught:
        resolve_artefact(path, *formats, **options)
    message = str(caught.value)
    assert not isinstance(caught.value, UsageError)
    assert str(path) in message and "\n" not in message
    return message


@pytest.mark.parametrize("name", ["absent", "absent.keras", "file/inside", "nul\0"])
def test_missing_path(tmp_path, name):
    (tmp_path / "file").touch()
    path = tmp_path / name
    message = message_of(path)
    assert message.endswith(
        "does not exist: give an export folder such as saved_models/NAME, the folder of a finished "
        "run or a .keras file"
    )
    message = message_of(path, Format.KERAS)
    assert message.endswith("give the folder of a finished run or a .keras file")
    message = message_of(path, Format.SAVED_MODEL, alternative="a model's URL")
    assert message.endswith("give an export folder such as saved_models/NAME or a model's URL")


def test_empty_export_folder(tmp_path):
    assert newest_version(tmp_path) is None
    assert "neither a SavedModel nor a finished run" in message_of(tmp_path)
    assert "neither saved_model.pb nor version folders" in message_of(tmp_path, Format.SAVED_MODEL)
    assert "contains no model.keras" in message_of(tmp_path, Format.KERAS)


def test_folder_of_export_folders(export):
    assert "no version folders (1, 2, …)" in message_of(export.parent)


def test_unfinished_run(run):
    (run / "model.keras").unlink()
    (run / "result.json").unlink()
    for formats in ((), (Format.KERAS,), (Format.SAVED_MODEL,)):
        message = message_of(run, *formats)
        assert message.startswith(f"the run folder {run} has no model.keras: ")
        assert "the run is not complete" in message
        assert "The command that started the run resumes it" in message


def test_newest_version_without_a_graph(export):
    (export / "11").mkdir()
    with pytest.raises(UserError, match="11 is the newest version but contains no saved_model"):
        resolve_artefact(export)
    # The other versions can still be used.
    assert resolve_artefact(export / "10").path == export / "10"


def test_a_saved_model_where_a_keras_file_is_needed(export):
    for path in (export, export / "2"):
        assert "is a SavedModel, which cannot be used here" in message_of(path, Format.KERAS)


def test_a_keras_file_where_a_saved_model_is_needed(run):
    for path in (run, run / "model.keras"):
        message = message_of(path, Format.SAVED_MODEL)
        assert "is not a SavedModel: create one" in message
        assert message.endswith(f"python -m resnet_keras export {path}")


def test_a_path_that_cannot_be_read(tmp_path, monkeypatch):
    def denied(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", denied)
    assert message_of(tmp_path) == f"cannot read {tmp_path}: Permission denied"
    too_long = tmp_path / ("x" * 5000)
    assert message_of(too_long).startswith("cannot read ")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every folder")
def test_a_folder_without_permissions(tmp_path):
    tmp_path.chmod(0)
    try:
        assert "Permission denied" in message_of(tmp_path)
        assert "Permission denied" in message_of(tmp_path / "inside")
    finally:
        tmp_path.chmod(0o700)
