"""Recalibration of batch normalization against NumPy."""

import itertools

import keras
import numpy as np
import pytest

from resnet_keras.data.dataset import Images
from resnet_keras.errors import UserError
from resnet_keras.models.batch_norm import BatchNormalization
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.training import batch_norm_statistics as module
from resnet_keras.training.batch_norm_statistics import recalibrate

SIDE, EPSILON = 4, 1e-5
PREPROCESSING = Preprocessing((SIDE, SIDE), "stretch", 1 / 255, (0.4,) * 3, (0.5,) * 3, ("a", "b"))


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


def increasingly_bright(count):
    """Returns images in a systematic order, like those of a folder that is sorted by class."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 100, (count, SIDE, SIDE, 3)) + np.arange(count)[:, None, None, None]
    return Images(images.astype(np.uint8), np.zeros(count, np.int32))


def by_hand(model, images, batches):
    """Returns the mean and variance of the inputs of each batch norm.

    The first one normalizes each batch by its own statistics.
    """
    first, bn, second = (model.get_layer(name) for name in ("conv1", "bn1", "conv2"))
    kernel, bias = (value.numpy().astype(np.float64) for value in first.weights)
    gamma, beta = bn.gamma.numpy(), bn.beta.numpy()
    kernel2, bias2 = (value.numpy().astype(np.float64) for value in second.weights)
    inputs = ([], [])
    for indices in batches:
        x = (images.images[indices].astype(np.float64) / 255 - 0.4) / 0.5
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


def test_with_one_batch_the_statistics_are_those_of_all_images():
    model, train = network(), increasingly_bright(30)
    weights = [weight.numpy() for weight in model.trainable_weights]
    recalibrate(model, PREPROCESSING, train, 64)
    check(model, by_hand(model, train, [slice(None)]))
    for before, weight in zip(weights, model.trainable_weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), before)
    assert model.get_layer("bn1").momentum == 0.9


def test_each_image_counts_once_in_batches_of_nearly_equal_size(monkeypatch):
    model, train = network(), increasingly_bright(50)
    batches = []
    evaluation_batches = module.evaluation_batches

    def recording(images, *rest):
        batches.append(
            [int(np.flatnonzero((train.images == i).all((1, 2, 3)))[0]) for i in images.images]
        )
        return evaluation_batches(images, *rest)

    monkeypatch.setattr(module, "evaluation_batches", recording)
    recalibrate(model, PREPROCESSING, train, 16)
    assert sorted(itertools.chain(*batches)) == list(range(50))
    assert sorted(map(len, batches)) == [16, 17, 17]
    # The images are shuffled.
    assert all(min(batch) < 15 and max(batch) > 35 for batch in batches)
    check(model, by_hand(model, train, batches))


def test_frozen_layers_do_not_change():
    model = network()
    model.get_layer("bn1").trainable = False
    before = model.get_layer("bn1").get_weights()
    other = model.get_layer("bn2").moving_mean.numpy()
    recalibrate(model, PREPROCESSING, increasingly_bright(20), 8)
    for actual, expected in zip(model.get_layer("bn1").get_weights(), before, strict=True):
        np.testing.assert_array_equal(actual, expected)
    assert np.abs(model.get_layer("bn2").moving_mean.numpy() - other).max() > 1e-3


def test_an_error_leaves_the_model_unchanged(monkeypatch):
    model = network()
    before = model.get_weights()
    evaluation_batches, calls = module.evaluation_batches, []

    def fails(*args):
        calls.append(args)
        if len(calls) == 2:
            raise UserError("a damaged file")
        return evaluation_batches(*args)

    monkeypatch.setattr(module, "evaluation_batches", fails)
    with pytest.raises(UserError, match="damaged"):
        recalibrate(model, PREPROCESSING, increasingly_bright(20), 8)
    for actual, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(actual, expected)
    assert model.get_layer("bn2").momentum == 0.9
