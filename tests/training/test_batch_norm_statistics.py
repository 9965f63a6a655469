"""True averages in place of moving ones, against NumPy."""

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
    """Two 1x1 convolutions, each with batch norm: small enough to follow by hand."""
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


def source(count):
    """Images that get brighter, as those of a folder sorted by class may."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 100, (count, SIDE, SIDE, 3)) + np.arange(count)[:, None, None, None]
    return Images(images.astype(np.uint8), np.zeros(count, np.int32))


def by_hand(model, images, parts):
    """Mean and variance of what comes to each batch norm, the earlier one taken batch by batch."""
    first, bn, second = (model.get_layer(name) for name in ("conv1", "bn1", "conv2"))
    kernel, bias = (value.numpy().astype(np.float64) for value in first.weights)
    gamma, beta = bn.gamma.numpy(), bn.beta.numpy()
    kernel2, bias2 = (value.numpy().astype(np.float64) for value in second.weights)
    came = ([], [])
    for part in parts:
        x = (images.images[part].astype(np.float64) / 255 - 0.4) / 0.5
        z = x.reshape(-1, 3) @ kernel.reshape(3, 5) + bias
        came[0].append(z)
        y = gamma * (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + EPSILON) + beta
        came[1].append(np.maximum(y, 0) @ kernel2.reshape(5, 4) + bias2)
    # All values at once: the batches' moments must add up to theirs.
    whole = [np.concatenate(values) for values in came]
    return [(values.mean(axis=0), values.var(axis=0)) for values in whole]


def check(model, expected):
    for name, (mean, variance) in zip(("bn1", "bn2"), expected, strict=True):
        layer = model.get_layer(name)
        np.testing.assert_allclose(layer.moving_mean.numpy(), mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(layer.moving_variance.numpy(), variance, rtol=1e-4, atol=1e-6)


def test_of_one_batch_they_are_the_population_s():
    model, train = network(), source(30)
    trained = [weight.numpy() for weight in model.trainable_weights]
    recalibrate(model, PREPROCESSING, train, 64)
    check(model, by_hand(model, train, [slice(None)]))
    for before, weight in zip(trained, model.trainable_weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), before)
    assert model.get_layer("bn1").momentum == 0.9


def test_each_image_counts_once_in_batches_of_nearly_one_size(monkeypatch):
    model, train = network(), source(50)
    parts = []
    real = module.evaluation_batches

    def seen(images, *rest):
        parts.append(
            [int(np.flatnonzero((train.images == i).all((1, 2, 3)))[0]) for i in images.images]
        )
        return real(images, *rest)

    monkeypatch.setattr(module, "evaluation_batches", seen)
    recalibrate(model, PREPROCESSING, train, 16)
    assert sorted(itertools.chain(*parts)) == list(range(50))
    assert sorted(map(len, parts)) == [16, 17, 17]
    # Sorted images come mixed.
    assert all(min(part) < 15 and max(part) > 35 for part in parts)
    check(model, by_hand(model, train, parts))


def test_frozen_layers_stay_as_they_are():
    model = network()
    model.get_layer("bn1").trainable = False
    before = model.get_layer("bn1").get_weights()
    other = model.get_layer("bn2").moving_mean.numpy()
    recalibrate(model, PREPROCESSING, source(20), 8)
    for mine, theirs in zip(model.get_layer("bn1").get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert np.abs(model.get_layer("bn2").moving_mean.numpy() - other).max() > 1e-3


def test_broken_off_it_changes_nothing(monkeypatch):
    model = network()
    before = model.get_weights()
    real, calls = module.evaluation_batches, []

    def breaks(*args):
        calls.append(args)
        if len(calls) == 2:
            raise UserError("a damaged file")
        return real(*args)

    monkeypatch.setattr(module, "evaluation_batches", breaks)
    with pytest.raises(UserError, match="damaged"):
        recalibrate(model, PREPROCESSING, source(20), 8)
    for mine, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert model.get_layer("bn2").momentum == 0.9
