"""A run on a folder of images: from files to an export that classifies the same files."""

import dataclasses
import json
import os
import shutil
import tarfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from resnet_keras.data.sources import load_dataset
from resnet_keras.errors import UsageError, UserError
from resnet_keras.evaluation.evaluate import evaluate
from resnet_keras.recipe import Recipe
from resnet_keras.runs.config import read_recipe
from resnet_keras.runs.folder import RunOptions
from resnet_keras.training.job import run

SAMPLE = "imagenette-sample.tar"
RECIPE = Recipe(
    arch="resnet8", dataset="folder", image_size=16, batch_size=6, steps=4, drops=(),
    eval_every=2, learning_rate=0.01, lighting=0.1, deterministic=True,
    validation_fraction=0.5,
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of forty images of dark, medium and bright noise, of all sizes and orientations."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for number in range(40):
        label = ("dark", "größer", "7")[number % 3]
        sides = rng.integers(17, 60, 2)
        level = {"dark": 60, "größer": 200, "7": 130}[label]
        pixels = np.clip(rng.normal(level, 30, (*sides, 3)), 0, 255).astype(np.uint8)
        path = folder / label / f"{number}.{('JPG', 'png')[number % 2]}"
        path.parent.mkdir(exist_ok=True)
        tags = Image.Exif()
        tags[0x0112] = 1 + number % 8
        Image.fromarray(pixels).save(path, exif=tags)
    return str(folder)


@pytest.fixture
def data_copy(tmp_path, data):
    """A copy of the images for tests that damage some."""
    return shutil.copytree(data, tmp_path / "data")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, data):
    """A finished run."""
    return run(RECIPE, options_for(tmp_path_factory.mktemp("trained"), data))


@pytest.fixture
def interrupted(tmp_path, data, trained):
    """The options of a copy of that run which was interrupted after its checkpoint of step 3."""
    folder = shutil.copytree(trained.run, tmp_path / "runs" / "run")
    for file in ("result.json", "model.keras"):
        (folder / file).unlink()
    for path in (folder / "checkpoints").iterdir():
        if "4" in path.name.split(".")[0]:
            path.unlink()
    return options_for(tmp_path, data)


def options_for(tmp_path, data, name="run", **more):
    runs, exports = str(tmp_path / "runs"), str(tmp_path / "exports")
    return RunOptions(
        data_dir=data, runs_dir=runs, export_dir=exports, name=name, checkpoint_every=3, **more
    )


def split(data):
    """Returns the data set with its split into training and test images."""
    return load_dataset("folder", str(data), validation_fraction=RECIPE.validation_fraction)


def errors_on_bytes(export, files, class_names):
    """Returns the number of files that the signature `classify_bytes` classifies wrongly."""
    signature = tf.saved_model.load(str(export)).signatures["classify_bytes"]
    wrong = 0
    for start in range(0, len(files), 50):
        part = files.take(slice(start, start + 50))
        data = [Path(path).read_bytes() for path in part.paths]
        predicted = signature(image_bytes=tf.constant(data))["top_classes"].numpy()[:, 0]
        expected = [class_names[label].encode() for label in part.labels]
        wrong += sum(a != b for a, b in zip(predicted, expected, strict=True))
    return wrong


def test_training_measuring_exporting_and_classifying_files(trained, data):
    found = split(data)
    measured = evaluate(trained.export, None, data)
    # Half of the 13 or 14 images of each class: the export knows the fraction.
    assert measured.measurement.examples == len(found.test) == 7 + 6 + 6
    assert measured.class_names == ("7", "dark", "größer")
    assert measured.measurement.top1_error == trained.test_error
    wrong = errors_on_bytes(trained.export, found.test, found.class_names)
    assert 100 * wrong / 19 == trained.test_error
    # config.json contains the values that the data set decided.
    recipe = read_recipe(trained.run / "config.json")
    assert (recipe.augmentation, recipe.image_size, recipe.flip) == ("scale", 16, True)
    config = json.loads((trained.run / "config.json").read_text())
    assert "19 of 40 images are held out for testing" in config["data"]["notes"]


