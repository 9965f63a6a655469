"""Data sets of TensorFlow Datasets become the right arrays, in a fixed order."""

import time

import numpy as np
import pytest

from resnet_keras.data import tfds
from resnet_keras.errors import UsageError, UserError

datasets = pytest.importorskip("tensorflow_datasets")


def image(i, shape=(4, 5, 3)):
    """Returns random pixels, different for every `i`."""
    return np.random.default_rng(i).integers(0, 256, shape, np.uint8)


def prepare(folder, features, **splits):
    """Prepares a data set called `made_up` and returns the folder of all prepared data sets."""
    builder = datasets.dataset_builders.TfDataBuilder(
        name="made_up",
        version="1.0.0",
        data_dir=str(folder),
        features=datasets.features.FeaturesDict(features),
        # The builder shuffles the examples.
        split_datasets={name: _dataset(rows) for name, rows in splits.items()},
    )
    builder.download_and_prepare()
    return str(folder)


def _dataset(rows):
    import tensorflow as tf

    columns = {key: [row[key] for row in rows] for key in rows[0]}
    if len({image.shape for image in columns["image"]}) == 1:
        return tf.data.Dataset.from_tensor_slices(columns)
    signature = {
        key: tf.TensorSpec(None, tf.convert_to_tensor(rows[0][key]).dtype) for key in rows[0]
    }
    return tf.data.Dataset.from_generator(lambda: iter(rows), output_signature=signature)


def examples(count):
    return [{"image": image(i), "label": i % 3, "id": f"train_{i}"} for i in range(count)]


def features(shape=(4, 5, 3)):
    return {
        "image": datasets.features.Image(shape=shape, encoding_format="png"),
        "label": datasets.features.ClassLabel(names=["ant", "bee", "cat"]),
        "id": datasets.features.Text(),
    }


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    return prepare(folder, features(), train=examples(12), test=examples(5))


def test_examples_are_sorted_by_number(prepared):
    dataset = tfds.load("made_up", prepared)
    assert dataset.name == "made_up" and dataset.class_names == ("ant", "bee", "cat")
    np.testing.assert_array_equal(dataset.train.images, [image(i) for i in range(12)])
    assert dataset.train.labels.tolist() == [i % 3 for i in range(12)]
    assert len(dataset.test) == 5 and dataset.flip


def test_stored_order_is_not_sorted_by_number(prepared):
    builder = datasets.builder("made_up", data_dir=prepared)
    stored = [row["id"] for row in builder.as_dataset(split="train").as_numpy_iterator()]
    assert sorted(stored, key=lambda key: int(key[6:])) != stored, "the test above proves nothing"


def test_image_size_stretches_images(prepared):
    dataset = tfds.load("made_up", prepared, image_size=7)
    assert dataset.train.images.shape == (12, 7, 7, 3)
    mean = dataset.train.images.mean() - np.mean([image(i) for i in range(12)])
    assert abs(mean) < 5


def test_gray_images_without_ids_and_with_validation_split(tmp_path):
    gray = [{"image": image(i, (6, 6, 1)), "label": 1} for i in range(6)]
    spec = features((6, 6, 1))
    del spec["id"]
    folder = prepare(tmp_path, spec, train=gray, validation=gray[:2])
    first, again = (tfds.load("made_up", folder) for _ in range(2))
    assert first.train.images.shape == (6, 6, 6, 3)
    assert (first.train.images == first.train.images[..., :1]).all()
    assert {part[..., 0].tobytes() for part in first.train.images} == {
        row["image"].tobytes() for row in gray
    }
    np.testing.assert_array_equal(first.train.images, again.train.images)
    assert len(first.test) == 2


def test_images_of_varying_sizes_need_an_image_size(tmp_path):
    varying = [
        {"image": np.full((4 + i, 9 - i, 3), 40 * i, np.uint8), "label": 0, "id": str(i)}
        for i in range(4)
    ]
    folder = prepare(tmp_path, features((None, None, 3)), train=varying, test=varying)
    with pytest.raises(UsageError, match="made_up: the images vary in size; pass --image-size"):
        tfds.load("made_up", folder)
    with pytest.raises(UsageError, match="Received: 0"):
        tfds.load("made_up", folder, image_size=0)
    dataset = tfds.load("made_up", folder, image_size=6)
    assert dataset.train.images.shape == (4, 6, 6, 3)
    assert dataset.train.images.reshape(4, -1).min(1).tolist() == [0, 40, 80, 120]
    assert dataset.train.images.reshape(4, -1).max(1).tolist() == [0, 40, 80, 120]


