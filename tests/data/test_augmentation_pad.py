"""Random flip and crop against NumPy: correct images, uniform choices, always the same."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from resnet_keras.data.augmentation import alternate_flip, flip_and_crop

HEIGHT, WIDTH = 4, 6


def images_of(count):
    """Images in which every value is different, and none is zero."""
    numbers = np.arange(1, count * HEIGHT * WIDTH * 3 + 1, dtype=np.float32)
    return numbers.reshape(count, HEIGHT, WIDTH, 3)


def crops(image, pad):
    """All possible results for one image by (flipped, top, left), computed with NumPy."""
    results = {}
    for flipped in (False, True):
        padded = np.pad(image[:, ::-1] if flipped else image, ((pad, pad), (pad, pad), (0, 0)))
        for top in range(2 * pad + 1):
            for left in range(2 * pad + 1):
                crop = padded[top : top + HEIGHT, left : left + WIDTH]
                results[flipped, top, left] = crop
    return results


def choices(images, outputs, pad):
    """Which crop each output is: (flipped, top, left). Fails if an output is not a crop."""
    chosen = []
    for image, output in zip(images, np.asarray(outputs), strict=True):
        keys = {crop.tobytes(): key for key, crop in crops(image, pad).items()}
        assert output.tobytes() in keys
        chosen.append(keys[output.tobytes()])
    return chosen


@pytest.mark.parametrize("pad", [1, 2, 3])
def test_every_output_is_a_crop(pad):
    images = images_of(150)
    chosen = choices(images, flip_and_crop(images, 0, 3, pad, True), pad)
    assert {flipped for flipped, _, _ in chosen} == {False, True}
    assert {top for _, top, _ in chosen} == set(range(2 * pad + 1))
    assert {left for _, _, left in chosen} == set(range(2 * pad + 1))


@pytest.mark.parametrize("seed", [0, 1])
def test_choices_are_uniform_and_independent(seed):
    # With pad=1 there are 18 results, which can all be distinguished.
    images = images_of(100)
    chosen = [
        key
        for step in range(40)
        for key in choices(images, flip_and_crop(images, seed, step, 1, True), 1)
    ]
    counts = {}
    for key in chosen:
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 18
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3
    # Neighbors in the batch and in time are independent.
    numbers = np.array([6 * key[0] * 1.5 + 3 * key[1] + key[2] for key in chosen]).reshape(40, 100)
    for a, b in ((numbers[:, 1:], numbers[:, :-1]), (numbers[1:], numbers[:-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.06


def test_flip_top_and_left_are_independent():
    images = images_of(500)
    chosen = [
        key
        for step in range(4)
        for key in choices(images, flip_and_crop(images, 9, step, 2, True), 2)
    ]
    table = np.corrcoef(np.array(chosen, float).T)
    assert np.abs(table[~np.eye(3, dtype=bool)]).max() < 0.1


def test_offsets_of_the_paper_are_uniform():
    images = np.zeros((2000, 32, 32, 1), np.float32)
    images[:, 16, 16] = 1  # The position of this pixel in the output gives the offset.
    outputs = np.asarray(flip_and_crop(images, 3, 0, 4, False))[..., 0]
    rows, columns = np.nonzero(outputs.sum(axis=0))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (12, 20, 12, 20)
    counts = outputs.sum(axis=0)[12:21, 12:21]
    assert counts.sum() == 2000
    assert stats.chisquare(counts.ravel()).pvalue > 1e-3


def test_without_padding_nothing_is_cropped():
    images = images_of(64)
    outputs = np.asarray(flip_and_crop(images, 0, 0, 0, True))
    flips = [not np.array_equal(a, b) for a, b in zip(images, outputs, strict=True)]
    assert 16 < sum(flips) < 48
    for image, output, flipped in zip(images, outputs, flips, strict=True):
        np.testing.assert_array_equal(output, image[:, ::-1] if flipped else image)
    np.testing.assert_array_equal(flip_and_crop(images, 0, 0, 0, False), images)


def test_without_flip_nothing_is_flipped():
    images = images_of(200)
    chosen = choices(images, flip_and_crop(images, 0, 0, 1, False), 1)
    assert not any(flipped for flipped, _, _ in chosen)
    # The offsets are the same as with flips.
    with_flip = choices(images, flip_and_crop(images, 0, 0, 1, True), 1)
    assert [key[1:] for key in chosen] == [key[1:] for key in with_flip]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int32])
def test_dtype_and_shape_are_kept(dtype):
    images = images_of(3).astype(dtype)
    outputs = flip_and_crop(images, 0, 0, 2, True)
    assert outputs.dtype == dtype and outputs.shape == images.shape


def test_pure_function_of_seed_and_step():
    images = images_of(64)
    tf.random.set_seed(1)
    first = flip_and_crop(images, 4, 17, 2, True).numpy()
    tf.random.set_seed(2)
    tf.random.uniform((10,))
    in_graph = tf.function(lambda step: flip_and_crop(images, 4, step, 2, True))
    for again in (
        flip_and_crop(images, 4, 17, 2, True).numpy(),
        flip_and_crop(images, 4, tf.constant(17, tf.int64), 2, True).numpy(),
        in_graph(tf.constant(17, tf.int64)).numpy(),
    ):
        np.testing.assert_array_equal(first, again)
    for seed, step in ((4, 18), (5, 17), (17, 4), (2**31 - 1, 17), (4, 17 + 2**32)):
        assert not np.array_equal(first, flip_and_crop(images, seed, step, 2, True).numpy())


def test_a_batch_of_one_image():
    assert flip_and_crop(images_of(1), 0, 0, 2, True).shape == (1, HEIGHT, WIDTH, 3)


def test_a_given_mask_replaces_random_flips():
    images = images_of(50)
    flip_mask = np.arange(50) % 3 == 0
    chosen = choices(images, flip_and_crop(images, 0, 3, 1, True, flip_mask), 1)
    assert [flipped for flipped, _, _ in chosen] == flip_mask.tolist()


def test_alternate_flip_flips_every_image_in_every_other_epoch():
    flip_mask = alternate_flip(3, batch_size=10, examples=1000)
    flips = np.zeros((4, 1000), bool)
    for step in range(400):
        # The order within an epoch does not matter.
        indices = np.arange(step * 10, step * 10 + 10) % 1000
        flips[step * 10 // 1000, indices] = flip_mask(step, indices)
    assert 400 < flips[0].sum() < 600
    for epoch in range(1, 4):
        np.testing.assert_array_equal(flips[epoch], ~flips[epoch - 1])
    other_seed = alternate_flip(4, batch_size=10, examples=1000)
    assert not np.array_equal(flips[0, :10], other_seed(0, np.arange(10)))


def test_alternate_flip_in_a_batch_of_two_epochs():
    flip_mask = alternate_flip(0, batch_size=8, examples=4)
    flips = flip_mask(0, np.array([0, 1, 2, 3, 3, 2, 1, 0])).numpy()
    np.testing.assert_array_equal(flips[:4], ~flips[:3:-1])
