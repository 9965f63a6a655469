"""Training batches and the mean image against NumPy."""

import numpy as np
import pytest

from resnet_keras.data import augmentation, pipeline, random
from resnet_keras.data.dataset import Images, Share
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
    made = pipeline.training_batches(train, preprocessing, recipe, start, share)
    return [(images.numpy(), labels.numpy()) for images, labels in made]


def assert_equal(mine, theirs):
    for (a, b), (c, d) in zip(mine, theirs, strict=True):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, d)


def test_a_batch_a_step():
    made = batches(train_of(), recipe_of())
    assert len(made) == 9
    for images, labels in made:
        assert (images.shape, images.dtype) == ((7, 8, 8, 3), np.float32)
        assert (labels.shape, labels.dtype) == ((7,), np.int32)


@pytest.mark.parametrize("start", [1, 4, 8, 9])
def test_start_anywhere(start):
    train, recipe = train_of(), recipe_of()
    assert_equal(batches(train, recipe, start), batches(train, recipe)[start:])


def test_twice_the_same_and_other_seeds_differ():
    train = train_of()
    assert_equal(batches(train, recipe_of()), batches(train, recipe_of()))
    other = batches(train, recipe_of(seed=6))
    assert not np.array_equal(other[0][0], batches(train, recipe_of())[0][0])


def test_a_longer_training_begins_alike():
    train = train_of()
    assert_equal(batches(train, recipe_of(steps=4)), batches(train, recipe_of(steps=20))[:4])


def test_labels_go_with_their_images():
    train = train_of()
    plain = recipe_of(pad=0, flip=False)
    by_pixels = {}
    for image, label in zip(train.images, train.labels, strict=True):
        by_pixels[image.tobytes()] = label
    mean = train.images.astype(np.float64).mean(axis=0)
    seen = []
    for images, labels in batches(train, plain):
        for image, label in zip(images, labels, strict=True):
            pixels = np.round(image + mean).astype(np.uint8).tobytes()
            assert by_pixels[pixels] == label
            seen.append(pixels)
    assert len(set(seen[:30])) == 30 and len(set(seen[30:60])) == 30


def indices_of(recipe):
    return random.index_batches(recipe.seed, 7, 30).as_numpy_iterator()


@pytest.mark.parametrize("std", [(1.0, 1.0, 1.0), (60.0, 30.0, 2.0)])
@pytest.mark.parametrize("scale", [1.0, 1 / 255])
def test_normalization_against_numpy(std, scale):
    train, recipe = train_of(), recipe_of(pad=0, flip=False)
    mean = train.images.astype(np.float64).mean(axis=0) * scale
    made = batches(train, recipe, std=std, scale=scale)
    for (images, _), indices in zip(made, indices_of(recipe), strict=False):
        expected = (train.images[indices].astype(np.float64) * scale - mean) / std
        np.testing.assert_allclose(images, expected, rtol=1e-4, atol=2e-5)


def test_zeros_are_padded_after_the_mean_is_subtracted():
    # All images equal their mean: whatever the crop, nothing but zeros may come out. Padding
    # first would leave minus the mean at the border.
    rng = np.random.default_rng(0)
    one = rng.integers(1, 256, (1, 8, 8, 3), np.uint8)
    train = Images(np.repeat(one, 20, axis=0), np.zeros(20, np.int32))
    for images, _ in batches(train, recipe_of(pad=4, flip=False)):
        # Cropped images keep zeros inside too: each pixel less its own mean, then moved.
        np.testing.assert_allclose(images, 0, atol=1e-4)


def test_mean_is_subtracted_before_the_flip():
    # With a mean that is not symmetric, mirroring first would subtract the wrong pixels.
    rng = np.random.default_rng(0)
    one = rng.integers(1, 256, (1, 8, 8, 3), np.uint8)
    train = Images(np.repeat(one, 20, axis=0), np.zeros(20, np.int32))
    for images, _ in batches(train, recipe_of(pad=0, flip=True)):
        np.testing.assert_allclose(images, 0, atol=1e-4)


