"""A run on a folder of images: from files to an export that answers about the same files."""

import json
import os
import tarfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from resnet_keras.data.load import load
from resnet_keras.errors import UsageError, UserError
from resnet_keras.evaluation.evaluate import evaluate
from resnet_keras.recipe import Recipe
from resnet_keras.training.job import Places, run
from resnet_keras.training.run_folder import read_recipe

SAMPLE = "imagenette-sample.tar"
RECIPE = Recipe(
    arch="resnet8", dataset="folder", image_size=16, batch_size=6, steps=4, drops=(),
    eval_every=2, learning_rate=0.01, lighting=0.1, deterministic=True,
)  # fmt: skip


@pytest.fixture
def data(tmp_path):
    """Forty photographs of dark and of bright noise, of all sizes and turns."""
    rng = np.random.default_rng(0)
    for number in range(40):
        label = ("dark", "größer", "7")[number % 3]
        sides = rng.integers(17, 60, 2)
        level = {"dark": 60, "größer": 200, "7": 130}[label]
        pixels = np.clip(rng.normal(level, 30, (*sides, 3)), 0, 255).astype(np.uint8)
        path = tmp_path / "data" / label / f"{number}.{('JPG', 'png')[number % 2]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        tags = Image.Exif()
        tags[0x0112] = 1 + number % 8
        Image.fromarray(pixels).save(path, exif=tags)
    return str(tmp_path / "data")


def places(tmp_path, data, name="run", **more):
    runs, exports = str(tmp_path / "runs"), str(tmp_path / "exports")
    return Places(data_dir=data, runs_dir=runs, export_dir=exports, name=name, **more)


def errors_on_bytes(export, files, class_names):
    """How many files `classify_bytes` answers wrongly, a few at a time as a server is asked."""
    signature = tf.saved_model.load(str(export)).signatures["classify_bytes"]
    wrong = 0
    for start in range(0, len(files), 50):
        part = files.take(slice(start, start + 50))
        data = [Path(path).read_bytes() for path in part.paths]
        answers = signature(image_bytes=tf.constant(data))["top_classes"].numpy()[:, 0]
        right = [class_names[label].encode() for label in part.labels]
        wrong += sum(a != b for a, b in zip(answers, right, strict=True))
    return wrong


def test_trained_measured_exported_and_asked(tmp_path, data):
    result = run(RECIPE, places(tmp_path, data))
    found = load("folder", data)
    measured = evaluate(result.export, None, data)
    assert measured.measurement.examples == len(found.test) == 9  # three of each class
    assert measured.class_names == ("7", "dark", "größer")
    assert measured.measurement.top1_error == result.test_error
    wrong = errors_on_bytes(result.export, found.test, found.class_names)
    assert 100 * wrong / 9 == result.test_error
    # What was left to the data set is written down.
    recipe = read_recipe(result.run / "config.json")
    assert (recipe.augmentation, recipe.image_size, recipe.flip) == ("scale", 16, True)
    config = json.loads((result.run / "config.json").read_text())
    assert "9 of 40 images are kept for the test" in config["data"]["notes"]


def test_one_mean_a_channel_leaves_the_size_free(tmp_path, data):
    result = run(RECIPE, places(tmp_path, data))
    served = tf.saved_model.load(str(result.export)).signatures["serving_default"]
    assert served.structured_input_signature[1]["images"].shape.as_list() == [None, None, None, 3]
    answers = served(images=tf.zeros((2, 40, 24, 3), tf.uint8))["probabilities"].numpy()
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-5)


def test_the_share_for_the_test_goes_with_the_network(tmp_path, data):
    import dataclasses

    recipe = dataclasses.replace(RECIPE, validation_fraction=0.5, steps=1)
    result = run(recipe, places(tmp_path, data))
    assert evaluate(result.export, None, data).measurement.examples == 7 + 6 + 6


