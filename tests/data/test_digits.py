"""The digits and their split never change."""

import hashlib

import numpy as np
import pytest

from resnet_keras.data import sources

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def dataset():
    return sources.load_digits()


def test_enlarge_by_hand():
    levels = np.zeros((1, 8, 8))
    levels[0, 2, 7], levels[0, 0, 0] = 16, 3
    image = sources.enlarge(levels)[0]
    assert image.shape == (32, 32, 3) and image.dtype == np.uint8
    assert (image[8:12, 28:32] == 255).all()
    assert (image[:4, :4] == 48).all()  # 47.8
    assert image.sum() == 16 * 3 * (255 + 48)


def test_shapes(dataset):
    assert dataset.train.images.shape == (1437, 32, 32, 3)
    assert dataset.test.images.shape == (360, 32, 32, 3)
    assert dataset.class_names == tuple("0123456789")
    assert not dataset.flip


def test_every_image_once(dataset):
    from sklearn.datasets import load_digits

    expected = sorted(
        (int(label), np.round(image * 255 / 16).astype(np.uint8).tobytes())
        for image, label in zip(*load_digits(return_X_y=True), strict=True)
    )
    received = sorted(
        (int(label), image[::4, ::4, 0].tobytes())
        for part in (dataset.train, dataset.test)
        for image, label in zip(part.images, part.labels, strict=True)
    )
    assert received == expected


def test_split_is_stratified(dataset):
    test = np.bincount(dataset.test.labels)
    every = test + np.bincount(dataset.train.labels)
    assert (abs(test - every * 360 / 1797) < 1).all()


def test_split_is_pinned(dataset):
    def checksum(part):
        return hashlib.sha256(
            part.images.tobytes() + part.labels.astype("<i4").tobytes()
        ).hexdigest()

    assert (
        checksum(dataset.train)
        == "f86339c64a3ad9ec1334717b6963ab096a21ff169c8d47d26d66ae026e61f111"
    )
    assert (
        checksum(dataset.test) == "875662e495142337c73ab7f8fb0926123381e3fddf1692cd4f83a02c8fcabd91"
    )
