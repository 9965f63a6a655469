"""The mean of the training images, in memory and in files, against NumPy."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnet_keras.data import normalization
from resnet_keras.data.dataset import Dataset, Files, Images
from resnet_keras.data.transforms import decode, resize
from resnet_keras.preprocessing import Preprocessing

CROP = Preprocessing((16, 16), "crop", 1 / 255, (0.4, 0.5, 0.6), (1, 2, 1), ("a", "b", "c"), 18)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    root = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    paths = []
    for number in range(13):
        path = root / f"{number}.{('png', 'jpg')[number % 2]}"
        Image.fromarray(rng.integers(0, 256, (20 + number, 44 - number, 3), np.uint8)).save(path)
        paths.append(str(path))
    return Files(tuple(paths), (np.arange(13) % 3).astype(np.int32))


@pytest.mark.parametrize("scale", [1.0, 1 / 255])
# The images are summed in parts of 4,096.
@pytest.mark.parametrize("count", [1, 2, 37, 4095, 4096, 4097, 5000, 8192])
def test_per_pixel_mean(count, scale):
    images = np.random.default_rng(1).integers(0, 256, (count, 3, 5, 3), np.uint8)
    mean = normalization.per_pixel_mean(images, scale)
    assert mean.dtype == np.float32 and mean.shape == (3, 5, 3)
    expected = (images.astype(np.float64) * scale).mean(axis=0)
    np.testing.assert_allclose(mean, expected, rtol=1e-7)


def test_per_pixel_mean_of_many_bright_images_is_exact():
    # A sum of 60,000 times 255 in float32 would not be.
    images = np.full((60_000, 1, 1, 3), 255, np.uint8)
    np.testing.assert_array_equal(normalization.per_pixel_mean(images, 1.0), np.float32(255))


def test_preprocessing_of_images_in_memory():
    images = np.random.default_rng(2).integers(0, 256, (9, 8, 6, 3), np.uint8)
    train = Images(images, np.zeros(9, np.int32))
    found = normalization.preprocessing_for(Dataset("toy", ("a",), train, train), train, None)
    assert (found.size, found.resize, found.shorter_side) == ((8, 6), "stretch", None)
    assert (found.scale, found.std, found.class_names) == (1 / 255, (1.0, 1.0, 1.0), ("a",))
    np.testing.assert_array_equal(found.mean, normalization.per_pixel_mean(images, 1 / 255))


def test_preprocessing_of_files_has_the_crop_of_the_paper_and_the_mean_color(files):
    dataset = Dataset("folder", ("a", "b", "c"), files, files)
    found = normalization.preprocessing_for(dataset, files, 16)
    assert (found.size, found.resize, found.shorter_side) == (
        (16, 16),
        "crop",
        round(256 * 16 / 224),
    )
    crops = [resize(decode(Path(path).read_bytes()), found) for path in files.paths]
    expected = np.mean(np.array(crops, np.float64), axis=(0, 1, 2)) / 255
    np.testing.assert_allclose(found.mean, expected, rtol=1e-6)
    default = normalization.preprocessing_for(dataset, files, None)
    assert (default.size, default.shorter_side) == ((224, 224), 256)


def test_channel_mean_of_a_sample_at_equal_distances(files, monkeypatch):
    monkeypatch.setattr(normalization, "MEAN_IMAGES", 3)
    sample = files.take(np.array([0, 4, 8]))
    crops = [resize(decode(Path(path).read_bytes()), CROP) for path in sample.paths]
    expected = np.mean(np.array(crops, float), axis=(0, 1, 2)) / 255
    np.testing.assert_allclose(normalization.channel_mean(files, CROP), expected, rtol=1e-6)
