"""Random flip and crop against NumPy: the right images, equally often, and always the same."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from resnet_keras.data import augmentation
from resnet_keras.data.augmentation import flip_and_crop

HEIGHT, WIDTH = 4, 6


def images_of(count):
    """Every pixel of every image its own number, none of them zero."""
    numbers = np.arange(1, count * HEIGHT * WIDTH * 3 + 1, dtype=np.float32)
    return numbers.reshape(count, HEIGHT, WIDTH, 3)


def crops(image, pad):
    """All that may come of one image, by (mirrored, top, left): cut out with NumPy."""
    found = {}
    for mirrored in (False, True):
        turned = image[:, ::-1] if mirrored else image
        padded = np.pad(turned, ((pad, pad), (pad, pad), (0, 0)))
        for top in range(2 * pad + 1):
            for left in range(2 * pad + 1):
                cut = padded[top : top + HEIGHT, left : left + WIDTH]
                found[mirrored, top, left] = cut
    return found


def choices(images, outputs, pad):
    """Which crop each output is; fails if it is none."""
    made = []
    for image, output in zip(images, np.asarray(outputs), strict=True):
        bytes_of = {cut.tobytes(): key for key, cut in crops(image, pad).items()}
        assert output.tobytes() in bytes_of
        made.append(bytes_of[output.tobytes()])
    return made


@pytest.mark.parametrize("pad", [1, 2, 3])
def test_every_output_is_a_crop(pad):
    images = images_of(150)
    made = choices(images, flip_and_crop(images, 0, 3, pad, True), pad)
    assert {mirrored for mirrored, _, _ in made} == {False, True}
    assert {top for _, top, _ in made} == set(range(2 * pad + 1))
    assert {left for _, _, left in made} == set(range(2 * pad + 1))


@pytest.mark.parametrize("seed", [0, 1])
def test_all_are_equally_likely_and_independent(seed):
    # pad 1: 18 outcomes, all told apart. One image, by batch position and by step.
    images = images_of(100)
    made = [key for step in range(40) for key in
            choices(images, flip_and_crop(images, seed, step, 1, True), 1)]  # fmt: skip
    counts = {}
    for key in made:
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 18
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3
    # Neighbours in the batch and in time choose apart from each other.
    numbers = np.array([6 * key[0] * 1.5 + 3 * key[1] + key[2] for key in made]).reshape(40, 100)
    for a, b in ((numbers[:, 1:], numbers[:, :-1]), (numbers[1:], numbers[:-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.06


def test_mirroring_top_and_left_are_independent():
    images = images_of(500)
    made = [key for step in range(4) for key in
            choices(images, flip_and_crop(images, 9, step, 2, True), 2)]  # fmt: skip
    table = np.corrcoef(np.array(made, float).T)
    assert np.abs(table[~np.eye(3, dtype=bool)]).max() < 0.1


def test_paper_offsets_are_uniform():
    image = np.zeros((2000, 32, 32, 1), np.float32)
    image[:, 16, 16] = 1  # where it goes says what was chosen
    outputs = np.asarray(flip_and_crop(image, 3, 0, 4, False))[..., 0]
    rows, columns = np.nonzero(outputs.sum(axis=0))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (12, 20, 12, 20)
    counts = outputs.sum(axis=0)[12:21, 12:21]
    assert counts.sum() == 2000
    assert stats.chisquare(counts.ravel()).pvalue > 1e-3


def test_no_padding_does_not_crop():
    images = images_of(64)
    made = np.asarray(flip_and_crop(images, 0, 0, 0, True))
    mirrored = [not np.array_equal(a, b) for a, b in zip(images, made, strict=True)]
    assert 16 < sum(mirrored) < 48
    for image, output, turned in zip(images, made, mirrored, strict=True):
        np.testing.assert_array_equal(output, image[:, ::-1] if turned else image)
    np.testing.assert_array_equal(flip_and_crop(images, 0, 0, 0, False), images)


def test_without_flip_nothing_is_mirrored():
    images = images_of(200)
    made = choices(images, flip_and_crop(images, 0, 0, 1, False), 1)
    assert not any(mirrored for mirrored, _, _ in made)
    # The crops are those of the same step with flip.
    with_flip = choices(images, flip_and_crop(images, 0, 0, 1, True), 1)
    assert [key[1:] for key in made] == [key[1:] for key in with_flip]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int32])
def test_dtype_and_shape_are_kept(dtype):
    images = images_of(3).astype(dtype)
    made = flip_and_crop(images, 0, 0, 2, True)
    assert made.dtype == dtype and made.shape == images.shape


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


def test_a_smaller_batch_is_still_a_batch():
    assert flip_and_crop(images_of(1), 0, 0, 2, True).shape == (1, HEIGHT, WIDTH, 3)


def test_alternately_mirrored_turns_every_image_every_epoch():
    turns = augmentation.alternately_mirrored(3, batch_size=10, examples=1000)
    seen = np.zeros((4, 1000), bool)
    for step in range(400):
        # An epoch's order does not matter: here they come in order.
        indices = np.arange(step * 10, step * 10 + 10) % 1000
        seen[step * 10 // 1000, indices] = turns(step, indices)
    assert 400 < seen[0].sum() < 600
    for epoch in range(1, 4):
        np.testing.assert_array_equal(seen[epoch], ~seen[epoch - 1])
    other = augmentation.alternately_mirrored(4, batch_size=10, examples=1000)
    assert not np.array_equal(seen[0, :10], other(0, np.arange(10)))


def test_alternately_mirrored_within_a_batch_of_two_epochs():
    turns = augmentation.alternately_mirrored(0, batch_size=8, examples=4)
    made = turns(0, np.array([0, 1, 2, 3, 3, 2, 1, 0])).numpy()
    np.testing.assert_array_equal(made[:4], ~made[:3:-1])


def test_given_mirrors_replace_chance():
    images = images_of(50)
    given = np.arange(50) % 3 == 0
    made = choices(images, flip_and_crop(images, 0, 3, 1, True, given), 1)
    assert [mirrored for mirrored, _, _ in made] == given.tolist()
