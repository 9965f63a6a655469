"""CIFAR's files are decoded to the right pixels, and invalid files are rejected."""

import dataclasses
import hashlib
import pickle
import tarfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnet_keras.data import cifar
from resnet_keras.data.cifar_formats import FORMATS
from resnet_keras.data.dataset import Dataset, Images
from resnet_keras.errors import UserError

EXAMPLES = 4
CIFAR10_PYTHON, CIFAR10_BINARY, CIFAR100_PYTHON, CIFAR100_BINARY = FORMATS


def unchecked(cifar_format):
    """Returns the format without checksums and numbers of images, for synthetic files."""
    return dataclasses.replace(cifar_format, examples=None, md5={}, sha256={})


def examples_of(cifar_format, name):
    """Returns random pixels `(EXAMPLES, 3072)` and labels, the same for both versions."""
    rng = np.random.default_rng(
        [cifar_format.classes, (*cifar_format.train, *cifar_format.test).index(name)]
    )
    pixels = rng.integers(0, 256, (EXAMPLES, 3072), np.uint8)
    return pixels, [
        0,
        cifar_format.classes - 1,
        *rng.integers(0, cifar_format.classes, EXAMPLES - 2).tolist(),
    ]


def encode(cifar_format, pixels, labels):
    if not cifar_format.label_bytes:
        return pickle.dumps(
            {b"data": pixels, cifar_format.label_key: labels, b"coarse_labels": [0]}, 2
        )
    coarse = [np.full(len(labels), 19, np.uint8)] * (cifar_format.label_bytes - 1)
    return np.column_stack([*coarse, np.array(labels, np.uint8), pixels]).tobytes()


def encode_names(cifar_format, count=None):
    names = [f"class_{i}".encode() for i in range(cifar_format.classes if count is None else count)]
    return (
        b"\n".join([*names, b"", b""])
        if cifar_format.label_bytes
        else pickle.dumps({cifar_format.names_key: names}, 3)
    )


def write(cifar_format, parent):
    folder = parent / cifar_format.folder
    folder.mkdir(parents=True)
    for name in (*cifar_format.train, *cifar_format.test):
        (folder / name).write_bytes(encode(cifar_format, *examples_of(cifar_format, name)))
    (folder / cifar_format.meta).write_bytes(encode_names(cifar_format))
    return folder


def decode_slowly(cifar_format, names):
    """Decodes image by image, as a reference."""
    images, labels = [], []
    for name in names:
        pixels, part = examples_of(cifar_format, name)
        for row in pixels:
            red, green, blue = row[:1024], row[1024:2048], row[2048:]
            images.append(np.stack([plane.reshape(32, 32) for plane in (red, green, blue)], -1))
        labels += part
    return np.array(images), labels


def name_of(cifar_format):
    return cifar_format.folder


@pytest.mark.parametrize("cifar_format", FORMATS, ids=name_of)
@pytest.mark.parametrize("packed", [False, True])
def test_synthetic_files(tmp_path, cifar_format, packed):
    path = write(cifar_format, tmp_path)
    if packed:
        path = tmp_path / cifar_format.archive
        with tarfile.open(path, "w:gz") as tar:
            tar.add(tmp_path / cifar_format.folder, cifar_format.folder)
    dataset = cifar.read(unchecked(cifar_format), path)
    assert dataset.name == cifar_format.dataset
    assert dataset.class_names == tuple(f"class_{i}" for i in range(cifar_format.classes))
    for split, names in ((dataset.train, cifar_format.train), (dataset.test, cifar_format.test)):
        images, labels = decode_slowly(cifar_format, names)
        np.testing.assert_array_equal(split.images, images)
        assert split.labels.tolist() == labels
        assert split.images.flags.c_contiguous
    assert dataset.flip


@pytest.mark.parametrize("cifar_format", FORMATS, ids=name_of)
def test_wrong_number_of_images_is_rejected(tmp_path, cifar_format):
    path = write(cifar_format, tmp_path)
    cifar_format = dataclasses.replace(unchecked(cifar_format), examples=(50_000, 10_000))
    with pytest.raises(UserError, match=f"50000 training and 10000 test .*{EXAMPLES}$"):
        cifar.read(cifar_format, path)


@pytest.mark.parametrize("cifar_format", FORMATS, ids=name_of)
@pytest.mark.parametrize("wrong", [100, 255])
def test_wrong_label_is_rejected(cifar_format, wrong):
    pixels, labels = examples_of(cifar_format, cifar_format.train[0])
    content = encode(cifar_format, pixels, [*labels[:2], wrong, labels[3]])
    with pytest.raises(
        UserError, match=f"some_file: labels of .* and {cifar_format.classes - 1}.* image 2"
    ):
        cifar.decode_batch(cifar_format, content, "some_file")


