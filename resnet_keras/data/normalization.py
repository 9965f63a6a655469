"""Decides how a data set's images become a network's input."""

import numpy as np

from resnet_keras.data.augmentation import CROP, SHORTEST
from resnet_keras.data.dataset import Dataset, Files, Images
from resnet_keras.data.decoding import evaluation_batches
from resnet_keras.data.pipeline import per_pixel_mean
from resnet_keras.preprocessing import Preprocessing

# Of images in files, as many are read for their mean: its error is a small part of a grey level.
MEAN_IMAGES = 1024
# Side in pixels of images in files, unless a recipe says otherwise: section 3.4's.
IMAGE_SIZE = CROP
_SCALE = 1.0 / 255.0
_BATCH = 64


def preprocessing_for(
    dataset: Dataset, train: Images | Files, image_size: int | None
) -> Preprocessing:
    """Returns the paper's preprocessing: the mean of the images trained on is subtracted.

    Arrays, as in section 4.2, keep their size and lose the mean of each pixel. Files are
    resized so that the shorter side has 256/224 of `image_size`, of which the centre is cut out,
    and lose the mean of each channel: that of `MEAN_IMAGES` of them, evenly spread.

    Args:
        dataset: names the classes.
        train: the images trained on.
        image_size: side in pixels, of files alone; `None` takes `IMAGE_SIZE`.

    Raises:
        UserError: if a file is damaged.
    """
    rest = {"scale": _SCALE, "std": (1.0, 1.0, 1.0), "class_names": dataset.class_names}
    if isinstance(train, Images):
        mean = per_pixel_mean(train.images, _SCALE)
        return Preprocessing(size=train.size, resize="stretch", mean=mean, **rest)
    size = image_size or IMAGE_SIZE
    cut = {
        "size": (size, size),
        "resize": "crop",
        "shorter_side": round(SHORTEST * size / CROP),
        **rest,
    }
    plain = Preprocessing(mean=np.zeros(3), **cut)
    return Preprocessing(mean=channel_mean(train, plain), **cut)


def channel_mean(train: Files, preprocessing: Preprocessing) -> np.ndarray:
    """Returns the mean colour, float32 `(3,)`, scaled: of `MEAN_IMAGES` images, evenly spread, or
    of all if there are fewer, as evaluation cuts them."""
    count = min(MEAN_IMAGES, len(train))
    sample = train.take(np.arange(count) * len(train) // count)
    # Summed as whole numbers: exact, in whatever order.
    total = sum(
        images.sum(axis=(0, 1, 2), dtype=np.int64)
        for images, _ in evaluation_batches(sample, preprocessing, _BATCH)
    )
    pixels = count * preprocessing.size[0] * preprocessing.size[1]
    return (total * (preprocessing.scale / pixels)).astype(np.float32)
