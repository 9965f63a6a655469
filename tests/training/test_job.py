"""One run, from a recipe to a measured export: the files it writes and their values."""

import csv
import dataclasses
import json

import numpy as np
import pytest

from resnet_keras.data.sources import load_dataset
from resnet_keras.errors import UsageError
from resnet_keras.evaluation.evaluate import evaluate
from resnet_keras.evaluation.predictors import open_predictor
from resnet_keras.export.fold import deployment_model
from resnet_keras.models.keras_file import load_keras_file, save_keras_file
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe
from resnet_keras.runs.config import read_recipe
from resnet_keras.runs.folder import RunOptions
from resnet_keras.training import checkpoint, hardware
from resnet_keras.training.fit import compiled_model
from resnet_keras.training.job import run

RECIPE = Recipe(
    arch="resnet8",
    option="B",
    dataset="digits",
    batch_size=16,
    steps=12,
    drops=(8,),
    eval_every=5,
    decay=0.5,
    learning_rate=1e-6,
)


def options_in(folder):
    return RunOptions(runs_dir=str(folder / "runs"), export_dir=str(folder / "exports"))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job")
    return run(RECIPE, options_in(folder))


def rows(result):
    with open(result.run / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_default_names_contain_network_data_set_and_seed(done):
    assert done.run.name == "resnet8-B-digits-seed0"
    assert done.export.parts[-2:] == ("resnet8-B-digits", "1")


def test_the_run_folder_contains_all_documented_files(done):
    names = {path.name for path in done.run.iterdir()}
    assert {
        *("config.json", "metrics.csv", "curve.png", "model.keras", "result.json"),
        *("checkpoints", "tensorboard"),
    } <= names
    assert list((done.run / "tensorboard").glob("events*"))


def test_config_contains_the_resolved_recipe_and_the_machine(done):
    config = json.loads((done.run / "config.json").read_text())
    assert config["recipe"]["precision"] in ("float32", "mixed_bfloat16")  # never "auto"
    assert config["recipe"]["flip"] is False
    assert config["versions"]["keras"] and config["device"]
    again = read_recipe(done.run / "config.json")
    # The values that the data set and the machine decide are filled in.
    assert again.differences(RECIPE)
    assert again.steps == RECIPE.steps and again.option == "B"


def test_metrics_has_one_row_per_evaluation(done):
    table = rows(done)
    assert ",".join(table[0]) == (
        "step,learning_rate,loss,train_error,validation_error,test_error,seconds,images_per_second"
    )
    assert [row["step"] for row in table] == ["5", "10", "12"]
    assert [float(row["learning_rate"]) for row in table] == [1e-6, 1e-7, 1e-7]


def test_the_loss_is_cross_entropy_without_weight_decay(done):
    # At a learning rate of 1e-6 nothing is learned: the loss of ten classes is log(10), and a bit
    # more because the initial logits vary. A decay term would add a quarter of the sum of all
    # squares, which is over 100.
    assert all(2.0 < float(row["loss"]) < 20.0 for row in rows(done))


def test_the_last_row_is_measured_on_the_export(done):
    measured = evaluate(done.export, None, None).measurement.top1_error
    assert float(rows(done)[-1]["test_error"]) == pytest.approx(measured, abs=1e-6)
    assert done.test_error == measured
    assert json.loads((done.run / "result.json").read_text())["test_error"] == measured
    card = json.loads((done.export / "assets.extra/model_card.json").read_text())
    assert card["test_error"]["top1_percent"] == measured
    assert card["test_error"]["examples"] == 360


def test_held_out_images_are_measured_instead_of_test_images(tmp_path):
    recipe = dataclasses.replace(RECIPE, validation_size=100, steps=4, drops=(), eval_every=2)
    result = run(recipe, options_in(tmp_path))
    first, last = rows(result)
    assert first["validation_error"] and not first["test_error"]
    assert last["validation_error"] and last["test_error"]
    config = json.loads((result.run / "config.json").read_text())
    assert config["train_examples"] == 1337


@pytest.mark.landing
def test_averaged_weights_are_exported_also_after_a_kill_at_the_end(tmp_path):
    values = {"schedule": "one_cycle", "learning_rate": 0.1, "ema": 0.9, "label_smoothing": 0.1}
    recipe = dataclasses.replace(RECIPE, **values, steps=6)

    def exported():
        model, _ = load_keras_file(tmp_path / "runs/resnet8-B-digits-seed0/model.keras")
        return model.get_weights()

    result = run(recipe, options_in(tmp_path))
    first, (*_, last) = exported(), rows(result)
    raw = checkpoint.load_newest(result.run / "checkpoints", print).arrays
    kernel = next(
        value
        for name, value in raw.items()
        if name.endswith("/conv1/kernel") and name.startswith("model/")
    )
    assert not any(np.array_equal(kernel, weight) for weight in first)
    for name in ("result.json", "model.keras"):
        (result.run / name).unlink()
    run(recipe, options_in(tmp_path))
    for again, before in zip(exported(), first, strict=True):
        np.testing.assert_array_equal(again, before)
    assert rows(result)[-1]["test_error"] == last["test_error"]


def test_digits_cannot_be_mirrored(tmp_path):
    with pytest.raises(UsageError, match=r"--flip does not suit digits.*Omit --flip"):
        run(Recipe(arch="resnet8", dataset="digits", flip=True), options_in(tmp_path))


def test_the_keras_file_and_the_export_compute_the_same(done, tmp_path):
    # The export computes in float32, whichever precision the run chose.
    model, description = load_keras_file(done.run / "model.keras")
    model = deployment_model(model, fold=False)
    save_keras_file(model, tmp_path / "model.keras", description)
    images = load_dataset("digits").test.images[:50]
    exported = open_predictor(done.export).probabilities(images)
    saved = open_predictor(tmp_path).probabilities(images)
    np.testing.assert_allclose(exported, saved, atol=1e-5)


def test_the_seed_determines_the_initial_weights():
    def weights(seed):
        recipe = dataclasses.replace(RECIPE, seed=seed)
        preprocessing = Preprocessing(
            (8, 8), "stretch", 1.0, np.zeros(3), (1, 1, 1), tuple("0123456789")
        )
        machine = hardware.choose(recipe)
        hardware.apply(recipe, machine)
        return compiled_model(recipe, machine, preprocessing)[0].get_layer("conv1").kernel.numpy()

    first = weights(1)
    np.testing.assert_array_equal(weights(1), first)
    assert np.abs(weights(2) - first).min() > 0
