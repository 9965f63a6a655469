"""The real CIFAR-10. Skipped unless RESNET_KERAS_DATA is set to its location."""

import hashlib
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from resnet_keras.data import cifar, sources
from resnet_keras.data.cifar_formats import FORMATS, SHA256

BINARY = FORMATS[1]


@pytest.fixture(scope="module")
def real():
    """CIFAR-10's Python version, read by `cifar.read` and by `pickle`."""
    location = os.environ.get(sources.DATA_DIR_VARIABLE)
    found = sources.find_cifar("cifar10", Path(location)) if location else None
    if not found or found[0].label_bytes:
        pytest.skip(f"{sources.DATA_DIR_VARIABLE} is not set to a Python version of CIFAR-10")
    cifar_format, path = found
    raw = {}
    if path.is_dir():
        for name in cifar_format.files:
            raw[name] = pickle.loads((path / name).read_bytes(), encoding="bytes")
    else:
        with tarfile.open(path) as tar:
            for name in cifar_format.files:
                file = tar.extractfile(f"{cifar_format.folder}/{name}")
                raw[name] = pickle.load(file, encoding="bytes")
    return cifar_format, cifar.read(cifar_format, path), raw


def test_python_version(real):
    cifar_format, dataset, raw = real
    assert dataset.class_names[3] == "cat"
    start = 0
    for name in cifar_format.train:
        pixels = raw[name][b"data"]
        images = dataset.train.images[start : start + 10_000]
        for channel in range(3):
            plane = pixels[:, channel * 1024 : (channel + 1) * 1024]
            assert (images[..., channel].reshape(-1, 1024) == plane).all()
        assert dataset.train.labels[start : start + 10_000].tolist() == raw[name][b"labels"]
        start += 10_000
    assert start == len(dataset.train) == 50_000
    assert np.bincount(dataset.train.labels).tolist() == [5000] * 10
    assert np.bincount(dataset.test.labels).tolist() == [1000] * 10
    assert dataset.test.labels.tolist() == raw["test_batch"][b"labels"]
    # The file name of the first test image says that it is a cat.
    assert raw["test_batch"][b"filenames"][0].startswith(b"domestic_cat")
    assert dataset.class_names[dataset.test.labels[0]] == "cat"


@pytest.fixture(scope="module")
def binary(real, tmp_path_factory):
    """A folder with the binary version, converted from the Python version."""
    _, dataset, raw = real
    folder = tmp_path_factory.mktemp("binary") / BINARY.folder
    folder.mkdir()
    for name in (*BINARY.train, *BINARY.test):
        batch = raw[name.removesuffix(".bin")]
        rows = np.column_stack([np.array(batch[b"labels"], np.uint8), batch[b"data"]])
        (folder / name).write_bytes(rows.tobytes())
    (folder / BINARY.meta).write_text("\n".join([*dataset.class_names, "", ""]))
    return folder


def test_binary_version(real, binary):
    for name, expected in BINARY.md5.items():
        assert hashlib.md5((binary / name).read_bytes()).hexdigest() == expected
    dataset = cifar.read(BINARY, binary)
    assert dataset.class_names == real[1].class_names
    cifar.verify_sha256(dataset, SHA256["cifar10"], "binary")


@pytest.mark.slow
def test_tensorflow_datasets_gives_the_same_arrays(real, binary, tmp_path, monkeypatch):
    """TensorFlow Datasets prepares CIFAR-10 from the binary version with the same checksums."""
    datasets = pytest.importorskip("tensorflow_datasets")
    manager = datasets.download.DownloadManager
    monkeypatch.setattr(manager, "download_and_extract", lambda self, url: str(binary.parent))
    datasets.builder("cifar10", data_dir=str(tmp_path)).download_and_prepare()
    dataset = sources.load_cifar("cifar10", str(tmp_path))
    assert dataset.class_names == real[1].class_names
    assert (dataset.train.images == real[1].train.images).all()
    assert (dataset.test.labels == real[1].test.labels).all()
