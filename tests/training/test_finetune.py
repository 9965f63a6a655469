"""Runs that begin with another network's weights."""

import argparse
import dataclasses
import json

import keras
import numpy as np
import pytest

from resnet_keras import recipes
from resnet_keras.artefact import Description
from resnet_keras.cli.flags import add_recipe_flags, recipe_from
from resnet_keras.cli.main import command
from resnet_keras.data import sources
from resnet_keras.data.dataset import Files, Images
from resnet_keras.errors import UsageError, UserError
from resnet_keras.evaluation.predictors import open_predictor
from resnet_keras.models.build import build
from resnet_keras.models.keras_file import load_keras_file, read_description, save_keras_file
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe
from resnet_keras.runs.folder import RunOptions
from resnet_keras.training.finetune import adapted
from resnet_keras.training.job import run

HEAD = ("logits/kernel", "logits/bias")


def small(name="digits"):
    whole = sources.load_digits()
    return type(whole)(
        name, whole.class_names, whole.train.take(slice(96)), whole.test.take(slice(40)), False
    )


@pytest.fixture(scope="module", autouse=True)
def few_digits():
    few = small()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "load_digits", lambda: few)
        yield


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A network of three classes with a mean a channel and averages that show where they are."""
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


def places_in(folder, **rest):
    return RunOptions(runs_dir=str(folder / "runs"), export_dir=str(folder / "exports"), **rest)


def weights(path):
    model, _ = load_keras_file(path)
    return {weight.path: weight.numpy() for weight in model.weights}


@pytest.fixture(scope="module")
def true(backbone, tmp_path_factory):
    """A run that ends with true averages."""
    recipe = recipe_of(backbone, recalibrate_bn=True, steps=2, drops=())
    return run(recipe, places_in(tmp_path_factory.mktemp("true")))


def test_a_run_takes_backbone_and_preprocessing_and_a_new_head(backbone, tmp_path):
    # At a rate of nothing, what comes out is what was put in.
    result = run(recipe_of(backbone, learning_rate=0.0), places_in(tmp_path))
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


def test_frozen_nothing_but_the_head_moves(backbone, tmp_path):
    result = run(recipe_of(backbone, freeze=True), places_in(tmp_path))
    before, after = weights(backbone), weights(result.run / "model.keras")
    for name, value in after.items():
        if name not in HEAD:
            np.testing.assert_array_equal(value, before[name])
    assert np.abs(after["logits/bias"]).max() > 0
    # How it was trained is no property of it: whoever loads it can train all of it.
    model, _ = load_keras_file(result.run / "model.keras")
    assert all(layer.trainable for layer in model.layers)
    counted = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert json.loads((result.run / "config.json").read_text())["parameters"] == counted


@pytest.mark.landing
def test_a_run_goes_on_without_the_file(tmp_path):
    path = tmp_path / "gone.keras"
    write_backbone(path)
    recipe, places = recipe_of(path), places_in(tmp_path, checkpoint_every=3)
    whole = run(recipe, places)
    theirs = weights(whole.run / "model.keras")
    next((whole.run / "checkpoints").glob("*6*")).unlink()
    (whole.run / "result.json").unlink()
    path.unlink()
    mine = weights(run(recipe, places).run / "model.keras")
    for name, value in theirs.items():
        np.testing.assert_allclose(mine[name], value, atol=1e-6)
    with pytest.raises(UserError, match=r"there is no file .*gone.keras"):
        run(recipe, dataclasses.replace(places, resume="never"))


def test_averages_are_true_ones_where_the_recipe_says_so(true):
    model, description = load_keras_file(true.run / "model.keras")
    train = sources.load_digits().train.images.astype(np.float64)
    preprocessing = description.preprocessing
    x = (train * preprocessing.scale - preprocessing.mean) / preprocessing.std
    z = model.get_layer("conv1")(x.astype(np.float32)).numpy().reshape(-1, 16)
    # NumPy's own mean in float32 is off by more than what is to be shown.
    z = z.astype(np.float64)
    layer = model.get_layer("bn1")
    np.testing.assert_allclose(layer.moving_mean.numpy(), z.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(layer.moving_variance.numpy(), z.var(axis=0), rtol=1e-3)


@pytest.mark.landing
def test_a_finished_run_is_exported_with_true_averages(backbone, true, tmp_path, capsys):
    moving = run(recipe_of(backbone, steps=2, drops=()), places_in(tmp_path))
    flags = ["--recalibrate-bn", "--export-dir", str(tmp_path / "again")]
    assert command("export", [str(moving.run), *flags], "export") == 0
    again = open_predictor(capsys.readouterr().out.strip())
    images = sources.load_digits().test.images
    mine = again.probabilities(images)
    np.testing.assert_allclose(mine, open_predictor(true.export).probabilities(images), atol=1e-4)
    assert np.abs(mine - open_predictor(moving.export).probabilities(images)).max() > 1e-2
    assert again.description.card["recipe"]["recalibrate_bn"] is True
    assert command("export", [str(backbone), *flags], "export") == 1
    assert "names no run of this program" in capsys.readouterr().err


def flags(*argv):
    parser = argparse.ArgumentParser()
    add_recipe_flags(parser)
    return recipe_from(parser.parse_args(argv))


def test_the_file_says_which_network(tmp_path):
    path = tmp_path / "b.keras"
    write_backbone(path, arch="resnet50", option="B", bottleneck_stride="3x3")
    for more in ([], ["--arch", "resnet50"]):
        recipe = flags("--recipe", "finetune", "--train-from", str(path), *more)
        assert (recipe.arch, recipe.bottleneck_stride) == ("resnet50", "3x3")
        assert (recipe.dataset, recipe.backbone_rate) == ("folder", 0.1)
    # Of an own run the recipe says it.
    write_backbone(path, recipe={"projection": "average"})
    assert flags("--train-from", str(path)).projection == "average"


def test_a_missing_file_is_named_unless_arch_makes_up_for_it(tmp_path):
    gone = str(tmp_path / "gone.keras")
    with pytest.raises(UserError, match="--train-from: there is no file"):
        flags("--recipe", "finetune", "--train-from", gone)
    assert flags("--train-from", gone, "--arch", "resnet8").train_from == gone


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"option": "A"}, "option B there, A here"),
        ({"arch": "resnet14"}, "arch resnet8 there, resnet14 here.*leave out --arch"),
    ],
)
def test_another_network_is_refused(backbone, tmp_path, changes, message):
    recipe = dataclasses.replace(recipe_of(backbone), **changes)
    with pytest.raises(UserError, match=message):
        run(recipe, places_in(tmp_path))


def test_files_that_are_no_networks_of_ours(tmp_path):
    path = tmp_path / "text.keras"
    path.write_text("not a zip file")
    with pytest.raises(UserError, match=r"not a whole \.keras file"):
        run(recipe_of(path), places_in(tmp_path))
    write_backbone(path, arch=None)
    with pytest.raises(UserError, match="does not say which network"):
        run(recipe_of(path), places_in(tmp_path))


def arrays(side):
    return Images(np.zeros((2, side, side, 3), np.uint8), np.zeros(2, np.int32))


def test_a_mean_of_each_pixel_fits_one_size():
    pixels = Preprocessing((32, 32), "stretch", 1.0, np.zeros((32, 32, 3)), (1, 1, 1), ("a",))
    assert adapted(pixels, ("b", "c"), arrays(32), None).class_names == ("b", "c")
    with pytest.raises(UserError, match="each of 32x32 pixels, the images here have 64x64"):
        adapted(pixels, ("b",), arrays(64), None)


def test_files_are_cut_as_the_other_network_cut_them():
    values = ((224, 224), "crop", 1 / 255, (0.4,) * 3, (0.2,) * 3, ("a",), 232)
    files = Files(("x.jpg",), np.zeros(1, np.int32))
    same = adapted(Preprocessing(*values), ("b",), files, 224)
    assert (same.size, same.resize, same.shorter_side) == ((224, 224), "crop", 232)
    small = adapted(Preprocessing(*values), ("b",), files, 64)
    assert (small.size, small.shorter_side) == ((64, 64), 66)
    np.testing.assert_array_equal(small.mean, same.mean)


def test_what_belongs_to_fine_tuning_needs_a_file():
    with pytest.raises(UsageError, match=r"--train-from model\.keras is missing"):
        recipes.make("finetune", "resnet20")
    with pytest.raises(UsageError, match="train-from"):
        Recipe("resnet20", freeze=True)
    with pytest.raises(UsageError, match="leave out freeze or recalibrate_bn"):
        Recipe("resnet20", train_from="a.keras", freeze=True, recalibrate_bn=True)