def test_padding_is_zero_after_division_too():
    train = train_of()
    found = 0
    made = batches(train, recipe_of(pad=4, flip=False), std=(50.0, 50.0, 50.0))
    for images, _ in made:
        corners = images[:, 0, 0]
        found += int((corners == 0).all(axis=-1).sum())
    assert found > 20  # 1 - (5/9)² of 63 in the mean: 43


def test_order_then_normalization_then_augmentation():
    train, recipe = train_of(), recipe_of()
    mean = train.images.astype(np.float64).mean(axis=0).astype(np.float32)
    made = zip(batches(train, recipe), indices_of(recipe), strict=False)
    for step, ((images, labels), indices) in enumerate(made):
        whole = train.images[indices].astype(np.float32) - mean
        expected = augmentation.flip_and_crop(whole, recipe.seed, step, 2, True)
        np.testing.assert_allclose(images, expected, atol=1e-4)
        np.testing.assert_array_equal(labels, train.labels[indices])


@pytest.mark.parametrize("scale", [1.0, 1 / 255])
@pytest.mark.parametrize("count", [1, 37, 4096, 5000])
def test_per_pixel_mean(count, scale):
    images = np.random.default_rng(1).integers(0, 256, (count, 3, 5, 3), np.uint8)
    mean = pipeline.per_pixel_mean(images, scale)
    assert mean.dtype == np.float32 and mean.shape == (3, 5, 3)
    expected = (images.astype(np.float64) * scale).mean(axis=0)
    np.testing.assert_allclose(mean, expected, rtol=1e-7)


def test_per_pixel_mean_of_bright_images_does_not_drift():
    # 60,000 times 255 in float32 sums would.
    images = np.full((60_000, 1, 1, 3), 255, np.uint8)
    np.testing.assert_array_equal(pipeline.per_pixel_mean(images, 1.0), np.float32(255))


@pytest.mark.parametrize("count, size", [(0, 3), (1, 3), (3, 3), (7, 3), (6, 3), (2, 100)])
def test_image_batches_give_each_once_in_order(count, size):
    images = np.arange(count)
    parts = list(pipeline.image_batches(images, size))
    assert all(0 < len(part) <= size for part in parts)
    np.testing.assert_array_equal(np.concatenate([*parts, []]), images)


def test_alternate_flip_shows_each_image_both_ways_round():
    train = train_of(count=28)
    recipe = recipe_of(alternate_flip=True, pad=0, steps=8)  # two epochs of four steps
    mean = train.images.astype(np.float64).mean(axis=0).astype(np.float32)
    seen = {}
    made = batches(train, recipe)
    indices = random.index_batches(recipe.seed, 7, 28).as_numpy_iterator()
    for (images, _), chosen in zip(made, indices, strict=False):
        for image, index in zip(images, chosen, strict=True):
            whole = train.images[index].astype(np.float32) - mean
            turned = not np.allclose(image, whole, atol=1e-4)
            np.testing.assert_allclose(image, whole[:, ::-1] if turned else whole, atol=1e-4)
            seen.setdefault(int(index), []).append(turned)
    assert all(sorted(turns) == [False, True] for turns in seen.values()) and len(seen) == 28
    assert_equal(batches(train, recipe, 5), made[5:])


@pytest.mark.parametrize("alternate", [False, True])
def test_shares_laid_side_by_side_are_the_whole_batch(alternate):
    train, recipe = train_of(), recipe_of(alternate_flip=alternate, lighting=0.1)
    whole = batches(train, recipe, 2)
    parts = [batches(train, recipe, 2, Share(7, *part)) for part in ((0, 3), (3, 4))]
    together = [
        (np.concatenate([a, c]), np.concatenate([b, d]))
        for (a, b), (c, d) in zip(*parts, strict=True)
    ]
    assert_equal(together, whole)
