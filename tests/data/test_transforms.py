"""Decoding, resizing and normalizing against PIL and NumPy."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from resnet_keras.data import transforms
from resnet_keras.preprocessing import Preprocessing


def photo(height, width, channels=3, seed=0):
    """A smooth image with some noise, like a photograph."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [
        120 + 80 * np.sin(rows / 9 + k) + 40 * np.cos(columns / 7 - k) for k in range(channels)
    ]
    noisy = np.stack(planes, axis=-1) + rng.normal(0, 15, (height, width, channels))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def encoded(image, kind, **options):
    data = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(data, kind, **options)
    return data.getvalue()


def decoded_by_pil(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def crop_rule(height, width, shorter):
    return Preprocessing((height, width), "crop", 1.0, (0, 0, 0), (1, 1, 1), ("a",), shorter)


def stretch_rule(height, width):
    return Preprocessing((height, width), "stretch", 1.0, (0, 0, 0), (1, 1, 1), ("a",))


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_lossless_formats(kind):
    image = photo(7, 11)
    decoded = transforms.decode(encoded(image, kind))
    assert decoded.dtype == tf.uint8
    np.testing.assert_array_equal(decoded, image)


def test_gray_png_gets_three_channels():
    image = photo(5, 6, 1)[..., 0]
    decoded = transforms.decode(encoded(image, "PNG")).numpy()
    np.testing.assert_array_equal(decoded, np.repeat(image[..., None], 3, axis=2))


def test_alpha_is_dropped():
    image = photo(5, 6, 4)
    image[:, :3, 3] = 0
    np.testing.assert_array_equal(transforms.decode(encoded(image, "PNG")), image[..., :3])


def test_palette_png():
    image = Image.fromarray(photo(9, 8)).quantize(16)
    data = encoded(image, "PNG")
    np.testing.assert_array_equal(transforms.decode(data), decoded_by_pil(data))


def test_16_bit_png_becomes_8_bits():
    image = np.random.default_rng(0).integers(0, 2**16, (6, 5), np.uint16)
    decoded = transforms.decode(encoded(Image.fromarray(image), "PNG")).numpy()
    assert decoded.dtype == np.uint8 and decoded.shape == (6, 5, 3)
    assert np.abs(decoded[..., 0] - image / 257).max() <= 1
    np.testing.assert_array_equal(decoded[..., 0], decoded[..., 2])


@pytest.mark.parametrize("subsampling, tolerance", [(0, 3), (2, 12)])
def test_jpeg(subsampling, tolerance):
    # Libraries interpolate chroma that is stored at half size in different ways.
    data = encoded(photo(40, 56), "JPEG", quality=92, subsampling=subsampling)
    difference = np.abs(transforms.decode(data).numpy().astype(int) - decoded_by_pil(data))
    assert np.mean(difference) < 1.5 and np.percentile(difference, 99) <= tolerance


def test_gray_jpeg():
    data = encoded(photo(24, 17, 1)[..., 0], "JPEG", quality=92)
    difference = np.abs(transforms.decode(data).numpy().astype(int) - decoded_by_pil(data))
    assert difference.max() <= 2


def test_cmyk_jpeg():
    data = encoded(Image.fromarray(photo(16, 16)).convert("CMYK"), "JPEG")
    assert transforms.decode(data).shape == (16, 16, 3)


def test_first_frame_of_a_gif():
    frames = [Image.fromarray(np.full((4, 5, 3), value, np.uint8)) for value in (10, 200)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(transforms.decode(data), decoded_by_pil(data))


@pytest.mark.parametrize("data", [b"", b"no image", encoded(photo(9, 9), "PNG")[:60]])
def test_bytes_that_are_not_an_image(data):
    with pytest.raises(tf.errors.InvalidArgumentError):
        transforms.decode(data)


@pytest.mark.parametrize(
    "before, after",
    [((64, 64), (32, 32)), ((100, 75), (32, 32)), ((57, 91), (24, 40)), ((375, 500), (64, 64)),
     ((33, 33), (32, 32)), ((300, 40), (32, 32))],
)  # fmt: skip
def test_stretch_equals_pil_when_reducing(before, after):
    image = photo(*before)
    resized = transforms.resize(image, stretch_rule(*after)).numpy()
    assert resized.dtype == np.uint8 and resized.shape == (*after, 3)
    reference = Image.fromarray(image).resize(after[::-1], Image.Resampling.BILINEAR)
    assert np.abs(resized.astype(int) - np.asarray(reference)).max() <= 1


@pytest.mark.parametrize("before, after", [((8, 8), (32, 32)), ((8, 64), (32, 32))])
def test_stretch_equals_pil_when_enlarging(before, after):
    image = photo(*before)
    resized = transforms.resize(image, stretch_rule(*after)).numpy()
    reference = Image.fromarray(image).resize(after[::-1], Image.Resampling.BILINEAR)
    assert np.abs(resized.astype(int) - np.asarray(reference)).max() <= 1


def test_images_of_the_right_size_keep_their_pixels():
    image = np.random.default_rng(0).integers(0, 256, (32, 24, 3), np.uint8)
    np.testing.assert_array_equal(transforms.resize(image, stretch_rule(32, 24)), image)
    np.testing.assert_array_equal(transforms.resize(image, crop_rule(32, 24, 24)), image)


def test_values_are_rounded_to_the_nearest_integer():
    # The mean of 10, 11, 11 and 11 is 10.75; truncating would give 10.
    image = np.full((2, 2, 3), 11, np.uint8)
    image[0, 0] = 10
    np.testing.assert_array_equal(transforms.resize_stretch(image, (1, 1)), [[[11, 11, 11]]])


@pytest.mark.parametrize(
    "height, width, side, expected",
    [(100, 200, 50, (50, 100)), (200, 100, 50, (100, 50)), (33, 50, 32, (32, 48)),
     (500, 375, 256, (341, 256)), (375, 500, 256, (256, 341)), (64, 64, 32, (32, 32)),
     (20, 30, 40, (40, 60)), (1, 7, 3, (3, 21)), (3, 2, 1, (2, 1))],
)  # fmt: skip
def test_shorter_side(height, width, side, expected):
    image = photo(height, width)
    resized = transforms.resize_shorter_side(image, side).numpy()
    assert resized.shape == (*expected, 3)
    reference = Image.fromarray(image).resize(expected[::-1], Image.Resampling.BILINEAR)
    assert np.abs(resized.astype(int) - np.asarray(reference)).max() <= 1


@pytest.mark.parametrize("height, width", [(64, 96), (97, 64), (65, 71), (256, 341)])
@pytest.mark.parametrize("size", [32, 31])
def test_crop_is_the_center_of_the_resized_image(height, width, size):
    image = photo(height, width)
    side = 48
    resized = transforms.resize_shorter_side(image, side).numpy()
    top, left = (resized.shape[0] - size) // 2, (resized.shape[1] - size) // 2
    found = transforms.resize(image, crop_rule(size, size, side)).numpy()
    np.testing.assert_array_equal(found, resized[top : top + size, left : left + size])
    # The same number of pixels is cut off at both ends, except for an odd one.
    below, right = resized.shape[0] - size - top, resized.shape[1] - size - left
    assert 0 <= below - top <= 1 and 0 <= right - left <= 1


@pytest.mark.parametrize("size", [40, 41])
def test_crop_without_resizing_is_numpy_slicing(size):
    image = photo(60, 81)
    found = transforms.resize(image, crop_rule(size, size, 60)).numpy()
    top, left = (60 - size) // 2, (81 - size) // 2
    np.testing.assert_array_equal(found, image[top : top + size, left : left + size])


@pytest.mark.parametrize("height, width", [(300, 200), (100, 1000), (1000, 100), (4, 128), (5, 31)])
def test_images_of_ordinary_shape_are_not_cut(height, width):
    image, side = photo(height, width), 48
    expected = transforms._resize(image, transforms.scaled_shape(tf.shape(image)[:2], side))
    np.testing.assert_array_equal(transforms.resize_shorter_side(image, side), expected)


# The ratios are integers, so that both sides are rounded in the same way.
@pytest.mark.parametrize(
    "height, width, side", [(10, 400, 20), (800, 20, 10), (701, 11, 22), (3, 1000, 24)]
)
def test_a_strip_without_its_ends_gives_the_same_center(height, width, side):
    image, size = photo(height, width), side - 2
    part = transforms.resize_shorter_side(image, side)
    assert max(part.shape) <= (transforms.MAX_ASPECT_RATIO + 1) * side
    shape = transforms.scaled_shape(tf.shape(image)[:2], side)
    strip = transforms._resize(image, shape).numpy()
    top, left = (strip.shape[0] - size) // 2, (strip.shape[1] - size) // 2
    found = transforms.resize(image, crop_rule(size, size, side)).numpy().astype(int)
    assert np.abs(found - strip[top : top + size, left : left + size]).max() <= 1


@pytest.mark.parametrize("shape", [(1, 16_384), (16_384, 1)])
def test_a_line_of_pixels_does_not_become_gigabytes(shape):
    data = encoded(np.full((*shape, 3), 77, np.uint8), "PNG")
    assert len(data) < 400
    compiled = tf.function(
        lambda data: transforms.resize_shorter_side(transforms.decode(data), 256),
        input_signature=[tf.TensorSpec((), tf.string)],
    )
    # Check with a side of 2 first: without the limit, the call below would allocate 12 GiB.
    sides = transforms.resize_shorter_side(np.zeros((*shape, 3), np.uint8), 2).shape[:2]
    assert max(sides) == 2 * transforms.MAX_ASPECT_RATIO
    resized = compiled(data).numpy()
    assert resized.shape[:2] == tuple(128 * side for side in sides)
    assert (resized == 77).all()


def test_graph_and_eager_mode_agree():
    rule = crop_rule(16, 16, 20)
    compiled = tf.function(
        lambda data: transforms.resize(transforms.decode(data), rule),
        input_signature=[tf.TensorSpec((), tf.string)],
    )
    for size in ((25, 60), (60, 25), (20, 20)):
        data = encoded(photo(*size), "PNG")
        assert compiled.get_concrete_function().structured_outputs.shape == (16, 16, 3)
        np.testing.assert_array_equal(
            compiled(data), transforms.resize(transforms.decode(data), rule)
        )


@pytest.mark.parametrize("shape", [(4, 5, 3), (2, 4, 5, 3)])
@pytest.mark.parametrize("std", [(1.0, 1.0, 1.0), (0.2, 1.0, 3.0)])
@pytest.mark.parametrize("per_pixel", [True, False])
def test_normalize(shape, std, per_pixel):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, shape, np.uint8)
    mean = rng.random((4, 5, 3) if per_pixel else (3,)).astype(np.float32)
    rule = Preprocessing((4, 5), "stretch", 1 / 255, mean, std, ("a",))
    normalized = transforms.normalize(images, rule)
    assert normalized.dtype == tf.float32 and normalized.shape == shape
    expected = (images / 255.0 - mean.astype(np.float64)) / std
    np.testing.assert_allclose(normalized, expected, rtol=1e-5, atol=1e-6)
