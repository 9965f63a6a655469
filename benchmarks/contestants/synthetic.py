"""Synthetic images and labels: the values of pixels do not affect the speed."""

from typing import Any

import numpy as np

from resnet_keras.preprocessing import Preprocessing


def class_count(size: int) -> int:
    """Returns the number of classes for images of a size: 10 for CIFAR's 32 pixels, else 1000."""
    return 10 if size == 32 else 1000


def images(count: int, size: int) -> np.ndarray:
    """Returns uint8 `(count, size, size, 3)`, the same values in every call."""
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


def labels(count: int, classes: int) -> np.ndarray:
    """Returns int32 `(count,)`, the same values in every call."""
    return np.random.default_rng(1).integers(0, classes, count, np.int32)


def scaled(pixels: np.ndarray) -> np.ndarray:
    """Returns uint8 images as float32 in [-0.5, 0.5], as networks expect."""
    return pixels.astype(np.float32) / 255.0 - 0.5


def preprocessing(size: int, classes: int, **values: Any) -> Preprocessing:
    """Returns a preprocessing of `size` x `size` pixels with a mean of zero.

    Args:
        size: the side of the images in pixels.
        classes: the number of classes; their names are numbers.
        **values: other values of `Preprocessing`.
    """
    defaults = {"resize": "stretch", "mean": np.zeros(3)}
    return Preprocessing(
        size=(size, size),
        scale=1.0 / 255.0,
        std=(1.0, 1.0, 1.0),
        class_names=tuple(str(number) for number in range(classes)),
        **{**defaults, **values},
    )
