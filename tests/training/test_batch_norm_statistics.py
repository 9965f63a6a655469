"""Recalibration of batch normalization against NumPy."""

import dataclasses
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from resnet_keras.data import random
from resnet_keras.data.dataset import Files, Images
from resnet_keras.data.pipeline import training_batches
from resnet_keras.data.sources import load_digits
from resnet_keras.errors import UserError
from resnet_keras.evaluation.measure import measure
from resnet_keras.evaluation.predictors import model_probabilities
from resnet_keras.models.batch_norm import BatchNormalization
from resnet_keras.models.keras_file import load_keras_file
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe
from resnet_keras.runs.config import stored_recipe
from resnet_keras.training.batch_norm_statistics import recalibrate, statistics_batches

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "version_0_1"
SIDE, EPSILON = 4, 1e-5


def network():
    """Returns two 1x1 convolutions, each with batch norm: easy to compute by hand."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(5, 1, name="conv1")(inputs)
    x = BatchNormalization(epsilon=EPSILON, momentum=0.9, name="bn1")(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Conv2D(4, 1, name="conv2")(x)
    x = BatchNormalization(epsilon=EPSILON, momentum=0.9, name="bn2")(x)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))
    rng = np.random.default_rng(0)
    for name in ("bn1", "bn2"):
        for weight in model.get_layer(name).weights:
            weight.assign(rng.uniform(0.5, 2, weight.shape))
    return model


def random_batches(*sizes):
    """Returns preprocessed batches that become brighter."""
    rng = np.random.default_rng(1)
    return [
        (rng.normal(0.1 * index, 0.5, (size, SIDE, SIDE, 3))).astype(np.float32)
        for index, size in enumerate(sizes)
    ]


def by_hand(model, batches):
    """Returns the mean and variance of the inputs of each batch norm.

    The first one normalizes each batch by its own statistics.
    """
    first, bn, second = (model.get_layer(name) for name in ("conv1", "bn1", "conv2"))
    kernel, bias = (value.numpy().astype(np.float64) for value in first.weights)
    gamma, beta = bn.gamma.numpy(), bn.beta.numpy()
    kernel2, bias2 = (value.numpy().astype(np.float64) for value in second.weights)
    inputs = ([], [])
    for x in batches:
        x = x.astype(np.float64)
        z = x.reshape(-1, 3) @ kernel.reshape(3, 5) + bias
        inputs[0].append(z)
        y = gamma * (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + EPSILON) + beta
        inputs[1].append(np.maximum(y, 0) @ kernel2.reshape(5, 4) + bias2)
    # Computed from all values at once. `recalibrate` has to combine batches to the same result.
    all_values = [np.concatenate(values) for values in inputs]
    return [(values.mean(axis=0), values.var(axis=0)) for values in all_values]


def check(model, expected):
    for name, (mean, variance) in zip(("bn1", "bn2"), expected, strict=True):
        layer = model.get_layer(name)
        np.testing.assert_allclose(layer.moving_mean.numpy(), mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(layer.moving_variance.numpy(), variance, rtol=1e-4, atol=1e-6)


def test_with_one_batch_the_statistics_are_those_of_the_batch():
    model, batches = network(), random_batches(30)
    weights = [weight.numpy() for weight in model.trainable_weights]
    recalibrate(model, batches)
    check(model, by_hand(model, batches))
    for before, weight in zip(weights, model.trainable_weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), before)
    assert model.get_layer("bn1").momentum == 0.9


def test_batches_are_weighted_by_their_sizes():
    model, batches = network(), random_batches(16, 17, 5)
    recalibrate(model, iter(batches))
    check(model, by_hand(model, batches))


def test_frozen_layers_do_not_change():
    model = network()
    model.get_layer("bn1").trainable = False
    before = model.get_layer("bn1").get_weights()
    other = model.get_layer("bn2").moving_mean.numpy()
    recalibrate(model, random_batches(8, 12))
    for actual, expected in zip(model.get_layer("bn1").get_weights(), before, strict=True):
        np.testing.assert_array_equal(actual, expected)
    assert np.abs(model.get_layer("bn2").moving_mean.numpy() - other).max() > 1e-3


def test_an_error_leaves_the_model_unchanged():
    model = network()
    before = model.get_weights()

    def fails():
        yield from random_batches(8)
        raise UserError("a damaged file")

    with pytest.raises(UserError, match="damaged"):
        recalibrate(model, fails())
    for actual, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(actual, expected)
    assert model.get_layer("bn2").momentum == 0.9


def test_the_batches_are_the_augmented_ones_that_would_follow_the_run():
    rng = np.random.default_rng(2)
    train = Images(rng.integers(0, 256, (20, 8, 8, 3), np.uint8), np.zeros(20, np.int32))
    rule = Preprocessing((8, 8), "stretch", 1 / 255, (0.4,) * 3, (0.5,) * 3, ("a", "b"))
    recipe = Recipe("resnet8", batch_size=8, steps=10, drops=(), flip=True, seed=3)
    longer = dataclasses.replace(recipe, steps=13)
    expected = [images.numpy() for images, _ in training_batches(train, rule, longer, 10)]
    actual = list(statistics_batches(train, rule, recipe))
    # 20 images are two and a half batches.
    assert len(actual) == 3
    for ours, theirs in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert len(list(statistics_batches(train, rule, recipe, count=1))) == 1
    # Unaugmented images would all be found among the training images.
    plain = ((train.images / 255 - 0.4) / 0.5).astype(np.float32)
    found = [np.isclose(image, plain).all(axis=(1, 2, 3)).any() for image in np.concatenate(actual)]
    assert not all(found)


def test_a_damaged_file_is_named_in_whichever_batch_it_is(tmp_path):
    pixels = np.zeros((8, 8, 3), np.uint8)
    paths = []
    for index in range(12):
        paths.append(str(tmp_path / f"{index}.png"))
        keras.utils.save_img(paths[-1], pixels, scale=False)
    train = Files(tuple(paths), np.zeros(12, np.int32))
    rule = Preprocessing((8, 8), "stretch", 1 / 255, (0.4,) * 3, (0.5,) * 3, ("a",))
    recipe = Recipe(
        "resnet8", batch_size=4, steps=3, drops=(), flip=True, dataset="folder", augmentation="pad"
    )
    last = list(random.index_batches(recipe.seed, 4, 12, 3).take(3).as_numpy_iterator())[-1]
    Path(paths[last[0]]).write_bytes(b"not an image")
    batches = statistics_batches(train, rule, recipe)
    with pytest.raises(UserError, match=re.escape(paths[last[0]])):
        list(batches)


def test_a_trained_network_does_not_get_worse():
    dataset = load_digits()
    model, description = load_keras_file(FIXTURES / "fast.keras")
    recipe = stored_recipe(description.card["recipe"])
    rule = description.preprocessing

    def error():
        return measure(model_probabilities(model, rule), dataset.test, rule).top1_error

    with_moving_averages = error()
    recalibrate(model, statistics_batches(dataset.train, rule, recipe))
    assert error() <= with_moving_averages + 0.5
