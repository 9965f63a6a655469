"""Training batches of images in memory against NumPy."""

import numpy as np
import pytest

from resnet_keras.data import augmentation, pipeline, random
from resnet_keras.data.dataset import BatchShare, Images
from resnet_keras.errors import UsageError
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe


def train_of(count=30, side=8):
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (count, side, side, 3), np.uint8)
    return Images(images, rng.integers(0, 10, count).astype(np.int32))


def preprocessing_of(train, std=(1.0, 1.0, 1.0), scale=1.0):
    mean = train.images.astype(np.float64).mean(axis=0) * scale
    return Preprocessing(train.size, "stretch", scale, mean, std, tuple("abcdefghij"))


def recipe_of(**changes):
    values = {"steps": 9, "batch_size": 7, "drops": (), "flip": True, "pad": 2, "seed": 5}
    return Recipe("resnet8", **{**values, **changes})


def batches(train, recipe, start=0, share=None, **kwargs):
    preprocessing = preprocessing_of(train, **kwargs)
    dataset = pipeline.training_batches(train, preprocessing, recipe, start, share)
    return [(images.numpy(), labels.numpy()) for images, labels in dataset]


def indices_of(recipe, examples=30):
    return random.index_batches(recipe.seed, 7, examples).as_numpy_iterator()


def assert_equal(found, expected):
    for (images, labels), (other_images, other_labels) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(images, other_images)
        np.testing.assert_array_equal(labels, other_labels)


def test_one_batch_per_step():
    found = batches(train_of(), recipe_of())
    assert len(found) == 9
    for images, labels in found:
        assert (images.shape, images.dtype) == ((7, 8, 8, 3), np.float32)
        assert (labels.shape, labels.dtype) == ((7,), np.int32)


def test_an_unresolved_recipe_is_rejected():
    train = train_of()
    with pytest.raises(UsageError, match=r"resnet_keras\.training\.resolve.*Received: flip=None"):
        pipeline.training_batches(train, preprocessing_of(train), recipe_of(flip=None))


@pytest.mark.parametrize("start", [1, 4, 8, 9])
def test_any_step_can_be_the_first(start):
    train, recipe = train_of(), recipe_of()
    assert_equal(batches(train, recipe, start), batches(train, recipe)[start:])


def test_batches_are_reproducible_and_depend_on_the_seed():
    train = train_of()
    assert_equal(batches(train, recipe_of()), batches(train, recipe_of()))
    other = batches(train, recipe_of(seed=6))
    assert not np.array_equal(other[0][0], batches(train, recipe_of())[0][0])


def test_the_number_of_steps_does_not_change_the_batches():
    train = train_of()
    assert_equal(batches(train, recipe_of(steps=4)), batches(train, recipe_of(steps=20))[:4])


def test_images_keep_their_labels():
    train = train_of()
    label_of = {
        image.tobytes(): label for image, label in zip(train.images, train.labels, strict=True)
    }
    mean = train.images.astype(np.float64).mean(axis=0)
    order = []
    for images, labels in batches(train, recipe_of(pad=0, flip=False)):
        for image, label in zip(images, labels, strict=True):
            pixels = np.round(image + mean).astype(np.uint8).tobytes()
            assert label_of[pixels] == label
            order.append(pixels)
    assert len(set(order[:30])) == 30 and len(set(order[30:60])) == 30


@pytest.mark.parametrize("std", [(1.0, 1.0, 1.0), (60.0, 30.0, 2.0)])
@pytest.mark.parametrize("scale", [1.0, 1 / 255])
def test_normalization_against_numpy(std, scale):
    train, recipe = train_of(), recipe_of(pad=0, flip=False)
    mean = train.images.astype(np.float64).mean(axis=0) * scale
    found = batches(train, recipe, std=std, scale=scale)
    for (images, _), indices in zip(found, indices_of(recipe), strict=False):
        expected = (train.images[indices].astype(np.float64) * scale - mean) / std
        np.testing.assert_allclose(images, expected, rtol=1e-4, atol=2e-5)


def test_padding_comes_after_subtracting_the_mean():
    # All images equal their mean, so every crop must be zero. If padding came first, the border
    # would be minus the mean.
    rng = np.random.default_rng(0)
    image = rng.integers(1, 256, (1, 8, 8, 3), np.uint8)
    train = Images(np.repeat(image, 20, axis=0), np.zeros(20, np.int32))
    for images, _ in batches(train, recipe_of(pad=4, flip=False)):
        np.testing.assert_allclose(images, 0, atol=1e-4)


def test_the_flip_comes_after_subtracting_the_mean():
    # The mean is not symmetric: if the flip came first, the wrong pixels would be subtracted.
    rng = np.random.default_rng(0)
    image = rng.integers(1, 256, (1, 8, 8, 3), np.uint8)
    train = Images(np.repeat(image, 20, axis=0), np.zeros(20, np.int32))
    for images, _ in batches(train, recipe_of(pad=0, flip=True)):
        np.testing.assert_allclose(images, 0, atol=1e-4)


def test_padding_is_zero_after_the_division_too():
    train = train_of()
    zero_corners = 0
    for images, _ in batches(train, recipe_of(pad=4, flip=False), std=(50.0, 50.0, 50.0)):
        corners = images[:, 0, 0]
        zero_corners += int((corners == 0).all(axis=-1).sum())
    assert zero_corners > 20  # The expected number is 63 * (1 - (5/9)**2) = 43.


def test_order_then_normalization_then_augmentation():
    train, recipe = train_of(), recipe_of()
    mean = train.images.astype(np.float64).mean(axis=0).astype(np.float32)
    found = zip(batches(train, recipe), indices_of(recipe), strict=False)
    for step, ((images, labels), indices) in enumerate(found):
        normalized = train.images[indices].astype(np.float32) - mean
        expected = augmentation.flip_and_crop(normalized, recipe.seed, step, 2, True)
        np.testing.assert_allclose(images, expected, atol=1e-4)
        np.testing.assert_array_equal(labels, train.labels[indices])


def test_alternate_flip_shows_each_image_both_ways():
    train = train_of(count=28)
    recipe = recipe_of(alternate_flip=True, pad=0, steps=8)  # two epochs of four steps
    mean = train.images.astype(np.float64).mean(axis=0).astype(np.float32)
    flips = {}
    found = batches(train, recipe)
    for (images, _), indices in zip(found, indices_of(recipe, 28), strict=False):
        for image, index in zip(images, indices, strict=True):
            plain = train.images[index].astype(np.float32) - mean
            flipped = not np.allclose(image, plain, atol=1e-4)
            np.testing.assert_allclose(image, plain[:, ::-1] if flipped else plain, atol=1e-4)
            flips.setdefault(int(index), []).append(flipped)
    assert all(sorted(both) == [False, True] for both in flips.values()) and len(flips) == 28
    assert_equal(batches(train, recipe, 5), found[5:])


@pytest.mark.parametrize("alternate", [False, True])
def test_concatenated_shares_equal_the_whole_batch(alternate):
    train, recipe = train_of(), recipe_of(alternate_flip=alternate, lighting=0.1)
    expected = batches(train, recipe, 2)
    parts = [batches(train, recipe, 2, BatchShare(7, *part)) for part in ((0, 3), (3, 4))]
    together = [
        (np.concatenate([a, c]), np.concatenate([b, d]))
        for (a, b), (c, d) in zip(*parts, strict=True)
    ]
    assert_equal(together, expected)
