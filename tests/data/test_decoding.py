"""Images read from files and from memory for evaluation, and the errors about bad files."""

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnet_keras.data import decoding
from resnet_keras.data.dataset import Files, Images
from resnet_keras.data.transforms import decode, resize
from resnet_keras.errors import UserError
from resnet_keras.preprocessing import Preprocessing

CROP = Preprocessing((12, 12), "crop", 1.0, (0, 0, 0), (1, 1, 1), ("a", "b"), 14)
STRETCH = Preprocessing((8, 8), "stretch", 1.0, (0, 0, 0), (1, 1, 1), ("a", "b"))


def encoded(image, kind="PNG"):
    data = io.BytesIO()
    Image.fromarray(image).save(data, kind)
    return data.getvalue()


@pytest.fixture
def files_and_images(tmp_path):
    """Eleven files of different sizes and formats, and the images in them."""
    rng = np.random.default_rng(0)
    paths, images = [], []
    for number in range(11):
        image = rng.integers(0, 256, (20 + number, 31 - number, 3), np.uint8)
        kind = ("PNG", "BMP")[number % 2]
        path = tmp_path / f"größe {number} [*].{kind.lower()}"
        path.write_bytes(encoded(image, kind))
        paths.append(str(path))
        images.append(image)
    return Files(tuple(paths), np.arange(11, dtype=np.int32) % 2), images


@pytest.mark.parametrize("batch_size", [1, 4, 11, 50])
def test_files_are_read_once_in_order_and_resized_as_by_the_server(files_and_images, batch_size):
    files, _ = files_and_images
    batches = list(decoding.evaluation_batches(files, CROP, batch_size))
    sizes = [len(images) for images, _ in batches]
    assert sum(sizes) == 11 and set(sizes[:-1]) <= {batch_size}
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), files.labels)
    expected = [resize(decode(Path(path).read_bytes()), CROP) for path in files.paths]
    np.testing.assert_array_equal(np.concatenate([images for images, _ in batches]), expected)


def test_decoded_images_keep_their_size(files_and_images):
    files, images = files_and_images
    for found, expected in zip(decoding.decoded_images(files), images, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_images_in_memory_of_the_right_size_are_unchanged():
    rng = np.random.default_rng(1)
    images = Images(rng.integers(0, 256, (7, 8, 8, 3), np.uint8), np.arange(7, dtype=np.int32))
    batches = list(decoding.evaluation_batches(images, STRETCH, 3))
    assert [len(part) for part, _ in batches] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate([part for part, _ in batches]), images.images)
    np.testing.assert_array_equal(np.concatenate([part for _, part in batches]), images.labels)
    np.testing.assert_array_equal(list(decoding.decoded_images(images)), images.images)


def test_images_in_memory_of_another_size_are_resized():
    rng = np.random.default_rng(1)
    images = Images(rng.integers(0, 256, (5, 30, 20, 3), np.uint8), np.zeros(5, np.int32))
    found = np.concatenate([part for part, _ in decoding.evaluation_batches(images, CROP, 2)])
    np.testing.assert_array_equal(found, [resize(image, CROP) for image in images.images])


# The first position, the middle of a batch, and the last position; all other cases are slow.
FAST = {("cut", 0), ("empty", 5), ("text", 10), ("missing", 5)}


@pytest.mark.parametrize(
    "damage, position",
    [
        pytest.param(*case, marks=() if case in FAST else pytest.mark.slow)
        for case in itertools.product(("cut", "empty", "text", "missing"), (0, 5, 10))
    ],
)
def test_errors_name_the_file(files_and_images, damage, position):
    files, _ = files_and_images
    path = files.paths[position]
    content = Path(path).read_bytes()
    if damage == "missing":
        Path(path).unlink()
    else:
        damaged = {"cut": content[:-300], "empty": b"", "text": b"not an image, but text"}
        Path(path).write_bytes(damaged[damage])
    reason = {
        "cut": "the image is damaged or cut short",
        "empty": "the image is empty",
        "text": "the image is not a JPEG, PNG, GIF or BMP",
        "missing": "the file does not exist",
    }[damage]
    for batch_size in (1, 4):
        with pytest.raises(UserError) as caught:
            list(decoding.evaluation_batches(files, CROP, batch_size))
        assert str(caught.value).startswith(f"{path}: {reason}; repair or remove the file")
    with pytest.raises(UserError, match="--skip-corrupt") as caught:
        list(decoding.decoded_images(files))
    assert path in str(caught.value)
