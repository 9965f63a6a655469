"""Which images a network is measured on, and what the command says of them."""

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnet_keras.artefact import Description
from resnet_keras.cli import evaluate as cli
from resnet_keras.data.dataset import Dataset, Images
from resnet_keras.errors import UsageError, UserError
from resnet_keras.evaluation import ensemble, evaluate, test_sets
from resnet_keras.evaluation.evaluate import Evaluation
from resnet_keras.evaluation.measure import Measurement
from resnet_keras.evaluation.predictors import Predictor
from resnet_keras.evaluation.test_sets import load_test_set
from resnet_keras.preprocessing import Preprocessing


def trained_on(dataset, names=("cat", "dog"), size=8, **recipe):
    """A network that is never asked."""
    preprocessing = Preprocessing((size, size), "stretch", 1.0, (0, 0, 0), (1, 1, 1), names)
    description = Description(preprocessing, {"dataset": dataset, "recipe": recipe})
    return Predictor(Path("net"), description, None, (None, None))


def put(root, counts):
    """Makes files; nothing opens them here."""
    for name, count in counts.items():
        for number in range(count):
            path = Path(root, name, f"{number}.jpg")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
    return str(root)


def test_a_folder_without_train_is_measured_on_in_part_or_whole_and_this_is_said(tmp_path):
    network = trained_on("folder", validation_fraction=0.3)
    new = put(tmp_path, {"cat": 10, "dog": 10})
    part = load_test_set(network, None, new)
    assert len(part.test) == 6
    assert "measured on 6 images; the other 14" in part.notes[-1]
    assert "--all-images" in part.notes[-1]
    whole = load_test_set(network, None, new, all_images=True)
    assert whole.test.labels.tolist() == [0] * 10 + [1] * 10 and whole.notes == ()


@pytest.mark.parametrize("dataset", ["folder", "imagenet2012"])
@pytest.mark.parametrize("all_images", [False, True])
def test_val_alone_is_enough(tmp_path, dataset, all_images):
    data_dir = put(tmp_path, {"val/cat": 3, "val/dog": 2})
    found = load_test_set(trained_on(dataset), None, data_dir, all_images)
    assert found.test.labels.tolist() == [0, 0, 0, 1, 1] and found.name == dataset


def test_all_images_are_refused_of_sets_with_a_test_of_their_own(tmp_path):
    with pytest.raises(UsageError, match="images in folders; digits"):
        load_test_set(trained_on("digits"), None, None, all_images=True)
    data_dir = put(tmp_path, {"train/cat": 1, "train/dog": 1, "val/cat": 1})
    with pytest.raises(UsageError, match="holds train/"):
        load_test_set(trained_on("folder"), None, data_dir, all_images=True)
    with pytest.raises(UserError, match="does not exist"):
        load_test_set(trained_on("folder"), None, str(tmp_path / "nowhere"), all_images=True)


def test_a_share_of_training_is_nothing_to_a_folder_whose_test_lies_apart(tmp_path):
    network = trained_on("folder", validation_fraction=0.3)
    data_dir = put(tmp_path, {"train/cat": 3, "train/dog": 3, "val/cat": 1, "val/dog": 1})
    assert load_test_set(network, None, data_dir).test.labels.tolist() == [0, 1]


@pytest.mark.parametrize("asked, trained", [(True, False), (False, True), (False, False)])
def test_damaged_files_are_left_out_if_asked_or_trained_so(tmp_path, asked, trained):
    for number in range(4):
        path = tmp_path / "val" / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 9, 3), number, np.uint8)).save(path)
    damaged = tmp_path / "val" / "dog" / "1.png"
    damaged.write_bytes(damaged.read_bytes()[:30])
    network = trained_on("folder", skip_corrupt=trained)
    found = load_test_set(network, None, str(tmp_path), skip_corrupt=asked)
    if not (asked or trained):
        assert len(found.test) == 4
        return
    assert found.test.labels.tolist() == [0, 0, 1]
    assert "skipped 1 of 4 files" in found.notes[-1] and str(damaged) in found.notes[-1]
    for path in tmp_path.rglob("*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(UserError, match="no file of folder can be decoded"):
        load_test_set(network, None, str(tmp_path), skip_corrupt=asked)


def test_networks_of_an_ensemble_get_the_images_each_in_its_own_size(monkeypatch):
    labels = np.arange(6, dtype=np.int32) % 2

    def stretched(name, data_dir, image_size):
        """The same images to the last one, made for each size."""
        rows = np.arange(6).reshape(6, 1, 1, 1) * 10 + image_size
        made = np.broadcast_to(rows, (6, image_size, image_size, 3)).astype(np.uint8)
        return Dataset(name, ("cat", "dog"), Images(made, labels), Images(made, labels))

    given = {}

    def opened(size):
        def answer(batch):
            given.setdefault(size, []).append(batch)
            return np.tile(np.float32([0.75, 0.25]), (len(batch), 1))

        network = trained_on("pets", size=size, image_size=size)
        return dataclasses.replace(network, probabilities=answer)

    monkeypatch.setattr(test_sets, "load", stretched)
    monkeypatch.setattr(ensemble, "open_predictor", opened)
    found = ensemble.evaluate_ensemble([8, 16], None, None)
    assert found.measurement.top1_error == 50
    for size in (8, 16):
        seen = np.concatenate(given[size])
        np.testing.assert_array_equal(seen, stretched("pets", None, size).test.images)


def test_networks_that_were_left_different_images_are_no_ensemble(tmp_path):
    networks = [trained_on("folder", validation_fraction=share) for share in (0.2, 0.4)]
    data_dir = put(tmp_path / "flat", {"cat": 10, "dog": 10})
    with pytest.raises(UsageError, match=r"different images of folder .*\(4 and 8\)"):
        test_sets.load_test_sets(networks, None, data_dir)
    found = test_sets.load_test_sets(networks, None, data_dir, all_images=True)
    assert [len(data.test) for data in found] == [20, 20]
    apart = put(tmp_path / "apart", {"train/cat": 2, "train/dog": 2, "val/cat": 1, "val/dog": 1})
    found = test_sets.load_test_sets(networks, None, apart)
    assert [len(data.test) for data in found] == [2, 2]


def parsed(*words):
    parser = argparse.ArgumentParser()
    cli.configure(parser)
    return parser.parse_args(words)


def test_the_command_says_on_standard_error_what_was_left_out(monkeypatch, capsys, tmp_path):
    given = []

    def measured(*values, **choice):
        given.append((values, choice))
        counts = Measurement(np.eye(2, dtype=np.int64), np.ones(2, np.int64), 0.1)
        return Evaluation(Path("net"), "net", "folder", ("a", "b"), "center", counts, ("left 1",))

    monkeypatch.setattr(evaluate, "evaluate", measured)
    figure = str(tmp_path / "c.png")
    flags = ["--all-images", "--skip-corrupt", "--json", "--confusion", figure]
    cli.run(parsed("net", "--data-dir", "new", *flags))
    choice = {"all_images": True, "skip_corrupt": True}
    assert given == [(("net", None, "new", "center"), choice)]
    streams = capsys.readouterr()
    assert streams.err == "note: left 1\n" and "left 1" not in streams.out
    with pytest.raises(UsageError, match="no --all-images"):
        cli.run(parsed("net", "--all-images", "--record"))
