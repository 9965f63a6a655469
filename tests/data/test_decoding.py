"""Images read from files and from memory, against PIL and against the operations one by one."""

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
def made(tmp_path):
    """Eleven files of different sizes and kinds, and what is in them."""
    rng = np.random.default_rng(0)
    paths, pictures = [], []
    for number in range(11):
        picture = rng.integers(0, 256, (20 + number, 31 - number, 3), np.uint8)
        kind = ("PNG", "BMP")[number % 2]
        path = tmp_path / f"größe {number} [*].{kind.lower()}"
        path.write_bytes(encoded(picture, kind))
        paths.append(str(path))
        pictures.append(picture)
    return Files(tuple(paths), np.arange(11, dtype=np.int32) % 2), pictures


@pytest.mark.parametrize("batch_size", [1, 4, 11, 50])
def test_files_come_in_order_once_and_as_the_server_prepares_them(made, batch_size):
    files, _ = made
    batches = list(decoding.evaluation_batches(files, CROP, batch_size))
    sizes = [len(images) for images, _ in batches]
    assert sum(sizes) == 11 and set(sizes[:-1]) <= {batch_size}
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), files.labels)
    alone = [resize(decode(Path(path).read_bytes()), CROP) for path in files.paths]
    np.testing.assert_array_equal(np.concatenate([images for images, _ in batches]), alone)


def test_originals_keep_their_own_size(made):
    files, pictures = made
    for found, picture in zip(decoding.originals(files), pictures, strict=True):
        np.testing.assert_array_equal(found, picture)


def test_arrays_of_the_right_size_are_passed_on():
    rng = np.random.default_rng(1)
    images = Images(rng.integers(0, 256, (7, 8, 8, 3), np.uint8), np.arange(7, dtype=np.int32))
    batches = list(decoding.evaluation_batches(images, STRETCH, 3))
    assert [len(part) for part, _ in batches] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate([part for part, _ in batches]), images.images)
    np.testing.assert_array_equal(np.concatenate([part for _, part in batches]), images.labels)
    np.testing.assert_array_equal(list(decoding.originals(images)), images.images)


def test_arrays_of_another_size_are_resized():
    rng = np.random.default_rng(1)
    images = Images(rng.integers(0, 256, (5, 30, 20, 3), np.uint8), np.zeros(5, np.int32))
    found = np.concatenate([part for part, _ in decoding.evaluation_batches(images, CROP, 2)])
    np.testing.assert_array_equal(found, [resize(image, CROP) for image in images.images])


def test_files_and_arrays_are_taken_alike(made):
    files, _ = made
    wanted = [(slice(2, 5), [2, 3, 4]), (np.array([7, 0, 0]), [7, 0, 0]), (np.arange(0), [])]
    for indices, places in wanted:
        part = files.take(indices)
        assert part.paths == tuple(files.paths[place] for place in places)
        assert part.labels.tolist() == [place % 2 for place in places]
        assert part.size is None


# In the first place, in the middle of a batch, in the last place; the others are slow.
BAD = {("cut", 0), ("empty", 5), ("text", 10), ("gone", 5)}


@pytest.mark.parametrize(
    "damage, place",
    [
        pytest.param(*case, marks=() if case in BAD else pytest.mark.slow)
        for case in itertools.product(("cut", "empty", "text", "gone"), (0, 5, 10))
    ],
)
def test_a_bad_file_is_named(made, damage, place):
    files, _ = made
    path = files.paths[place]
    whole = Path(path).read_bytes()
    if damage == "gone":
        Path(path).unlink()
    else:
        damaged = {"cut": whole[:-300], "empty": b"", "text": b"no image, but text"}
        Path(path).write_bytes(damaged[damage])
    words = {"cut": "damaged", "empty": "is empty", "text": "is no JPEG", "gone": "no such file"}
    for batch_size in (1, 4):
        with pytest.raises(UserError) as caught:
            list(decoding.evaluation_batches(files, CROP, batch_size))
        assert path in str(caught.value) and words[damage] in str(caught.value)
    with pytest.raises(UserError, match="--skip-corrupt") as caught:
        list(decoding.originals(files))
    assert path in str(caught.value)


def test_labels_fit_the_paths():
    with pytest.raises(UserError, match="int32"):
        Files(("a",), np.zeros(1, np.int64))
    with pytest.raises(UserError, match="int32"):
        Files(("a",), np.zeros(2, np.int32))
