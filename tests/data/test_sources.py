"""CIFAR is found where it was said to be, and one message says what to do where it is not."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from resnet_keras.data import sources, tfds
from resnet_keras.data.cifar_formats import FORMATS
from resnet_keras.data.dataset import Dataset, Images
from resnet_keras.errors import UsageError, UserError

CIFAR10 = [form for form in FORMATS if form.dataset == "cifar10"]


def tiny(name="cifar10"):
    part = Images(np.zeros((1, 32, 32, 3), np.uint8), np.zeros(1, np.int32))
    return Dataset(name, ("a",), part, part)


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch):
    """No variable is set, and neither the files' content nor the network matters."""
    monkeypatch.delenv(sources.VARIABLE, raising=False)
    monkeypatch.setattr(sources.cifar, "read", lambda form, path: (form, path))
    monkeypatch.setattr(sources.cifar, "verify", lambda *arguments: None)
    monkeypatch.setattr(sources.tfds, "load", lambda *arguments: ("tfds", *arguments))


def place(parent, form, packed):
    path = parent / (form.archive if packed else form.folder)
    path.touch() if packed else path.mkdir()
    return path


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.folder)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("itself", [False, True])
@pytest.mark.parametrize("how", ["argument", "variable"])
def test_every_official_form(tmp_path, monkeypatch, form, packed, itself, how):
    path = place(tmp_path, form, packed)
    given = str(path if itself else tmp_path)
    if how == "variable":
        monkeypatch.setenv(sources.VARIABLE, given)
        given = None
    assert sources.load_cifar(form.dataset, given) == (form, path)


def test_order_of_forms(tmp_path):
    python, binary = CIFAR10
    for form, packed in ((binary, True), (python, True), (binary, False), (python, False)):
        path = place(tmp_path, form, packed)
        assert sources.load_cifar("cifar10", str(tmp_path)) == (form, path)


def test_argument_comes_before_variable(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        place(tmp_path / name, CIFAR10[0], True)
    monkeypatch.setenv(sources.VARIABLE, str(tmp_path / "a"))
    _, path = sources.load_cifar("cifar10", str(tmp_path / "b"))
    assert path.parent.name == "b"


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = place(tmp_path, CIFAR10[0], True)
    assert sources.load_cifar("cifar10", "~") == (CIFAR10[0], path)


@pytest.mark.parametrize("how", ["--data-dir ", f"{sources.VARIABLE}="])
@pytest.mark.parametrize("kind", ["empty", "absent", "file", "other"])
def test_a_place_without_it_is_an_error_at_once(tmp_path, monkeypatch, how, kind):
    path = tmp_path / "place"
    if kind == "file":
        path.touch()
    elif kind != "absent":
        path.mkdir()
    if kind == "other":
        place(path, FORMATS[2], True)
    monkeypatch.setattr(sources.tfds, "load", lambda *arguments: pytest.fail("tried the next"))
    if how.startswith(sources.VARIABLE):
        monkeypatch.setenv(sources.VARIABLE, str(path))
    with pytest.raises(UserError) as caught:
        sources.load_cifar("cifar10", None if how.startswith(sources.VARIABLE) else str(path))
    message = str(caught.value)
    assert message.startswith(f"{how}{path}: ")
    assert ("does not exist" in message) == (kind == "absent")
    for form in CIFAR10:
        assert form.archive in message and form.folder in message
    assert caught.value.exit_status == 1


def test_a_file_of_the_archives_name_in_a_folders_place(tmp_path):
    (tmp_path / CIFAR10[0].archive).mkdir()
    (tmp_path / CIFAR10[0].folder).touch()
    with pytest.raises(UserError, match="there is no cifar10"):
        sources.load_cifar("cifar10", str(tmp_path))


def test_a_prepared_set_in_the_given_folder(tmp_path):
    prepared = tmp_path / "cifar10" / "3.0.2"
    prepared.mkdir(parents=True)
    with pytest.raises(UserError, match="there is no cifar10"):
        sources.load_cifar("cifar10", str(tmp_path))
    (prepared / "dataset_info.json").touch()
    assert sources.load_cifar("cifar10", str(tmp_path)) == ("tfds", "cifar10", str(tmp_path))


def test_tensorflow_datasets_come_last():
    assert sources.load_cifar("cifar100") == ("tfds", "cifar100")


def test_tensorflow_datasets_are_verified(monkeypatch):
    monkeypatch.undo()
    monkeypatch.delenv(sources.VARIABLE, raising=False)
    monkeypatch.setattr(sources.tfds, "load", lambda *arguments: tiny())
    with pytest.raises(UserError, match="TensorFlow Datasets: the train images of cifar10 differ"):
        sources.load_cifar("cifar10")


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_one_message_where_there_is_nothing(monkeypatch, name):
    def fail(*arguments):
        raise tfds.NotAvailable("there is no network")

    monkeypatch.setattr(sources.tfds, "load", fail)
    with pytest.raises(UserError) as caught:
        sources.load_cifar(name)
    message = str(caught.value)
    archive = next(form.archive for form in FORMATS if form.dataset == name)
    for part in (name, archive, "--data-dir", sources.VARIABLE, f"tfds build {name}", "no network"):
        assert part in message
    assert "\n" not in message and "(3)" in message


def test_registry(monkeypatch, tmp_path):
    path = place(tmp_path, CIFAR10[0], True)
    assert sources.load("cifar10", str(tmp_path)) == (CIFAR10[0], path)
    assert sources.load("cifar100") == ("tfds", "cifar100")
    assert sources.load("mnist", "/d", 28) == ("tfds", "mnist", "/d", 28)
    assert sources.KNOWN == ("cifar10", "cifar100", "digits", "folder", "imagenet2012")


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "digits"])
def test_image_size_of_sets_that_have_one(name):
    with pytest.raises(UsageError, match=f"{name} have 32x32 pixels.*Received: 64"):
        sources.load(name, None, 64)


def test_unknown_names_list_ours_and_the_nearest(monkeypatch):
    def fail(name, *arguments):
        raise tfds.UnknownName(name, ["cifar10", "cifar10_n"])

    monkeypatch.setattr(sources.tfds, "load", fail)
    with pytest.raises(UsageError) as caught:
        sources.load("cifr10")
    assert str(caught.value) == (
        "unknown data set 'cifr10'; known: cifar10, cifar100, cifar10_n, folder, imagenet2012, "
        "digits"
    )


def test_unknown_names_without_tensorflow_datasets(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(UsageError, match=r"unknown data set 'x'.*digits.*pip install tensorflow-d"):
        sources.load("x")
    with pytest.raises(UserError, match=r"cifar10 was not found.*pip install tensorflow-datasets"):
        monkeypatch.delenv(sources.VARIABLE, raising=False)
        sources.load("cifar10")


def test_imports_are_cheap():
    heavy = "{'tensorflow', 'keras', 'sklearn', 'tensorflow_datasets'}"
    code = f"import sys, resnet_keras.data.sources; print({heavy} & set(sys.modules))"
    # The package's parent, wherever the tests are run from.
    root = Path(sources.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_a_folder_is_known_by_what_is_in_it(tmp_path, monkeypatch):
    form = FORMATS[0]
    renamed = tmp_path / "my cifar"
    renamed.mkdir()
    for file in form.files:
        (renamed / file).write_bytes(b"")
    assert sources.find(form.dataset, renamed) == (form, renamed)
    monkeypatch.chdir(renamed)
    assert sources.find(form.dataset, Path(".")) == (form, Path("."))
    (renamed / form.files[0]).unlink()
    assert sources.find(form.dataset, renamed) is None
