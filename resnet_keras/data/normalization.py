"""The preprocessing of a network that is trained from scratch: the mean of its training images."""

from typing import Any

import numpy as np

from resnet_keras.data.augmentation import CROP_SIZE, MIN_SHORTER_SIDE
from resnet_keras.data.dataset import Dataset, Files, Images
from resnet_keras.data.decoding import evaluation_batches
from resnet_keras.preprocessing import Preprocessing

# The number of images in files that the mean is computed from. Its error is a small fraction of a
# gray level.
MEAN_IMAGES = 1024
# The side in pixels of images in files, unless the recipe sets another: that of section 3.4.
IMAGE_SIZE = CROP_SIZE
_SCALE = 1.0 / 255.0
_DECODED_AT_A_TIME = 64
_SUMMED_AT_A_TIME = 4096


def preprocessing_for(
    dataset: Dataset, train: Images | Files, image_size: int | None
) -> Preprocessing:
    """Returns the preprocessing of the paper, which subtracts the mean of the training images.

    - Images in memory keep their size, and the mean of each pixel is subtracted (section 4.2).
    - Images in files are resized so that the shorter side has 256/224 of `image_size`, the center
      is cut out, and the mean of each channel is subtracted.

    Args:
        dataset: gives the class names.
        train: the training images.
        image_size: the side in pixels, for images in files; `None` takes `IMAGE_SIZE`.

    Returns:
        The preprocessing.

    Raises:
        UserError: if a file cannot be decoded.

    Example:

    >>> train = Images(np.full((4, 32, 32, 3), 51, np.uint8), np.zeros(4, np.int32))
    >>> preprocessing = preprocessing_for(Dataset("toy", ("cat",), train, train), train, None)
    >>> preprocessing.size, preprocessing.mean.shape, round(float(preprocessing.mean.max()), 3)
    ((32, 32), (32, 32, 3), 0.2)
    """
    common: dict[str, Any] = {
        "scale": _SCALE,
        "std": (1.0, 1.0, 1.0),
        "class_names": dataset.class_names,
    }
    if isinstance(train, Images):
        mean = per_pixel_mean(train.images, _SCALE)
        return Preprocessing(size=train.size, resize="stretch", mean=mean, **common)
    size = image_size or IMAGE_SIZE
    common |= {
        "size": (size, size),
        "resize": "crop",
        "shorter_side": round(MIN_SHORTER_SIDE * size / CROP_SIZE),
    }
    without_mean = Preprocessing(mean=np.zeros(3), **common)
    return Preprocessing(mean=channel_mean(train, without_mean), **common)


def per_pixel_mean(images: np.ndarray, scale: float) -> np.ndarray:
    """Returns the mean image.

    Args:
        images: uint8 `(N, H, W, 3)`.
        scale: factor of the result.

    Returns:
        float32 `(H, W, 3)`.

    Example:

    >>> images = np.stack([np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)])
    >>> per_pixel_mean(images, scale=1 / 255)[0, 0].tolist()
    [0.5, 0.5, 0.5]
    """
    # A sum of integers is exact. Adding up slices avoids a copy of all images in int64.
    total = np.zeros(images.shape[1:], np.int64)
    for start in range(0, len(images), _SUMMED_AT_A_TIME):
        total += images[start : start + _SUMMED_AT_A_TIME].sum(axis=0, dtype=np.int64)
    return (total * (scale / len(images))).astype(np.float32)


def channel_mean(train: Files, preprocessing: Preprocessing) -> np.ndarray:
    """Returns the mean color of the images, resized and cropped as in evaluation.

    It is computed from `MEAN_IMAGES` images at equal distances, or from all if there are fewer.

    Args:
        train: the training images.
        preprocessing: gives size and scale; its mean is ignored.

    Returns:
        float32 `(3,)`, multiplied by `preprocessing.scale`.

    Raises:
        UserError: if a file cannot be decoded.

    Example:

    >>> import tensorflow as tf
    >>> with open("gray.png", "wb") as file:
    ...     _ = file.write(tf.io.encode_png(np.full((8, 8, 3), 51, np.uint8)).numpy())
    >>> train = Files(("gray.png",), np.zeros(1, np.int32))
    >>> rule = Preprocessing((8, 8), "crop", 1 / 255, (0, 0, 0), (1, 1, 1), ("cat",), 8)
    >>> np.allclose(channel_mean(train, rule), 0.2)
    True
    """
    count = min(MEAN_IMAGES, len(train))
    sample = train.take(np.arange(count) * len(train) // count)
    # A sum of integers is exact and does not depend on the order.
    total = sum(
        images.sum(axis=(0, 1, 2), dtype=np.int64)
        for images, _ in evaluation_batches(sample, preprocessing, _DECODED_AT_A_TIME)
    )
    pixels = count * preprocessing.size[0] * preprocessing.size[1]
    return (total * (preprocessing.scale / pixels)).astype(np.float32)
