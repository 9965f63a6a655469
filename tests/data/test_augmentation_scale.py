"""Random scale, crop, mirror and light against NumPy and PIL."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from resnet_keras.data import augmentation
from resnet_keras.data.augmentation import EIGENVALUES, EIGENVECTORS, light, lit, normalize_lit
from resnet_keras.preprocessing import Preprocessing


def photo(height, width):
    """Smooth, so that decoders agree, and of another colour at every place."""
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [
        255 * rows / height,
        255 * columns / width,
        127 + 100 * np.sin(rows / 9 + columns / 7),
    ]
    return Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8))


def encoded(image, kind="JPEG", **options):
    data = io.BytesIO()
    if kind == "JPEG":
        options = {"quality": 97, "subsampling": 0, **options}
    image.save(data, kind, **options)
    return data.getvalue()


def bilinear(image, size):
    """Resizes float `(h, w, 3)` by hand: the centres of pixels lie at halves."""

    def along(values, length):
        places = (np.arange(length) + 0.5) * len(values) / length - 0.5
        low = np.floor(places).astype(int)
        part = (places - low).reshape(-1, 1, 1)
        first, second = (np.clip(i, 0, len(values) - 1) for i in (low, low + 1))
        return values[first] * (1 - part) + values[second] * part

    return along(along(image, size).swapaxes(0, 1), size).swapaxes(0, 1)


def expected_window(height, width, draw, size):
    """Section 3.4 in plain numbers: which part of the original the square is."""
    low, high = round(256 * size / 224), round(480 * size / 224)
    side = low + int(draw[0]) % (high - low + 1)
    length = round(size * min(height, width) / side + 1e-9)
    top, left = (int(d) % (n - length + 1) for d, n in zip(draw[1:3], (height, width), strict=True))
    return side, top, left, length


DRAWS = [augmentation.draws(4, 7, tf.constant(step, tf.int64)).numpy() for step in range(3)]
SOME = [draw for batch in DRAWS for draw in batch]


@pytest.mark.parametrize("height, width", [(60, 90), (90, 61), (75, 75)])
def test_enlarged_jpeg_is_numpy_s_bilinear_cut(height, width):
    data = encoded(photo(height, width))
    pixels = np.asarray(Image.open(io.BytesIO(data))).astype(float)
    for draw in SOME:
        _, top, left, length = expected_window(height, width, draw, 64)
        expected = bilinear(pixels[top : top + length, left : left + length], 64)
        found = augmentation.crop(data, draw, 64).numpy()
        assert found.dtype == np.float32 and found.shape == (64, 64, 3)
        # Decoders round differently; a pixel beside the right one is off by three on the average.
        assert np.abs(found - expected).max() < 12 and np.abs(found - expected).mean() < 1.5


@pytest.mark.parametrize("height, width", [(300, 400), (613, 450), (1200, 1601)])
def test_reduced_jpeg_is_near_pil_s(height, width):
    # PIL averages all that falls into a pixel, the decoder whole blocks of it first.
    data = encoded(photo(height, width))
    for draw in SOME:
        side, top, left, length = expected_window(height, width, draw, 32)
        ratio = max(r for r in (1, 2, 4, 8) if r == 1 or min(height, width) // side >= r)
        small = [-(-n // ratio) for n in (height, width)]
        _, top, left, length = (n * ratio for n in expected_window(*small, draw, 32))
        box = (left, top, min(left + length, width), min(top + length, height))
        expected = Image.open(io.BytesIO(data)).resize((32, 32), Image.BILINEAR, box=box)
        found = augmentation.crop(data, draw, 32).numpy()
        assert np.abs(found - np.asarray(expected, float)).mean() < 3


def test_other_formats_are_resized_as_pil_does():
    picture = photo(150, 210)
    for draw in SOME:
        _, top, left, length = expected_window(150, 210, draw, 32)
        box = (left, top, left + length, top + length)
        expected = picture.crop(box).resize((32, 32), Image.BILINEAR)
        found = augmentation.crop(encoded(picture, "PNG"), draw, 32).numpy()
        assert np.abs(found - np.asarray(expected, float)).max() < 1.5


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_the_square_is_turned_as_the_photograph_is(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    data, plain = encoded(photo(60, 90), exif=tags), encoded(photo(60, 90))
    for draw in SOME[:3]:
        flat = augmentation.crop(plain, draw, 48).numpy()
        flat_image = Image.fromarray(np.round(flat).astype(np.uint8))
        flat_image.getexif()[0x0112] = orientation
        expected = np.asarray(ImageOps.exif_transpose(flat_image))
        found = np.round(augmentation.crop(data, draw, 48).numpy()).astype(np.uint8)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_four_colours(mode):
    data = encoded(photo(60, 60).convert(mode))
    found = augmentation.crop(data, SOME[0], 48).numpy()
    _, top, left, length = expected_window(60, 60, SOME[0], 48)
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(float)
    expected = bilinear(pixels[top : top + length, left : left + length], 48)
    assert np.abs(found - expected).mean() < 4


@pytest.mark.parametrize("kind, orientation", [("JPEG", None), ("JPEG", 6), ("PNG", None)])
def test_the_square_is_mirrored_after_it_was_turned(kind, orientation):
    tags = Image.Exif()
    if orientation:
        tags[0x0112] = orientation
    data = encoded(photo(150, 210), kind, exif=tags)
    for draw in SOME[:3]:
        plain = augmentation.crop(data, draw, 48).numpy()
        found = augmentation.crop(data, draw, 48, tf.constant(True)).numpy()
        # Bytes are mirrored before they are resized, so that sums come in another order.
        np.testing.assert_allclose(found, plain[:, ::-1], atol=1e-3)
        unmirrored = augmentation.crop(data, draw, 48, tf.constant(False))
        np.testing.assert_array_equal(unmirrored, plain)


def test_mirror():
    image = np.asarray(photo(5, 6)).astype(np.float32)
    np.testing.assert_array_equal(augmentation.mirror(image, tf.constant(True)), image[:, ::-1])
    np.testing.assert_array_equal(augmentation.mirror(image, tf.constant(False)), image)


def test_sides_are_the_paper_s_and_shrink_with_the_crop():
    assert augmentation.shorter_sides(224) == (256, 480)
    assert augmentation.shorter_sides(64) == (73, 137)


def test_every_shorter_side_and_every_corner_is_equally_likely():
    draws = augmentation.draws(200_000, 0, tf.constant(3, tf.int64)).numpy()
    assert draws.min() >= 0 and draws.max() < 2**32
    for column, ways in zip(draws.T, (225, 33, 33, 2), strict=True):
        counts = np.bincount(column % ways, minlength=ways)
        expected = len(column) / ways
        # Chi-square over its degrees of freedom.
        assert ((counts - expected) ** 2 / expected).sum() / (ways - 1) < 2.5
    assert abs(np.corrcoef(draws.T) - np.eye(4)).max() < 0.02


def test_the_window_always_lies_inside():
    draws = augmentation.draws(500, 1, tf.constant(0, tf.int64))
    for shape in ((75, 74), (9, 400), (1, 1), (500, 300)):
        for draw in draws[:100]:
            top, left, height, width = augmentation.window(tf.constant(shape), draw, 224).numpy()
            assert height == width >= 1 and min(top, left) >= 0
            assert top + height <= shape[0] and left + width <= shape[1]


def test_draws_and_light_depend_on_seed_and_step_alone():
    step = tf.constant(5, tf.int64)
    for draw in (lambda *key: augmentation.draws(3, *key), lambda *key: light(3, *key, 0.1)):
        np.testing.assert_array_equal(draw(1, step), draw(1, step))
        assert not np.array_equal(draw(1, step), draw(2, step))
        assert not np.array_equal(draw(1, step), draw(1, step + 1))


def test_light_is_alexnet_s():
    # fb.resnet.torch: the eigenvectors' rows, times drawn alphas, times eigenvalues, summed up.
    found = light(40_000, 0, tf.constant(0, tf.int64), 0.1).numpy()
    vectors, values = EIGENVECTORS.astype(float), EIGENVALUES.astype(float)
    expected = vectors @ np.diag((0.1 * values) ** 2) @ vectors.T
    np.testing.assert_allclose(np.cov(found.T), expected, atol=1.5e-5)
    assert np.abs(found.mean(axis=0)).max() < 4e-4
    # Undone, they are normal numbers of that deviation.
    alphas = found @ vectors / values
    np.testing.assert_allclose(alphas.std(axis=0), 0.1, rtol=0.03)
    # The vectors are of length one and at right angles, as principal components are.
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-3)


def test_light_is_added_in_the_network_s_units():
    image = np.full((2, 4, 4, 3), 100, np.uint8)
    preprocessing = Preprocessing((4, 4), "stretch", 1 / 127.5, (0.9, 1, 1.1), (0.5, 1, 2), ("a",))
    colours = np.array([[0.1, -0.2, 0.05], [0, 0, 0]], np.float32)
    before = (image / 127.5 - preprocessing.mean) / preprocessing.std
    found = lit(before.astype(np.float32), colours, preprocessing).numpy()
    brighter = image + 255 * colours[:, None, None]
    expected = (brighter / 127.5 - preprocessing.mean) / preprocessing.std
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    for one, colour, wanted in zip(image, colours, expected, strict=True):
        found = normalize_lit(tf.constant(one), tf.constant(colour), preprocessing)
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
