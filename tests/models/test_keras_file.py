"""What is in a `.keras` file, and which other programs can load it."""

import re
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from resnet_keras.description import Description
from resnet_keras.errors import UserError
from resnet_keras.models.batch_norm import BatchNormalization
from resnet_keras.models.build import build
from resnet_keras.models.keras_file import load_keras_file, save_keras_file
from tests.models.lifecycle import CLASSES, make_preprocessing, randomized

DESCRIPTION = Description(make_preprocessing(8), {"arch": "resnet8"})
# Runs in a process that never imports this package.
STOCK_KERAS = """
import sys
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1])
np.save(sys.argv[3], model(np.load(sys.argv[2]), training=False))
assert "resnet_keras" not in sys.modules
"""


def network(option="B", **kwargs):
    return build("resnet8", option, classes=len(CLASSES), input_shape=(8, 8, 3), **kwargs)


def norms(model):
    return [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]


def custom_objects(path):
    """The names of this package's objects in a file."""
    with zipfile.ZipFile(path) as archive:
        return set(re.findall(r"resnet_keras[.>]\w+", archive.read("config.json").decode()))


@pytest.mark.parametrize("option", "AB")
def test_files_contain_stock_layers(tmp_path, option):
    model = network(option)
    save_keras_file(model, tmp_path / "m.keras", DESCRIPTION)
    expected = {"resnet_keras>zero_padding_shortcut"} if option == "A" else set()
    assert custom_objects(tmp_path / "m.keras") == expected
    assert {type(layer) for layer in norms(model)} == {BatchNormalization}


def test_loaded_models_use_the_fused_kernel(tmp_path):
    model = network()
    save_keras_file(model, tmp_path / "m.keras", DESCRIPTION)
    loaded, _ = load_keras_file(tmp_path / "m.keras")
    assert {type(layer) for layer in norms(loaded)} == {BatchNormalization}
    for mine, theirs in zip(norms(model), norms(loaded), strict=True):
        assert mine.get_config()["name"] == theirs.get_config()["name"]
        assert (theirs.momentum, theirs.epsilon) == (0.9, 1e-5)


def test_loaded_models_train_like_the_saved_one(tmp_path):
    model = randomized(network())
    save_keras_file(model, tmp_path / "m.keras", DESCRIPTION)
    loaded, _ = load_keras_file(tmp_path / "m.keras")
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)
    for training in (True, False):
        outputs = [np.asarray(x(images, training=training)) for x in (model, loaded)]
        np.testing.assert_array_equal(*outputs)
    for mine, theirs in zip(model.variables, loaded.variables, strict=True):
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


def test_mixed_precision_is_kept(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = network()
    keras.config.set_dtype_policy("float32")
    save_keras_file(model, tmp_path / "m.keras", DESCRIPTION)
    loaded, _ = load_keras_file(tmp_path / "m.keras")
    for mine, theirs in zip(model.layers[1:], loaded.layers[1:], strict=True):
        assert mine.compute_dtype == theirs.compute_dtype
        assert mine.output.dtype == theirs.output.dtype
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)
    for training in (True, False):
        outputs = [np.asarray(x(images, training=training)) for x in (model, loaded)]
        np.testing.assert_array_equal(*outputs)


def test_a_failed_save_keeps_the_class_of_the_layers(tmp_path):
    model = network()
    with pytest.raises(UserError):
        save_keras_file(model, tmp_path / "absent" / "m.keras", DESCRIPTION)
    assert {type(layer) for layer in norms(model)} == {BatchNormalization}


def test_layers_of_nested_models_are_switched_too(tmp_path):
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, network()(inputs))
    save_keras_file(model, tmp_path / "m.keras", DESCRIPTION)
    assert not custom_objects(tmp_path / "m.keras")
    loaded, _ = load_keras_file(tmp_path / "m.keras")
    for outer in (model, loaded):
        assert {type(layer) for layer in norms(outer.layers[-1])} == {BatchNormalization}


@pytest.mark.landing
def test_stock_keras_loads_option_b_without_this_package(tmp_path):
    model = randomized(network())
    save_keras_file(model, tmp_path / "m.keras", DESCRIPTION)
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    command = [sys.executable, "-c", STOCK_KERAS, "m.keras", "images.npy", "logits.npy"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = np.asarray(model(images, training=False))
    assert np.ptp(expected, axis=0).max() > 0.1
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), expected, atol=1e-5)
