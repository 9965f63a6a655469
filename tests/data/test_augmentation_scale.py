"""Random scale, crop and flip of encoded images against NumPy and PIL."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from resnet_keras.data import augmentation

ORIENTATION = 0x0112


def photo(height, width):
    """A smooth image, so that decoders agree, with a different color at every position."""
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
    """Resizes a float image `(h, w, 3)` with NumPy. Pixel centers are at half-integers."""

    def along_first_axis(values, length):
        positions = (np.arange(length) + 0.5) * len(values) / length - 0.5
        low = np.floor(positions).astype(int)
        weight = (positions - low).reshape(-1, 1, 1)
        first, second = (np.clip(i, 0, len(values) - 1) for i in (low, low + 1))
        return values[first] * (1 - weight) + values[second] * weight

    rows = along_first_axis(image, size)
    return along_first_axis(rows.swapaxes(0, 1), size).swapaxes(0, 1)


def expected_window(height, width, draw, size):
    """Section 3.4 in plain numbers: shorter side, top, left and length of the square."""
    low, high = round(256 * size / 224), round(480 * size / 224)
    side = low + int(draw[0]) % (high - low + 1)
    length = round(size * min(height, width) / side + 1e-9)
    top, left = (int(d) % (n - length + 1) for d, n in zip(draw[1:3], (height, width), strict=True))
    return side, top, left, length


BATCHES = [augmentation.crop_draws(4, 7, tf.constant(step, tf.int64)).numpy() for step in range(3)]
DRAWS = [draw for batch in BATCHES for draw in batch]


@pytest.mark.parametrize("height, width", [(60, 90), (90, 61), (75, 75)])
def test_enlarged_jpeg_equals_numpy(height, width):
    data = encoded(photo(height, width))
    pixels = np.asarray(Image.open(io.BytesIO(data))).astype(float)
    for draw in DRAWS:
        _, top, left, length = expected_window(height, width, draw, 64)
        expected = bilinear(pixels[top : top + length, left : left + length], 64)
        found = augmentation.decode_and_crop(data, draw, 64).numpy()
        assert found.dtype == np.float32 and found.shape == (64, 64, 3)
        # Decoders round differently. A crop that is off by one pixel differs by three on average.
        assert np.abs(found - expected).max() < 12 and np.abs(found - expected).mean() < 1.5


@pytest.mark.parametrize("height, width", [(300, 400), (613, 450), (1200, 1601)])
def test_reduced_jpeg_is_close_to_pil(height, width):
    # PIL averages everything that falls into a pixel; the decoder first averages whole blocks.
    data = encoded(photo(height, width))
    for draw in DRAWS:
        side, top, left, length = expected_window(height, width, draw, 32)
        ratio = max(r for r in (1, 2, 4, 8) if r == 1 or min(height, width) // side >= r)
        reduced = [-(-n // ratio) for n in (height, width)]
        _, top, left, length = (n * ratio for n in expected_window(*reduced, draw, 32))
        box = (left, top, min(left + length, width), min(top + length, height))
        expected = Image.open(io.BytesIO(data)).resize((32, 32), Image.BILINEAR, box=box)
        found = augmentation.decode_and_crop(data, draw, 32).numpy()
        assert np.abs(found - np.asarray(expected, float)).mean() < 3


def test_other_formats_are_resized_like_pil():
    image = photo(150, 210)
    for draw in DRAWS:
        _, top, left, length = expected_window(150, 210, draw, 32)
        box = (left, top, left + length, top + length)
        expected = image.crop(box).resize((32, 32), Image.BILINEAR)
        found = augmentation.decode_and_crop(encoded(image, "PNG"), draw, 32).numpy()
        assert np.abs(found - np.asarray(expected, float)).max() < 1.5


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_the_square_is_rotated_according_to_exif(orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data, plain = encoded(photo(60, 90), exif=exif), encoded(photo(60, 90))
    for draw in DRAWS[:3]:
        stored = augmentation.decode_and_crop(plain, draw, 48).numpy()
        stored_image = Image.fromarray(np.round(stored).astype(np.uint8))
        stored_image.getexif()[ORIENTATION] = orientation
        expected = np.asarray(ImageOps.exif_transpose(stored_image))
        found = np.round(augmentation.decode_and_crop(data, draw, 48).numpy()).astype(np.uint8)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_gray_and_cmyk_jpeg(mode):
    data = encoded(photo(60, 60).convert(mode))
    found = augmentation.decode_and_crop(data, DRAWS[0], 48).numpy()
    _, top, left, length = expected_window(60, 60, DRAWS[0], 48)
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(float)
    expected = bilinear(pixels[top : top + length, left : left + length], 48)
    assert np.abs(found - expected).mean() < 4


@pytest.mark.parametrize("kind, orientation", [("JPEG", None), ("JPEG", 6), ("PNG", None)])
def test_the_square_is_flipped_after_the_rotation(kind, orientation):
    exif = Image.Exif()
    if orientation:
        exif[ORIENTATION] = orientation
    data = encoded(photo(150, 210), kind, exif=exif)
    for draw in DRAWS[:3]:
        plain = augmentation.decode_and_crop(data, draw, 48).numpy()
        flipped = augmentation.decode_and_crop(data, draw, 48, tf.constant(True)).numpy()
        # Images are flipped before they are resized, so sums are computed in another order.
        np.testing.assert_allclose(flipped, plain[:, ::-1], atol=1e-3)
        not_flipped = augmentation.decode_and_crop(data, draw, 48, tf.constant(False))
        np.testing.assert_array_equal(not_flipped, plain)


def test_flip_if():
    image = np.asarray(photo(5, 6)).astype(np.float32)
    np.testing.assert_array_equal(augmentation.flip_if(image, tf.constant(True)), image[:, ::-1])
    np.testing.assert_array_equal(augmentation.flip_if(image, tf.constant(False)), image)


def test_shorter_sides_are_those_of_the_paper_in_proportion():
    assert augmentation.shorter_side_range(224) == (256, 480)
    assert augmentation.shorter_side_range(64) == (73, 137)


def test_shorter_sides_and_corners_are_uniform():
    draws = augmentation.crop_draws(200_000, 0, tf.constant(3, tf.int64)).numpy()
    assert draws.min() >= 0 and draws.max() < 2**32
    for column, choices in zip(draws.T, (225, 33, 33, 2), strict=True):
        counts = np.bincount(column % choices, minlength=choices)
        expected = len(column) / choices
        # Chi-square divided by its degrees of freedom.
        assert ((counts - expected) ** 2 / expected).sum() / (choices - 1) < 2.5
    assert abs(np.corrcoef(draws.T) - np.eye(4)).max() < 0.02


def test_the_window_is_always_inside_the_image():
    draws = augmentation.crop_draws(500, 1, tf.constant(0, tf.int64))
    for shape in ((75, 74), (9, 400), (1, 1), (500, 300)):
        for draw in draws[:100]:
            window = augmentation.crop_window(tf.constant(shape), draw, 224)
            top, left, height, width = window.numpy()
            assert height == width >= 1 and min(top, left) >= 0
            assert top + height <= shape[0] and left + width <= shape[1]


def test_draws_depend_on_seed_and_step_alone():
    step = tf.constant(5, tf.int64)
    first = augmentation.crop_draws(3, 1, step)
    np.testing.assert_array_equal(first, augmentation.crop_draws(3, 1, step))
    assert not np.array_equal(first, augmentation.crop_draws(3, 2, step))
    assert not np.array_equal(first, augmentation.crop_draws(3, 1, step + 1))
