"""Holding out images of a data set: the same ones on every machine, stratified by class.

Section 4.2 holds out 5,000 of CIFAR-10's 50,000 training images as the validation set.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from resnet_keras.data.dataset import Files, Images
from resnet_keras.errors import UsageError


def holdout(
    train: Images | Files, size: int, seed: int = 0
) -> tuple[Images | Files, Images | Files]:
    """Splits a validation set off the training images, stratified by class.

    The split depends only on the labels, `size` and `seed`.

    Args:
        train: N images.
        size: the number of images to hold out; 0 for none.
        seed: chooses among the possible splits; at least 0.

    Returns:
        `(train, validation)`: N - size and size images, each in their original order.

    Raises:
        UsageError: if `size` or `seed` is negative, or a class would have no training image left.

    Example:

    >>> images = Images(np.zeros((10, 8, 8, 3), np.uint8), np.repeat([0, 1], 5).astype(np.int32))
    >>> train, validation = holdout(images, size=4)
    >>> train.labels.tolist(), validation.labels.tolist()
    ([0, 0, 0, 1, 1, 1], [0, 0, 1, 1])
    """
    chosen = stratified_sample(train.labels, size, seed)
    rest = np.setdiff1d(np.arange(len(train)), chosen, assume_unique=True)
    return train.take(rest), train.take(chosen)


def stratified_sample(labels: np.ndarray, size: int, seed: int = 0) -> np.ndarray:
    """Chooses indices at random, from each class in proportion to its size.

    Args:
        labels: integers `(N,)`.
        size: the number of indices to choose. At least one index of each class is left over.
        seed: chooses among the possible samples; at least 0.

    Returns:
        int64 `(size,)`, in ascending order.

    Raises:
        UsageError: if `size` or `seed` is out of range.

    Example:

    >>> labels = np.array([0] * 6 + [1] * 3)
    >>> labels[stratified_sample(labels, size=3)].tolist()
    [0, 0, 1]
    """
    classes, counts = np.unique(labels, return_counts=True)
    most = len(labels) - len(classes)
    if not 0 <= size <= most:
        raise UsageError(
            f"of {len(labels)} images in {len(classes)} classes, 0 to {most} can be held out, so "
            f"that each class keeps one. Received: {size}"
        )
    if seed < 0:
        raise UsageError(f"the seed of a held-out set must be at least 0. Received: {seed}")
    # NumPy guarantees that the raw numbers of Philox never change between versions, but not those
    # of `permutation`.
    keys = np.random.Philox(key=seed).random_raw(len(labels))
    chosen = [np.empty(0, np.int64)]
    for label, count in zip(classes, _sizes_per_class(counts, size), strict=True):
        members = np.flatnonzero(labels == label)
        chosen.append(members[np.argsort(keys[members], kind="stable")[:count]])
    return np.sort(np.concatenate(chosen))


def stratified_sample_by_name(
    names: Sequence[str], labels: np.ndarray, fraction: float
) -> np.ndarray:
    """Chooses a fraction of each class by the names of the images.

    The choice is stable: if images are added or removed, all others stay in or out of the sample,
    except for a few at the border.

    Args:
        names: N different names, such as `class/file`.
        labels: integers `(N,)`.
        fraction: the fraction of each class, above 0 and below 1. It is rounded to whole images:
            at least one and at most all but one. A class of a single image is not sampled.

    Returns:
        int64 `(size,)`, in ascending order.

    Raises:
        UsageError: if `fraction` is out of range.

    Example:

    >>> names = [f"cat/{number}.jpg" for number in range(10)]
    >>> len(stratified_sample_by_name(names, np.zeros(10, int), fraction=0.2))
    2
    """
    if not 0 < fraction < 1:
        raise UsageError(
            f"the fraction of test images must be above 0 and below 1. Received: {fraction}"
        )
    # The digest of a name is as good as a random number, and the same on every machine.
    keys = [hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest() for name in names]
    chosen: list[np.int64] = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(max(1, round(fraction * len(members))), len(members) - 1)
        chosen.extend(sorted(members, key=keys.__getitem__)[:count])
    return np.sort(np.array(chosen, np.int64))


def _sizes_per_class(counts: np.ndarray, size: int) -> np.ndarray:
    """Divides `size` in proportion to `counts`, by the largest remainder, below each count."""
    total = max(int(counts.sum()), 1)
    sizes = counts * size // total
    order = np.argsort(-(counts * size % total), kind="stable")
    left = size - int(sizes.sum())
    while left:
        for i in order[sizes[order] < counts[order] - 1][:left]:
            sizes[i] += 1
            left -= 1
    return sizes
