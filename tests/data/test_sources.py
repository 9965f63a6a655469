"""Data sets by name: where CIFAR is found, the errors if it is not, and the digits."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from resnet_keras.data import sources, tfds
from resnet_keras.data.cifar_formats import FORMATS
from resnet_keras.data.dataset import Dataset, Images
from resnet_keras.errors import UsageError, UserError

CIFAR10_PYTHON, CIFAR10_BINARY, CIFAR100_PYTHON, _ = FORMATS


def tiny_dataset(name="cifar10"):
    images = Images(np.zeros((1, 32, 32, 3), np.uint8), np.zeros(1, np.int32))
    return Dataset(name, ("a",), images, images)


@pytest.fixture(autouse=True)
def readers_replaced(monkeypatch):
    """Unsets the variable and replaces reading by returning the arguments of the reader."""
    monkeypatch.delenv(sources.DATA_DIR_VARIABLE, raising=False)
    monkeypatch.setattr(sources.cifar, "read", lambda cifar_format, path: (cifar_format, path))
    monkeypatch.setattr(sources.cifar, "verify_sha256", lambda *arguments: None)
    monkeypatch.setattr(sources.tfds, "load", lambda *arguments: ("tfds", *arguments))


def create(parent, cifar_format, packed):
    path = parent / (cifar_format.archive if packed else cifar_format.folder)
    path.touch() if packed else path.mkdir()
    return path


@pytest.mark.parametrize("cifar_format", FORMATS, ids=lambda cifar_format: cifar_format.folder)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("itself", [False, True])
@pytest.mark.parametrize("how", ["argument", "variable"])
def test_every_official_format_is_found(tmp_path, monkeypatch, cifar_format, packed, itself, how):
    path = create(tmp_path, cifar_format, packed)
    given = str(path if itself else tmp_path)
    if how == "variable":
        monkeypatch.setenv(sources.DATA_DIR_VARIABLE, given)
        given = None
    assert sources.load_cifar(cifar_format.dataset, given) == (cifar_format, path)


def test_preference_among_formats(tmp_path):
    python, binary = CIFAR10_PYTHON, CIFAR10_BINARY
    for cifar_format, packed in ((binary, True), (python, True), (binary, False), (python, False)):
        path = create(tmp_path, cifar_format, packed)
        assert sources.load_cifar("cifar10", str(tmp_path)) == (cifar_format, path)


def test_data_dir_is_preferred_to_the_variable(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        create(tmp_path / name, CIFAR10_PYTHON, True)
    monkeypatch.setenv(sources.DATA_DIR_VARIABLE, str(tmp_path / "a"))
    _, path = sources.load_cifar("cifar10", str(tmp_path / "b"))
    assert path.parent.name == "b"


def test_tilde_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = create(tmp_path, CIFAR10_PYTHON, True)
    assert sources.load_cifar("cifar10", "~") == (CIFAR10_PYTHON, path)


@pytest.mark.parametrize("how", ["--data-dir ", f"{sources.DATA_DIR_VARIABLE}="])
@pytest.mark.parametrize("kind", ["empty", "absent", "file", "other"])
def test_nothing_else_is_tried_if_a_given_location_has_no_cifar(tmp_path, monkeypatch, how, kind):
    path = tmp_path / "location"
    if kind == "file":
        path.touch()
    elif kind != "absent":
        path.mkdir()
    if kind == "other":
        create(path, CIFAR100_PYTHON, True)
    monkeypatch.setattr(
        sources.tfds, "load", lambda *arguments: pytest.fail("tried TensorFlow Datasets")
    )
    if how.startswith(sources.DATA_DIR_VARIABLE):
        monkeypatch.setenv(sources.DATA_DIR_VARIABLE, str(path))
    with pytest.raises(UserError) as caught:
        sources.load_cifar(
            "cifar10", None if how.startswith(sources.DATA_DIR_VARIABLE) else str(path)
        )
    message = str(caught.value)
    assert message.startswith(f"{how}{path}: ")
    assert ("does not exist" in message) == (kind == "absent")
    for cifar_format in (CIFAR10_PYTHON, CIFAR10_BINARY):
        assert cifar_format.archive in message and cifar_format.folder in message
    assert caught.value.exit_status == 1


def test_folders_named_like_archives_are_not_found(tmp_path):
    (tmp_path / CIFAR10_PYTHON.archive).mkdir()
    (tmp_path / CIFAR10_PYTHON.folder).touch()
    with pytest.raises(UserError, match="cifar10 was not found there"):
        sources.load_cifar("cifar10", str(tmp_path))


def test_a_folder_prepared_by_tensorflow_datasets_is_found(tmp_path):
    prepared = tmp_path / "cifar10" / "3.0.2"
    prepared.mkdir(parents=True)
    with pytest.raises(UserError, match="cifar10 was not found there"):
        sources.load_cifar("cifar10", str(tmp_path))
    (prepared / "dataset_info.json").touch()
    assert sources.load_cifar("cifar10", str(tmp_path)) == ("tfds", "cifar10", str(tmp_path))


def test_tensorflow_datasets_is_used_if_no_location_is_given():
    assert sources.load_cifar("cifar100") == ("tfds", "cifar100")


def test_cifar_from_tensorflow_datasets_is_verified(monkeypatch):
    monkeypatch.undo()
    monkeypatch.delenv(sources.DATA_DIR_VARIABLE, raising=False)
    monkeypatch.setattr(sources.tfds, "load", lambda *arguments: tiny_dataset())
    with pytest.raises(UserError, match="TensorFlow Datasets: the train images of cifar10 differ"):
        sources.load_cifar("cifar10")


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_the_error_names_every_way_to_get_cifar(monkeypatch, name):
    def fail(*arguments):
        raise tfds.UnavailableError("there is no network")

    monkeypatch.setattr(sources.tfds, "load", fail)
    with pytest.raises(UserError) as caught:
        sources.load_cifar(name)
    message = str(caught.value)
    archive = next(cifar_format.archive for cifar_format in FORMATS if cifar_format.dataset == name)
    for part in (
        name,
        archive,
        "--data-dir",
        sources.DATA_DIR_VARIABLE,
        f"tfds build {name}",
        "no network",
    ):
        assert part in message
    assert "\n" not in message and "(3)" in message


def test_load_dataset_by_name(monkeypatch, tmp_path):
    path = create(tmp_path, CIFAR10_PYTHON, True)
    assert sources.load_dataset("cifar10", str(tmp_path)) == (CIFAR10_PYTHON, path)
    assert sources.load_dataset("cifar100") == ("tfds", "cifar100")
    assert sources.load_dataset("mnist", "/d", 28) == ("tfds", "mnist", "/d", 28)
    assert sources.DATASET_NAMES == ("cifar10", "cifar100", "digits", "folder", "imagenet2012")


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "digits"])
def test_image_size_is_rejected_for_sets_of_one_size(name):
    with pytest.raises(UsageError, match=f"{name} have 32x32 pixels.*Received: 64"):
        sources.load_dataset(name, None, 64)


def test_unknown_names_list_the_known_and_the_most_similar_ones(monkeypatch):
    def fail(name, *arguments):
        raise tfds.UnknownDatasetError(name, ["cifar10", "cifar10_n"])

    monkeypatch.setattr(sources.tfds, "load", fail)
    with pytest.raises(UsageError) as caught:
        sources.load_dataset("cifr10")
    assert str(caught.value) == (
        "unknown data set 'cifr10'; known: cifar10, cifar100, cifar10_n, folder, imagenet2012, "
        "digits"
    )


def test_errors_without_tensorflow_datasets(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(UsageError, match=r"unknown data set 'x'.*digits.*pip install tensorflow-d"):
        sources.load_dataset("x")
    with pytest.raises(UserError, match=r"cifar10 was not found.*pip install tensorflow-datasets"):
        monkeypatch.delenv(sources.DATA_DIR_VARIABLE, raising=False)
        sources.load_dataset("cifar10")


def test_importing_sources_imports_nothing_heavy():
    heavy = "{'tensorflow', 'keras', 'sklearn', 'tensorflow_datasets'}"
    code = f"import sys, resnet_keras.data.sources; print({heavy} & set(sys.modules))"
    # The parent of the package, because tests may run in any folder.
    root = Path(sources.__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"


def test_a_renamed_folder_is_recognized_by_its_files(tmp_path, monkeypatch):
    cifar_format = CIFAR10_PYTHON
    renamed = tmp_path / "my cifar"
    renamed.mkdir()
    for file in cifar_format.files:
        (renamed / file).write_bytes(b"")
    assert sources.find_cifar(cifar_format.dataset, renamed) == (cifar_format, renamed)
    monkeypatch.chdir(renamed)
    assert sources.find_cifar(cifar_format.dataset, Path(".")) == (cifar_format, Path("."))
    (renamed / cifar_format.files[0]).unlink()
    assert sources.find_cifar(cifar_format.dataset, renamed) is None


@pytest.fixture(scope="module")
def digits():
    pytest.importorskip("sklearn")
    return sources.load_digits()


def test_enlarge_digits():
    intensities = np.zeros((1, 8, 8))
    intensities[0, 2, 7], intensities[0, 0, 0] = 16, 3
    image = sources.enlarge_digits(intensities)[0]
    assert image.shape == (32, 32, 3) and image.dtype == np.uint8
    assert (image[8:12, 28:32] == 255).all()
    assert (image[:4, :4] == 48).all()  # 47.8
    assert image.sum() == 16 * 3 * (255 + 48)


def test_digits_shapes(digits):
    assert digits.train.images.shape == (1437, 32, 32, 3)
    assert digits.test.images.shape == (360, 32, 32, 3)
    assert digits.class_names == tuple("0123456789")
    assert not digits.flip


def test_digits_contain_every_image_once(digits):
    from sklearn.datasets import load_digits

    expected = sorted(
        (int(label), np.round(image * 255 / 16).astype(np.uint8).tobytes())
        for image, label in zip(*load_digits(return_X_y=True), strict=True)
    )
    received = sorted(
        (int(label), image[::4, ::4, 0].tobytes())
        for part in (digits.train, digits.test)
        for image, label in zip(part.images, part.labels, strict=True)
    )
    assert received == expected


def test_digits_are_split_by_class(digits):
    test = np.bincount(digits.test.labels)
    total = test + np.bincount(digits.train.labels)
    assert (abs(test - total * 360 / 1797) < 1).all()


def test_digits_never_change(digits):
    def checksum(part):
        return hashlib.sha256(
            part.images.tobytes() + part.labels.astype("<i4").tobytes()
        ).hexdigest()

    assert (
        checksum(digits.train) == "f86339c64a3ad9ec1334717b6963ab096a21ff169c8d47d26d66ae026e61f111"
    )
    assert (
        checksum(digits.test) == "875662e495142337c73ab7f8fb0926123381e3fddf1692cd4f83a02c8fcabd91"
    )