@pytest.mark.parametrize("wrong", [-1, 10, 10**30, -(10**30), b"3", "3"])
def test_wrong_pickled_label_is_rejected(wrong):
    pixels, labels = examples_of(CIFAR10_PYTHON, "test_batch")
    content = encode(CIFAR10_PYTHON, pixels, [wrong, *labels[1:]])
    with pytest.raises(UserError, match=r"f: labels of cifar10 are between 0 and 9.*image 0"):
        cifar.decode_batch(CIFAR10_PYTHON, content, "f")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({b"data": np.zeros((4, 3071), np.uint8)}, r"N, 3072.*\(4, 3071\)"),
        ({b"data": np.zeros(3072, np.uint8)}, r"N, 3072.*\(3072,\)"),
        ({b"data": b"x"}, "N, 3072.*bytes"),
        ({b"labels": [1, 2, 3]}, "list of 4 labels. Received: 3 labels"),
        ({b"labels": 3}, "list of 4 labels. Received: int"),
    ],
)
def test_wrong_pickled_batch_is_rejected(change, message):
    pixels, labels = examples_of(CIFAR10_PYTHON, "test_batch")
    content = pickle.dumps({b"data": pixels, b"labels": labels} | change, 2)
    with pytest.raises(UserError, match=f"some_file: .*{message}"):
        cifar.decode_batch(CIFAR10_PYTHON, content, "some_file")


def test_cifar_100_is_not_accepted_as_cifar_10():
    content = encode(CIFAR100_PYTHON, *examples_of(CIFAR100_PYTHON, "train"))
    with pytest.raises(UserError, match=r"b'labels' should be a list.*NoneType.*fine_labels"):
        cifar.decode_batch(CIFAR10_PYTHON, content, "f")


@pytest.mark.parametrize("cifar_format", [CIFAR10_BINARY, CIFAR100_BINARY], ids=name_of)
@given(st.binary(max_size=4000))
def test_wrong_length_of_binary_file_is_rejected(cifar_format, content):
    row = cifar_format.label_bytes + 3072
    if len(content) % row or not content:
        with pytest.raises(UserError, match=f"rows of {row} bytes. Received: {len(content)}"):
            cifar.decode_batch(cifar_format, content, "f")


@pytest.mark.parametrize("cifar_format", FORMATS, ids=name_of)
@pytest.mark.parametrize("change", [-1, 1])
def test_wrong_number_of_names_is_rejected(cifar_format, change):
    count = cifar_format.classes + change
    with pytest.raises(
        UserError, match=f"f: .*{cifar_format.classes} classes.*Received: {count} names"
    ):
        cifar.decode_class_names(cifar_format, encode_names(cifar_format, count), "f")


def test_names_that_are_not_a_list_are_rejected():
    with pytest.raises(UserError, match="label_names' should be a list of class names"):
        cifar.decode_class_names(CIFAR10_PYTHON, pickle.dumps({b"label_names": 3}, 2), "f")


@given(st.integers(0, 99), st.integers(1, 255))
def test_md5_detects_an_altered_byte(position, change):
    content = bytearray(100)
    expected = hashlib.md5(content).hexdigest()
    cifar.check_md5(bytes(content), expected, "f")
    content[position] ^= change
    received = hashlib.md5(content).hexdigest()
    with pytest.raises(UserError, match=f"f: .*md5 {received}, expected {expected}"):
        cifar.check_md5(bytes(content), expected, "f")


def test_an_altered_file_is_rejected_before_it_is_decoded(tmp_path):
    path = write(CIFAR10_PYTHON, tmp_path)
    sums = {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in path.iterdir()}
    cifar_format = dataclasses.replace(unchecked(CIFAR10_PYTHON), md5=sums)
    cifar.read(cifar_format, path)
    altered = path / "data_batch_3"
    altered.write_bytes(b"X" + altered.read_bytes()[1:])
    with pytest.raises(UserError, match=rf"{altered}: .*md5 .*expected {sums['data_batch_3']}"):
        cifar.read(cifar_format, path)


@pytest.mark.parametrize("part", ["train images", "test images", "train labels", "test labels"])
def test_verify_sha256_checks_every_array(part):
    arrays = {
        split: Images(np.zeros((2, 32, 32, 3), np.uint8), np.zeros(2, np.int32))
        for split in ("train", "test")
    }
    dataset = Dataset("cifar10", ("a",), **arrays)
    expected = {
        f"{split} {kind}": hashlib.sha256(bytes(size)).hexdigest()
        for split in arrays
        for kind, size in (("images", 2 * 3072), ("labels", 8))
    }
    cifar.verify_sha256(dataset, expected, "here")
    split, kind = part.split()
    getattr(arrays[split], kind)[1] = 1
    with pytest.raises(UserError, match=f"here: the {part} of cifar10 differ"):
        cifar.verify_sha256(dataset, expected, "here")


def test_read_verifies_the_decoded_arrays(tmp_path):
    path = write(CIFAR10_PYTHON, tmp_path)
    cifar_format = dataclasses.replace(unchecked(CIFAR10_PYTHON), sha256={"test labels": "0" * 64})
    with pytest.raises(UserError, match="the test labels of cifar10 differ"):
        cifar.read(cifar_format, path)


def test_synthetic_files_are_not_accepted_as_official_ones(tmp_path):
    with pytest.raises(UserError, match="md5"):
        cifar.read(CIFAR10_PYTHON, write(CIFAR10_PYTHON, tmp_path))