def test_a_mean_per_channel_accepts_images_of_any_size(trained):
    served = tf.saved_model.load(str(trained.export)).signatures["serving_default"]
    assert served.structured_input_signature[1]["images"].shape.as_list() == [None, None, None, 3]
    probabilities = served(images=tf.zeros((2, 40, 24, 3), tf.uint8))["probabilities"].numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.landing
def test_a_resumed_run_ends_with_the_same_bits(trained, interrupted):
    resumed = run(RECIPE, interrupted)
    expected, actual = (
        keras.saving.load_model(one.run / "model.keras", compile=False).get_weights()
        for one in (trained, resumed)
    )
    for weights, other in zip(expected, actual, strict=True):
        np.testing.assert_array_equal(other, weights)


def test_resuming_with_other_files_is_refused(interrupted, data_copy):
    trained_on = split(data_copy).train.paths[0]
    Path(trained_on).rename(Path(trained_on).with_stem("renamed"))
    with pytest.raises(UserError, match="training files"):
        run(RECIPE, dataclasses.replace(interrupted, data_dir=str(data_copy)))


def test_a_damaged_file_ends_the_run_with_its_path(tmp_path, data_copy):
    data = str(data_copy)
    bad = next(path for path in split(data).train.paths if path.endswith("png"))
    image_bytes = Path(bad).read_bytes()
    Path(bad).write_bytes(image_bytes[: len(image_bytes) // 2])
    with pytest.raises(UserError) as caught:
        run(RECIPE, options_for(tmp_path, data))
    assert bad in str(caught.value) and "--skip-corrupt" in str(caught.value)


@pytest.mark.slow
def test_skip_corrupt_omits_damaged_files(tmp_path, data_copy):
    data = str(data_copy)
    bad = split(data).train.paths[3]
    Path(bad).write_bytes(Path(bad).read_bytes()[:200])
    result = run(
        dataclasses.replace(RECIPE, skip_corrupt=True, steps=1),
        options_for(tmp_path, data, "intact"),
    )
    config = json.loads((result.run / "config.json").read_text())
    assert config["train_examples"] == 20
    assert any("skipped 1 files" in note and bad in note for note in config["data"]["notes"])


def test_a_file_that_is_damaged_during_training_is_named(tmp_path, data_copy, monkeypatch):
    data = str(data_copy)
    bad = split(data).train.paths[5]
    from resnet_keras.training import fit

    training_batches = fit.pipeline.training_batches

    def damage(*args):
        Path(bad).write_bytes(b"")
        return training_batches(*args)

    monkeypatch.setattr(fit.pipeline, "training_batches", damage)
    # An epoch of the 21 images is three and a half steps.
    with pytest.raises(UserError, match=r"step [1-4]: ") as caught:
        run(dataclasses.replace(RECIPE, steps=12), options_for(tmp_path, data))
    assert bad in str(caught.value) and "is empty" in str(caught.value)


def test_images_in_memory_are_not_cropped_at_random_scales(tmp_path):
    recipe = Recipe("resnet8", dataset="digits", augmentation="scale")
    with pytest.raises(UsageError, match="--augmentation pad"):
        run(recipe, options_for(tmp_path, None))


@pytest.fixture
def photographs(tmp_path):
    """A sample of real JPEG images. Skips the test if RESNET_KERAS_DATA does not contain it."""
    archive = Path(os.environ.get("RESNET_KERAS_DATA", "."), SAMPLE)
    if not archive.is_file():
        pytest.skip(f"set RESNET_KERAS_DATA to a folder that contains {SAMPLE}")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "photographs", filter="data")
    return str(tmp_path / "photographs")


@pytest.mark.slow
def test_real_photographs(tmp_path, photographs):
    recipe = Recipe(
        "resnet18", dataset="folder", image_size=64, steps=60, batch_size=32, drops=(),
        eval_every=60, learning_rate=0.02,
    )  # fmt: skip
    result = run(recipe, options_for(tmp_path, photographs))
    assert result.test_error < 80  # random guessing is 90 %
    found = load_dataset("folder", photographs)
    assert evaluate(result.export, None, photographs).measurement.top1_error == result.test_error
    wrong = errors_on_bytes(result.export, found.test, found.class_names)
    assert 100 * wrong / len(found.test) == result.test_error
