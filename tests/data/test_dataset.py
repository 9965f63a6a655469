"""Images, files, and the share of a batch that one process makes."""

import numpy as np
import pytest

from resnet_keras.data.dataset import BatchShare, Files, Images
from resnet_keras.errors import UserError


def test_labels_must_match_the_images():
    pixels = np.zeros((2, 4, 4, 3), np.uint8)
    for labels in (np.zeros(2, np.int64), np.zeros(3, np.int32)):
        with pytest.raises(UserError, match=r"labels must be int32 of shape \(2,\)\. Received"):
            Images(pixels, labels)
        with pytest.raises(UserError, match=r"labels must be int32 of shape \(2,\)\. Received"):
            Files(("a", "b"), labels)


@pytest.mark.parametrize("shape, dtype", [((2, 4, 4), "uint8"), ((2, 4, 4, 3), "float32"),
                                          ((2, 4, 4, 1), "uint8")])  # fmt: skip
def test_images_must_be_uint8_rgb(shape, dtype):
    with pytest.raises(UserError, match=rf"images must be uint8 .* Received: {dtype}"):
        Images(np.zeros(shape, dtype), np.zeros(2, np.int32))


def test_ranges_must_match_the_files():
    labels = np.zeros(2, np.int32)
    for ranges in (np.zeros((2, 2), np.int32), np.zeros((1, 2), np.int64)):
        with pytest.raises(UserError, match=r"ranges must be int64 of shape \(2, 2\)\. Received"):
            Files(("a", "b"), labels, ranges)


TAKEN = [(slice(2, 5), [2, 3, 4]), (np.array([7, 0, 0]), [7, 0, 0]), (np.arange(0), [])]


@pytest.mark.parametrize("indices, positions", TAKEN)
def test_take(indices, positions):
    labels = (np.arange(11) % 2).astype(np.int32)
    files = Files(tuple("abcdefghijk"), labels).take(indices)
    assert files.paths == tuple("abcdefghijk"[position] for position in positions)
    assert files.labels.tolist() == [position % 2 for position in positions]
    assert files.size is None
    pixels = np.arange(11, dtype=np.uint8).reshape(11, 1, 1, 1) * np.ones((1, 2, 3, 3), np.uint8)
    images = Images(pixels, labels).take(indices)
    assert images.images[:, 0, 0, 0].tolist() == positions
    assert images.labels.tolist() == [position % 2 for position in positions]
    assert images.size == (2, 3)


def test_fingerprints_depend_on_labels_and_content():
    pixels, labels = np.zeros((2, 4, 4, 3), np.uint8), np.zeros(2, np.int32)
    files = Files(("x/cat/1.jpg", "x/cat/2.jpg"), labels)
    moved = Files(("y/z/cat/1.jpg", "y/z/cat/2.jpg"), labels)
    assert files.fingerprint() == moved.fingerprint()
    different = (
        Images(pixels, labels),
        Images(pixels + 1, labels),
        Images(pixels, labels + 1),
        files,
        Files(files.paths, labels + 1),
        Files(files.paths[::-1], labels),
        Files(files.paths, labels, np.array([[0, 1], [1, 1]])),
    )
    assert len({source.fingerprint() for source in different}) == len(different)


def test_batch_shares_divide_a_batch():
    assert BatchShare.full(6).take([1, 2, 3, 4, 5, 6]) == [1, 2, 3, 4, 5, 6]
    shares = [BatchShare(6, start, 2) for start in (0, 2, 4)]
    parts = [share.take(np.arange(6)).tolist() for share in shares]
    assert parts == [[0, 1], [2, 3], [4, 5]]
