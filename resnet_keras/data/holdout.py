"""Splits images off a training set, the same ones on every machine.

Section 4.2 holds 5,000 of CIFAR-10's 50,000 training images out as validation set.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from resnet_keras.data.dataset import Files, Images
from resnet_keras.errors import UsageError


def holdout(
    train: Images | Files, size: int, seed: int = 0
) -> tuple[Images | Files, Images | Files]:
    """Splits `size` images off `train`, of every class in proportion to its number.

    Which ones depends on the labels, `size` and `seed` alone.

    Args:
        train: N images.
        size: how many images to hold out, 0 for none.
        seed: chooses among the splits; 0 or above.

    Returns:
        `(train, validation)`, N - size and size images, each in their former order.

    Raises:
        UsageError: if `size` is negative or leaves not one image of each class to train on.
    """
    chosen = stratified(train.labels, size, seed)
    rest = np.setdiff1d(np.arange(len(train)), chosen, assume_unique=True)
    return train.take(rest), train.take(chosen)


def stratified(labels: np.ndarray, size: int, seed: int = 0) -> np.ndarray:
    """Chooses `size` indices, of every class in proportion to its number.

    Args:
        labels: integers `(N,)`.
        size: how many to choose; at least one of each class stays unchosen.
        seed: 0 or above.

    Returns:
        int64 `(size,)`, ascending.

    Raises:
        UsageError: if `size` or `seed` are out of range.
    """
    classes, counts = np.unique(labels, return_counts=True)
    most = len(labels) - len(classes)
    if not 0 <= size <= most:
        raise UsageError(
            f"of {len(labels)} images in {len(classes)} classes, 0 to {most} can be held out, so "
            f"that each class keeps one. Received: {size}"
        )
    if seed < 0:
        raise UsageError(f"the seed of a held-out set is 0 or above. Received: {seed}")
    # NumPy promises Philox's raw numbers for all versions, but not those of `permutation`.
    keys = np.random.Philox(key=seed).random_raw(len(labels))
    chosen = [np.empty(0, np.int64)]
    for label, share in zip(classes, _shares(counts, size), strict=True):
        members = np.flatnonzero(labels == label)
        chosen.append(members[np.argsort(keys[members], kind="stable")[:share]])
    return np.sort(np.concatenate(chosen))


def named_share(names: Sequence[str], labels: np.ndarray, fraction: float) -> np.ndarray:
    """Chooses a share of every class by the images' names: whoever joins or leaves, the others
    stay where they are, but for a few at the border.

    Args:
        names: N different ones, such as `class/file`.
        labels: integers `(N,)`.
        fraction: of each class, rounded to whole images; one at least and all but one at most, and
            none of a class of one image.

    Returns:
        int64 `(size,)`, ascending.

    Raises:
        UsageError: if `fraction` is not above 0 and below 1.
    """
    if not 0 < fraction < 1:
        raise UsageError(f"the share for the test is above 0 and below 1. Received: {fraction}")
    # A name's digest is as good as a random number, and the same everywhere.
    keys = [hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest() for name in names]
    chosen = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        share = min(max(1, round(fraction * len(members))), len(members) - 1)
        chosen.extend(sorted(members, key=keys.__getitem__)[:share])
    return np.sort(np.array(chosen, np.int64))


def _shares(counts, size):
    """Shares `size` out in proportion to `counts`, by largest remainder, below each count."""
    total = max(int(counts.sum()), 1)
    shares = counts * size // total
    order = np.argsort(-(counts * size % total), kind="stable")
    left = size - int(shares.sum())
    while left:
        for i in order[shares[order] < counts[order] - 1][:left]:
            shares[i] += 1
            left -= 1
    return shares
