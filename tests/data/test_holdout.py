"""Held-out images are the same on every machine, and stratified by class."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnet_keras.data.dataset import Images
from resnet_keras.data.holdout import holdout, stratified_sample
from resnet_keras.errors import UsageError


def images(labels):
    """Images that store their own index in their first two values."""
    pixels = np.zeros((len(labels), 1, 1, 3), np.uint8)
    pixels[:, 0, 0, 0], pixels[:, 0, 0, 1] = np.divmod(np.arange(len(labels)), 256)
    return Images(pixels, np.array(labels, np.int32))


def indices(part):
    return part.images[:, 0, 0, :2].astype(int) @ (256, 1)


@given(st.lists(st.integers(0, 5), min_size=2, max_size=80), st.data(), st.integers(0, 2**64))
def test_any_split(labels, data, seed):
    everything = images(labels)
    counts = np.bincount(labels)
    most = len(labels) - np.count_nonzero(counts)
    size = data.draw(st.integers(0, most))
    train, validation = holdout(everything, size, seed)
    assert len(validation) == size
    assert sorted([*indices(train), *indices(validation)]) == list(range(len(labels)))
    assert (np.diff(indices(train)) > 0).all() and (np.diff(indices(validation)) > 0).all()
    for part in (train, validation):
        assert part.labels.tolist() == [labels[i] for i in indices(part)]
    assert set(train.labels) == set(labels)
    held = np.bincount(validation.labels, minlength=len(counts))
    # A class may get more than its exact share, but less by at most one image.
    assert (held > counts * size / len(labels) - 1).all()


@given(st.integers(1, 8), st.integers(2, 30), st.data())
def test_equal_classes_are_held_out_evenly(classes, each, data):
    size = data.draw(st.integers(0, classes * (each - 1)))
    labels = np.tile(np.arange(classes), each)
    held = np.bincount(labels[stratified_sample(labels, size)], minlength=classes)
    assert held.max() - held.min() <= 1 and held.sum() == size


def test_the_split_of_the_paper_never_changes():
    labels = np.arange(50_000) % 10
    chosen = stratified_sample(labels, 5000)
    assert np.bincount(labels[chosen]).tolist() == [500] * 10
    assert (
        hashlib.sha256(chosen.astype("<i8")).hexdigest()
        == "c8a7ccb2507e714d7fc8dfcc875e1d14b0e8dbd38add2139aa0be13d41a3d493"
    )


def test_samples_are_reproducible_and_depend_on_the_seed():
    labels = np.arange(1000) % 10
    first = stratified_sample(labels, 100, 1).tolist()
    assert first == stratified_sample(labels, 100, 1).tolist()
    assert first != stratified_sample(labels, 100, 2).tolist()


def test_the_sample_does_not_depend_on_the_position():
    chosen = stratified_sample(np.zeros(10_000, int), 5000)
    assert 4800 < chosen.mean() < 5200
    assert 2300 < (chosen < 5000).sum() < 2700


@pytest.mark.parametrize("size", [-1, 97, 100, 1000])
def test_sizes_out_of_range_are_rejected(size):
    with pytest.raises(UsageError, match=f"100 images in 4 classes, 0 to 96.*Received: {size}"):
        holdout(images(np.arange(100) % 4), size)


def test_the_largest_size_leaves_one_image_per_class():
    train, _ = holdout(images(np.arange(100) % 4), 96)
    assert sorted(train.labels) == [0, 1, 2, 3]


def test_negative_seeds_are_rejected():
    with pytest.raises(UsageError, match="Received: -1"):
        stratified_sample(np.zeros(10, int), 2, -1)