def test_a_missing_test_split_is_rejected(tmp_path):
    folder = prepare(tmp_path, features(), train=examples(2))
    with pytest.raises(UserError, match=r"'test' or 'validation'. Received: train"):
        tfds.load("made_up", folder)


def test_other_features_are_rejected(tmp_path):
    spec = {"image": datasets.features.Image(shape=(4, 5, 3)), "text": datasets.features.Text()}
    two = [{"image": image(0), "text": "a"}] * 2
    folder = prepare(tmp_path, spec, train=two, test=two)
    with pytest.raises(UserError, match=r"Received: image \(Image\), text \(Text\)"):
        tfds.load("made_up", folder)


def test_labels_out_of_range_are_rejected(tmp_path):
    bad = [{**example, "label": -1} for example in examples(3)]
    folder = prepare(tmp_path, features(), train=examples(3), test=bad)
    with pytest.raises(
        UserError, match=r"split 'test' must be between 0 and 2. Received: -1 to -1"
    ):
        tfds.load("made_up", folder)


def test_damaged_files_are_rejected(tmp_path):
    folder = prepare(tmp_path, features(), train=examples(3), test=examples(3))
    (file,) = tmp_path.rglob("*train*tfrecord*")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"made_up.*'train' cannot be read"):
        tfds.load("made_up", folder)


def test_data_sets_that_do_not_fit_into_memory_are_rejected(prepared):
    with pytest.raises(UserError, match=r"17 images of 10000000x10000000 pixels need 5100000.0 GB"):
        tfds.load("made_up", prepared, image_size=10_000_000)


@pytest.mark.parametrize("name", ["mnsit", "huggingface:mnist", "../mnist", "a b", "", "mnist/"])
def test_unknown_names_list_the_most_similar_ones(tmp_path, name):
    with pytest.raises(tfds.UnknownDatasetError) as caught:
        tfds.load(name, str(tmp_path))
    assert len(caught.value.nearest) == 5
    if name == "mnsit":
        assert caught.value.nearest[0] == "mnist"


@pytest.mark.parametrize("name", ["cifar10/no_such_config", "cifar10:99.0.0"])
def test_unknown_configs_and_versions_are_rejected(tmp_path, name):
    with pytest.raises(UserError, match=f"{name}: TensorFlow Datasets cannot open the data set"):
        tfds.load(name, str(tmp_path))


def test_missing_folders_are_rejected(tmp_path):
    with pytest.raises(UserError, match="absent: no such folder"):
        tfds.load("mnist", str(tmp_path / "absent"))


def test_nothing_is_downloaded_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setattr(tfds, "network_available", lambda: False)
    with pytest.raises(
        tfds.UnavailableError, match=r"mnist is not prepared in .*there is no network"
    ):
        tfds.load("mnist", str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_failed_downloads_are_reported(tmp_path, monkeypatch):
    def fail(builder):
        raise ConnectionError("connection lost\nand more")

    monkeypatch.setattr(tfds, "network_available", lambda: True)
    monkeypatch.setattr(datasets.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(tfds.UnavailableError, match=r"failed: ConnectionError: connection lost$"):
        tfds.load("mnist", str(tmp_path))


@pytest.mark.parametrize(
    ("ids", "order"),
    [
        ([b"train_10", b"train_9", b"train_100"], [1, 0, 2]),
        ([b"train_00010", b"train_00009"], [1, 0]),
        ([b"b_1", b"a_2"], [1, 0]),
        ([b"b", b"3", b"a"], [1, 2, 0]),
        ([30, 4, 5], [1, 2, 0]),
        ([b"1", b"1"], [0, 1]),
    ],
)
def test_order_by_id(ids, order):
    assert tfds.order_by_id(ids).tolist() == order


def test_network_available_does_not_wait_longer_than_the_timeout(monkeypatch):
    monkeypatch.setattr(tfds, "_responds", lambda url, timeout: time.sleep(2))
    start = time.monotonic()
    assert not tfds.network_available(("a", "b"), timeout=0.1)
    assert time.monotonic() - start < 1


def test_network_available_if_any_address_responds(monkeypatch):
    monkeypatch.setattr(tfds, "_responds", lambda url, timeout: url == "b")
    assert tfds.network_available(("a", "b"))
    assert not tfds.network_available(("a", "c"))


def test_network_available_if_the_connection_is_refused():
    assert not tfds.network_available(("http://127.0.0.1:9/",), timeout=2)
