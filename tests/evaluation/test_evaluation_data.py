"""The choice of the images that a network is evaluated on."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnet_keras.data.dataset import Dataset, Images
from resnet_keras.description import Description
from resnet_keras.errors import UsageError, UserError
from resnet_keras.evaluation import evaluate, evaluation_data
from resnet_keras.evaluation.evaluation_data import load_test_set, load_test_sets
from resnet_keras.evaluation.predictors import Predictor
from resnet_keras.preprocessing import Preprocessing


def trained_on(dataset, class_names=("cat", "dog"), size=8, **recipe):
    """A network that cannot predict, with a card that says what it was trained on."""
    preprocessing = Preprocessing((size, size), "stretch", 1.0, (0, 0, 0), (1, 1, 1), class_names)
    description = Description(preprocessing, {"dataset": dataset, "recipe": recipe})
    return Predictor(Path("net"), description, None, (None, None))


def make_files(root, counts):
    """Creates empty files, for tests that do not open them."""
    for folder, count in counts.items():
        for number in range(count):
            path = Path(root, folder, f"{number}.jpg")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
    return str(root)


def test_a_flat_folder_is_measured_in_part_or_completely(tmp_path):
    network = trained_on("folder", validation_fraction=0.3)
    data_dir = make_files(tmp_path, {"cat": 10, "dog": 10})
    part = load_test_set(network, None, data_dir)
    assert len(part.test) == 6
    assert "measured on 6 images; the other 14" in part.notes[-1]
    assert "--all-images" in part.notes[-1]
    complete = load_test_set(network, None, data_dir, all_images=True)
    assert complete.test.labels.tolist() == [0] * 10 + [1] * 10 and complete.notes == ()


@pytest.mark.parametrize("dataset", ["folder", "imagenet2012"])
@pytest.mark.parametrize("all_images", [False, True])
def test_train_may_be_missing(tmp_path, dataset, all_images):
    data_dir = make_files(tmp_path, {"val/cat": 3, "val/dog": 2})
    data = load_test_set(trained_on(dataset), None, data_dir, all_images)
    assert data.test.labels.tolist() == [0, 0, 0, 1, 1] and data.name == dataset


def test_all_images_is_refused_if_there_are_separate_test_images(tmp_path):
    with pytest.raises(UsageError, match="images in folders; digits"):
        load_test_set(trained_on("digits"), None, None, all_images=True)
    data_dir = make_files(tmp_path, {"train/cat": 1, "train/dog": 1, "val/cat": 1})
    with pytest.raises(UsageError, match="contains train/"):
        load_test_set(trained_on("folder"), None, data_dir, all_images=True)
    with pytest.raises(UserError, match="does not exist"):
        load_test_set(trained_on("folder"), None, str(tmp_path / "nowhere"), all_images=True)


def test_the_data_set_must_be_known():
    with pytest.raises(UserError, match="net does not say what it was trained on: give --dataset"):
        load_test_set(trained_on(None), None, None)


@pytest.mark.parametrize(
    "class_names, message",
    [
        (("cat", "dog"), r"the network has 2 classes \('cat', …\), the data 10 \('0', …\)"),
        (tuple("0123456798"), "class 8 is '9' in the network and '8' in the data"),
    ],
)
def test_the_classes_must_be_those_of_the_network(class_names, message):
    with pytest.raises(UserError, match=message):
        load_test_set(trained_on("digits", class_names, size=32), None, None)


def test_validation_fraction_does_not_apply_to_a_folder_with_val(tmp_path):
    network = trained_on("folder", validation_fraction=0.3)
    counts = {"train/cat": 3, "train/dog": 3, "val/cat": 1, "val/dog": 1}
    data_dir = make_files(tmp_path, counts)
    assert load_test_set(network, None, data_dir).test.labels.tolist() == [0, 1]


@pytest.mark.parametrize("requested, trained", [(True, False), (False, True), (False, False)])
def test_corrupt_files_are_skipped_if_requested_or_trained_so(tmp_path, requested, trained):
    for number in range(4):
        path = tmp_path / "val" / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 9, 3), number, np.uint8)).save(path)
    damaged = tmp_path / "val" / "dog" / "1.png"
    damaged.write_bytes(damaged.read_bytes()[:30])
    network = trained_on("folder", skip_corrupt=trained)
    data = load_test_set(network, None, str(tmp_path), skip_corrupt=requested)
    if not (requested or trained):
        assert len(data.test) == 4
        return
    assert data.test.labels.tolist() == [0, 0, 1]
    assert "skipped 1 of 4 files" in data.notes[-1] and str(damaged) in data.notes[-1]
    for path in tmp_path.rglob("*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(UserError, match="no file of folder can be decoded"):
        load_test_set(network, None, str(tmp_path), skip_corrupt=requested)


def test_each_network_of_an_ensemble_gets_images_of_its_size(monkeypatch):
    labels = np.arange(6, dtype=np.int32) % 2

    def fake_load_dataset(name, data_dir, image_size):
        """Returns images whose pixels depend on the size."""
        rows = np.arange(6).reshape(6, 1, 1, 1) * 10 + image_size
        pixels = np.broadcast_to(rows, (6, image_size, image_size, 3)).astype(np.uint8)
        return Dataset(name, ("cat", "dog"), Images(pixels, labels), Images(pixels, labels))

    received = {}

    def fake_open_predictor(size):
        def predict(batch):
            received.setdefault(size, []).append(batch)
            return np.tile(np.float32([0.75, 0.25]), (len(batch), 1))

        network = trained_on("pets", size=size, image_size=size)
        return dataclasses.replace(network, probabilities=predict)

    monkeypatch.setattr(evaluation_data, "load_dataset", fake_load_dataset)
    monkeypatch.setattr(evaluate, "open_predictor", fake_open_predictor)
    evaluation = evaluate.evaluate_ensemble([8, 16], None, None)
    assert evaluation.measurement.top1_error == 50
    for size in (8, 16):
        expected = fake_load_dataset("pets", None, size).test.images
        np.testing.assert_array_equal(np.concatenate(received[size]), expected)


def test_an_ensemble_needs_the_same_test_images(tmp_path):
    networks = [trained_on("folder", validation_fraction=fraction) for fraction in (0.2, 0.4)]
    data_dir = make_files(tmp_path / "flat", {"cat": 10, "dog": 10})
    with pytest.raises(UsageError, match=r"different images of folder .*\(4 and 8\)"):
        load_test_sets(networks, None, data_dir)
    datasets = load_test_sets(networks, None, data_dir, all_images=True)
    assert [len(data.test) for data in datasets] == [20, 20]
    counts = {"train/cat": 2, "train/dog": 2, "val/cat": 1, "val/dog": 1}
    with_val = make_files(tmp_path / "with_val", counts)
    datasets = load_test_sets(networks, None, with_val)
    assert [len(data.test) for data in datasets] == [2, 2]
