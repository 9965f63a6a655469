"""Runs that start from the weights of another network."""

import argparse
import dataclasses
import json

import keras
import numpy as np
import pytest

from resnet_keras import recipes
from resnet_keras.cli.flags import add_recipe_flags, recipe_from
from resnet_keras.cli.main import command
from resnet_keras.data import sources
from resnet_keras.data.dataset import Files, Images
from resnet_keras.data.pipeline import training_batches
from resnet_keras.description import Description, read_description
from resnet_keras.errors import UsageError, UserError
from resnet_keras.evaluation.predictors import open_predictor
from resnet_keras.models.build import build
from resnet_keras.models.keras_file import load_keras_file, save_keras_file
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe
from resnet_keras.runs.config import stored_recipe
from resnet_keras.runs.folder import RunOptions
from resnet_keras.training.finetune import adapt_preprocessing
from resnet_keras.training.job import run

HEAD = ("logits/kernel", "logits/bias")


def few_digits():
    digits = sources.load_digits()
    return dataclasses.replace(
        digits, train=digits.train.take(slice(96)), test=digits.test.take(slice(40))
    )


@pytest.fixture(scope="module", autouse=True)
def use_few_digits():
    few = few_digits()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "load_digits", lambda: few)
        yield


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A network of three classes with a mean per channel and random moving means."""
    path = tmp_path_factory.mktemp("backbone") / "backbone.keras"
    write_backbone(path)
    return path


def write_backbone(path, **card):
    model = build("resnet8", "B", classes=3, input_shape=(None, None, 3))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(rng.normal(0, 0.3, layer.moving_mean.shape))
    preprocessing = Preprocessing(
        (48, 48), "crop", 1 / 128, (0.9, 0.8, 0.7), (0.5, 0.6, 0.7), ("a", "b", "c"), 55
    )
    card = {"name": "b", "arch": "resnet8", "option": "B", "dataset": None, **card}
    save_keras_file(model, path, Description(preprocessing, card))


def recipe_of(path, **changes):
    values = {
        "option": "B",
        "dataset": "digits",
        "batch_size": 16,
        "steps": 6,
        "drops": (4,),
        "eval_every": 3,
        **changes,
    }
    return recipes.make("finetune", "resnet8", train_from=str(path), **values)


def options_in(folder, **more):
    return RunOptions(runs_dir=str(folder / "runs"), export_dir=str(folder / "exports"), **more)


def weights(path):
    model, _ = load_keras_file(path)
    return {weight.path: weight.numpy() for weight in model.weights}


@pytest.fixture(scope="module")
def recalibrated(backbone, tmp_path_factory):
    """A run that ends with a recalibration."""
    recipe = recipe_of(backbone, recalibrate_bn=True, steps=2, drops=())
    return run(recipe, options_in(tmp_path_factory.mktemp("recalibrated")))


def test_a_run_starts_with_backbone_and_preprocessing_and_a_new_head(backbone, tmp_path):
    # With a learning rate of 0, the weights do not change.
    result = run(recipe_of(backbone, learning_rate=0.0), options_in(tmp_path))
    before, after = weights(backbone), weights(result.run / "model.keras")
    for name, value in after.items():
        if name in HEAD:
            assert value.shape[-1] == 10
        elif "moving" not in name:
            np.testing.assert_array_equal(value, before[name])
    old = read_description(backbone).preprocessing
    new = read_description(result.run / "model.keras").preprocessing
    assert new == dataclasses.replace(
        old,
        size=(32, 32),
        resize="stretch",
        shorter_side=None,
        class_names=sources.load_digits().class_names,
    )
    config = json.loads((result.run / "config.json").read_text())
    assert config["recipe"]["train_from"] == str(backbone)
    assert config["recipe"]["backbone_rate"] == 0.1


def test_with_freeze_only_the_head_changes(backbone, tmp_path):
    result = run(recipe_of(backbone, freeze=True), options_in(tmp_path))
    before, after = weights(backbone), weights(result.run / "model.keras")
    for name, value in after.items():
        if name not in HEAD:
            np.testing.assert_array_equal(value, before[name])
    assert np.abs(after["logits/bias"]).max() > 0
    # The saved network is not frozen: how it was trained is not part of it.
    model, _ = load_keras_file(result.run / "model.keras")
    assert all(layer.trainable for layer in model.layers)
    counted = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert json.loads((result.run / "config.json").read_text())["parameters"] == counted


@pytest.mark.landing
def test_a_run_resumes_without_the_file_it_started_from(tmp_path):
    path = tmp_path / "gone.keras"
    write_backbone(path)
    recipe, options = recipe_of(path), options_in(tmp_path, checkpoint_every=3)
    uninterrupted = run(recipe, options)
    expected = weights(uninterrupted.run / "model.keras")
    next((uninterrupted.run / "checkpoints").glob("*6*")).unlink()
    (uninterrupted.run / "result.json").unlink()
    path.unlink()
    actual = weights(run(recipe, options).run / "model.keras")
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, atol=1e-6)
    with pytest.raises(UserError, match=r"there is no file .*gone.keras"):
        run(recipe, dataclasses.replace(options, resume="never"))


def test_recalibrate_bn_computes_exact_statistics(recalibrated):
    model, description = load_keras_file(recalibrated.run / "model.keras")
    # The augmented batches that would follow the last step, as many as cover the images once.
    recipe = stored_recipe(description.card["recipe"])
    train = sources.load_digits().train
    count = -(-len(train) // recipe.batch_size)
    longer = dataclasses.replace(recipe, steps=recipe.steps + count)
    batches = training_batches(train, description.preprocessing, longer, recipe.steps)
    x = np.concatenate([images.numpy() for images, _ in batches])
    assert len(x) >= len(train)
    z = model.get_layer("conv1")(x).numpy().reshape(-1, 16)
    # The rounding errors of NumPy's mean in float32 exceed the tolerances.
    z = z.astype(np.float64)
    layer = model.get_layer("bn1")
    np.testing.assert_allclose(layer.moving_mean.numpy(), z.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(layer.moving_variance.numpy(), z.var(axis=0), rtol=1e-3)


@pytest.mark.landing
def test_export_can_recalibrate_a_finished_run(backbone, recalibrated, tmp_path, capsys):
    original = run(recipe_of(backbone, steps=2, drops=()), options_in(tmp_path))
    flags = ["--recalibrate-bn", "--export-dir", str(tmp_path / "again")]
    assert command("export", [str(original.run), *flags], "export") == 0
    again = open_predictor(capsys.readouterr().out.strip())
    images = sources.load_digits().test.images
    actual = again.probabilities(images)
    expected = open_predictor(recalibrated.export).probabilities(images)
    np.testing.assert_allclose(actual, expected, atol=1e-4)
    assert np.abs(actual - open_predictor(original.export).probabilities(images)).max() > 1e-2
    assert again.description.card["recipe"]["recalibrate_bn"] is True
    assert command("export", [str(backbone), *flags], "export") == 1
    assert "--recalibrate-bn needs the recipe of the run" in capsys.readouterr().err


def recipe_from_flags(*argv):
    parser = argparse.ArgumentParser()
    add_recipe_flags(parser)
    return recipe_from(parser.parse_args(argv))


def test_the_architecture_is_read_from_the_file(tmp_path):
    path = tmp_path / "b.keras"
    write_backbone(path, arch="resnet50", option="B", bottleneck_stride="3x3")
    for more in ([], ["--arch", "resnet50"]):
        recipe = recipe_from_flags("--recipe", "finetune", "--train-from", str(path), *more)
        assert (recipe.arch, recipe.bottleneck_stride) == ("resnet50", "3x3")
        assert (recipe.dataset, recipe.backbone_rate) == ("folder", 0.1)
    # The file of a run contains its recipe.
    write_backbone(path, recipe={"projection": "average"})
    assert recipe_from_flags("--train-from", str(path)).projection == "average"


def test_a_missing_file_is_an_error_unless_arch_is_given(tmp_path):
    gone = str(tmp_path / "gone.keras")
    with pytest.raises(UserError, match="--train-from: there is no file"):
        recipe_from_flags("--recipe", "finetune", "--train-from", gone)
    assert recipe_from_flags("--train-from", gone, "--arch", "resnet8").train_from == gone


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"option": "A"}, "option is B there and A here"),
        ({"arch": "resnet14"}, "arch is resnet8 there and resnet14 here.*omit --arch"),
    ],
)
def test_another_network_is_refused(backbone, tmp_path, changes, message):
    recipe = dataclasses.replace(recipe_of(backbone), **changes)
    with pytest.raises(UserError, match=message):
        run(recipe, options_in(tmp_path))


def test_files_without_a_network_of_this_program(tmp_path):
    path = tmp_path / "text.keras"
    path.write_text("not a zip file")
    with pytest.raises(UserError, match=r"not a valid \.keras file"):
        run(recipe_of(path), options_in(tmp_path))
    write_backbone(path, arch=None)
    with pytest.raises(UserError, match="does not name the architecture"):
        run(recipe_of(path), options_in(tmp_path))


def images_of(side):
    return Images(np.zeros((2, side, side, 3), np.uint8), np.zeros(2, np.int32))


def test_a_mean_per_pixel_fits_only_one_size():
    per_pixel = Preprocessing((32, 32), "stretch", 1.0, np.zeros((32, 32, 3)), (1, 1, 1), ("a",))
    assert adapt_preprocessing(per_pixel, ("b", "c"), images_of(32), None).class_names == ("b", "c")
    with pytest.raises(UserError, match=r"needs images of 32x32 pixels.*Received: images of 64x64"):
        adapt_preprocessing(per_pixel, ("b",), images_of(64), None)


def test_images_in_files_are_cropped_as_for_the_pretrained_network():
    values = ((224, 224), "crop", 1 / 255, (0.4,) * 3, (0.2,) * 3, ("a",), 232)
    files = Files(("x.jpg",), np.zeros(1, np.int32))
    same = adapt_preprocessing(Preprocessing(*values), ("b",), files, 224)
    assert (same.size, same.resize, same.shorter_side) == ((224, 224), "crop", 232)
    small = adapt_preprocessing(Preprocessing(*values), ("b",), files, 64)
    assert (small.size, small.shorter_side) == ((64, 64), 66)
    np.testing.assert_array_equal(small.mean, same.mean)


def test_fine_tuning_settings_need_a_file():
    with pytest.raises(UsageError, match=r"add --train-from model\.keras"):
        recipes.make("finetune", "resnet20")
    with pytest.raises(UsageError, match="train-from"):
        Recipe("resnet20", freeze=True)
    with pytest.raises(UsageError, match="omit freeze or recalibrate_bn"):
        Recipe("resnet20", train_from="a.keras", freeze=True, recalibrate_bn=True)
