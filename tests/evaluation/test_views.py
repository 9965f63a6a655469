"""The views of an image, against NumPy and Pillow."""

import numpy as np
import pytest
from PIL import Image

from resnet_keras.cli import evaluate as command
from resnet_keras.data.transforms import MAX_RATIO
from resnet_keras.evaluation.views import SCALES, VIEWS, in_proportion, scaled, ten_crops


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height, width):
    """A photograph's smoothness, so that a rounding differs by a level and not by many."""
    return np.asarray(Image.fromarray(noise(6, 8)).resize((width, height), Image.BICUBIC))


def test_the_command_line_knows_the_views():
    assert command.VIEWS == VIEWS


@pytest.mark.parametrize(
    "side, size, expected", [(256, 224, 256), (256, 32, 37), (640, 64, 183), (384, 64, 110)]
)
def test_sides_in_proportion_to_the_network_s(side, size, expected):
    assert in_proportion(side, size) == expected == int(side * size / 224 + 0.5)


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
    small = Image.fromarray(image).resize((385, 256), Image.BILINEAR)
    crops = ten_crops(image, 224).numpy().astype(int)
    for place, box in ((0, (0, 0)), (3, (161, 32)), (4, (80, 16))):
        theirs = np.asarray(small.crop((*box, box[0] + 224, box[1] + 224))).astype(int)
        assert np.abs(crops[place] - theirs).max() <= 1
        assert np.abs(crops[place + 5] - theirs[:, ::-1]).max() <= 1


@pytest.mark.parametrize("shape", [(90, 120), (120, 90), (64, 64)])
def test_scales_keep_the_proportions(shape):
    image = smooth(*shape)
    found = scaled(image, 64)
    assert len(found) == len(SCALES)
    for side, mine in zip((64, 73, 110, 137, 183), found, strict=True):
        ratio = side / min(shape)
        width, height = (int(edge * ratio + 0.5) for edge in shape[::-1])
        assert mine.shape == (height, width, 3)
        theirs = Image.fromarray(image).resize((width, height), Image.BILINEAR)
        assert np.abs(mine.numpy().astype(int) - np.asarray(theirs)).max() <= 1


def test_of_a_strip_all_views_see_the_same_middle():
    strip = smooth(2, 400)
    middle = strip[:, 200 - MAX_RATIO : 200 + MAX_RATIO]
    np.testing.assert_array_equal(ten_crops(strip, 32), ten_crops(middle, 32))
    for mine, wanted in zip(scaled(strip, 32), scaled(middle, 32), strict=True):
        np.testing.assert_array_equal(mine, wanted)
