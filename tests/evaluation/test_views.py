"""The views of an image, compared with NumPy and Pillow."""

import numpy as np
import pytest
from PIL import Image

from resnet_keras.data.transforms import MAX_ASPECT_RATIO
from resnet_keras.evaluation.views import SCALES, multiscale, proportional_side, ten_crops


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height, width):
    """An image as smooth as a photograph, for which roundings differ by one level at most."""
    return np.asarray(Image.fromarray(noise(6, 8)).resize((width, height), Image.BICUBIC))


@pytest.mark.parametrize(
    "side, size, expected", [(256, 224, 256), (256, 32, 37), (640, 64, 183), (384, 64, 110)]
)
def test_sides_are_proportional_to_the_size(side, size, expected):
    assert proportional_side(side, size) == expected == int(side * size / 224 + 0.5)


@pytest.mark.parametrize("shape", [(37, 37), (37, 50), (61, 37)])
def test_ten_crops_of_an_image_that_needs_no_resizing(shape):
    image, size = noise(*shape), 32
    height, width = shape
    top, left = (height - size) // 2, (width - size) // 2
    five = [
        image[:size, :size],
        image[:size, -size:],
        image[-size:, :size],
        image[-size:, -size:],
        image[top : top + size, left : left + size],
    ]
    expected = np.stack(five + [crop[:, ::-1] for crop in five])
    np.testing.assert_array_equal(ten_crops(image, size).numpy(), expected)


def test_ten_crops_are_cut_from_a_shorter_side_of_256():
    image = smooth(300, 451)
    resized = Image.fromarray(image).resize((385, 256), Image.BILINEAR)
    crops = ten_crops(image, 224).numpy().astype(int)
    for index, (left, top) in ((0, (0, 0)), (3, (161, 32)), (4, (80, 16))):
        expected = np.asarray(resized.crop((left, top, left + 224, top + 224))).astype(int)
        assert np.abs(crops[index] - expected).max() <= 1
        assert np.abs(crops[index + 5] - expected[:, ::-1]).max() <= 1


@pytest.mark.parametrize("shape", [(90, 120), (120, 90), (64, 64)])
def test_scales_keep_the_aspect_ratio(shape):
    image = smooth(*shape)
    views = multiscale(image, 64)
    assert len(views) == len(SCALES)
    for side, view in zip((64, 73, 110, 137, 183), views, strict=True):
        ratio = side / min(shape)
        width, height = (int(edge * ratio + 0.5) for edge in shape[::-1])
        assert view.shape == (height, width, 3)
        expected = Image.fromarray(image).resize((width, height), Image.BILINEAR)
        assert np.abs(view.numpy().astype(int) - np.asarray(expected)).max() <= 1


def test_all_views_of_a_strip_show_its_middle():
    strip = smooth(2, 400)
    middle = strip[:, 200 - MAX_ASPECT_RATIO : 200 + MAX_ASPECT_RATIO]
    np.testing.assert_array_equal(ten_crops(strip, 32), ten_crops(middle, 32))
    for view, expected in zip(multiscale(strip, 32), multiscale(middle, 32), strict=True):
        np.testing.assert_array_equal(view, expected)