def test_broken_off_and_gone_on_is_the_same_to_the_bit(tmp_path, data):
    import dataclasses

    whole = run(RECIPE, places(tmp_path, data, "whole", checkpoint_every=3))
    parts = places(tmp_path, data, "parts", checkpoint_every=3)
    run(RECIPE, parts)
    folder = Path(parts.runs_dir, "parts")
    for file in ("result.json", "model.keras"):
        (folder / file).unlink()
    kept = sorted((folder / "checkpoints").iterdir())
    # Only the checkpoint of step 3 is left; step 4 is taken again.
    for path in kept:
        if "4" in path.name.split(".")[0]:
            path.unlink()
    run(dataclasses.replace(RECIPE), parts)
    first, second = (
        keras.saving.load_model(path / "model.keras", compile=False).get_weights()
        for path in (whole.run, folder)
    )
    for mine, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_going_on_with_other_files_is_refused(tmp_path, data):
    result = run(RECIPE, places(tmp_path, data))
    (result.run / "result.json").unlink()
    next(Path(data, "dark").iterdir()).rename(Path(data, "dark", "renamed.png"))
    with pytest.raises(UserError, match="training files"):
        run(RECIPE, places(tmp_path, data))


def test_a_damaged_file_stops_the_run_with_its_path_or_is_left_out(tmp_path, data):
    import dataclasses

    bad = next(path for path in load("folder", data).train.paths if path.endswith("png"))
    # The mean is taken of the whole file: it is damaged after that.
    whole = Path(bad).read_bytes()
    Path(bad).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError) as caught:
        run(RECIPE, places(tmp_path, data))
    assert bad in str(caught.value) and "--skip-corrupt" in str(caught.value)
    result = run(dataclasses.replace(RECIPE, skip_corrupt=True), places(tmp_path, data, "sound"))
    config = json.loads((result.run / "config.json").read_text())
    assert config["train_examples"] == 30
    assert any("skipped 1 files" in note and bad in note for note in config["data"]["notes"])


def test_a_file_that_is_damaged_while_training_is_named(tmp_path, data, monkeypatch):
    bad = load("folder", data).train.paths[5]
    from resnet_keras.training import fit

    real = fit.pipeline.training_batches

    def damage(*args):
        Path(bad).write_bytes(b"")
        return real(*args)

    monkeypatch.setattr(fit.pipeline, "training_batches", damage)
    import dataclasses

    # Five and a half steps are an epoch of the 32 images.
    with pytest.raises(UserError, match=r"step [1-6]: ") as caught:
        run(dataclasses.replace(RECIPE, steps=12), places(tmp_path, data))
    assert bad in str(caught.value) and "is empty" in str(caught.value)


def test_arrays_are_not_cut_at_random_scales(tmp_path):
    recipe = Recipe("resnet8", dataset="digits", augmentation="scale")
    with pytest.raises(UsageError, match="--augmentation pad"):
        run(recipe, places(tmp_path, None))


@pytest.fixture
def photographs(tmp_path):
    """A sample of real JPEGs, or a skip that says how to name the place."""
    archive = Path(os.environ.get("RESNET_KERAS_DATA", "."), SAMPLE)
    if not archive.is_file():
        pytest.skip(f"RESNET_KERAS_DATA names no folder with {SAMPLE}")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "photographs", filter="data")
    return str(tmp_path / "photographs")


@pytest.mark.slow
def test_real_photographs(tmp_path, photographs):
    recipe = Recipe(
        "resnet18", dataset="folder", image_size=64, steps=60, batch_size=32, drops=(),
        eval_every=60, learning_rate=0.02,
    )  # fmt: skip
    result = run(recipe, places(tmp_path, photographs))
    assert result.test_error < 80  # chance is 90 %
    found = load("folder", photographs)
    assert evaluate(result.export, None, photographs).measurement.top1_error == result.test_error
    wrong = errors_on_bytes(result.export, found.test, found.class_names)
    assert 100 * wrong / len(found.test) == result.test_error
