"""Predictions for labelled images, from one view of each image or averaged over several."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from resnet_keras.data.dataset import Files, Images
from resnet_keras.data.decoding import decoded_images, evaluation_batches
from resnet_keras.data.transforms import resize_shorter_side
from resnet_keras.errors import UserError, unknown
from resnet_keras.evaluation import VIEWS
from resnet_keras.evaluation.measure import batch_size_for
from resnet_keras.evaluation.predictors import Predictor

# The sides of section 3.4, for networks of 224 pixels; for other networks they are scaled in
# proportion. The paper does not state the scale of its ten crops: 256 is what the released models
# of others use.
PAPER_SIZE = 224
CROP_SIDE = 256
SCALES = (224, 256, 384, 480, 640)

# uint8 `(N, H, W, 3)` -> float32 `(N, classes)`.
_PredictFunction = Callable[[np.ndarray], np.ndarray]


def predict_batches(
    predictor: Predictor,
    images: Images | Files,
    views: str = "center",
    batch_size: int | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields probabilities and labels, batch by batch, in the order of the images.

    Args:
        predictor: the network.
        images: the images, of any size. Each is predicted exactly once.
        views: `"center"` predicts the centre crop, as serving does. `"10crop"` averages the
            probabilities of ten crops. `"multiscale"` averages those of the whole image at five
            scales, fully convolutional (section 3.4).
        batch_size: `None` chooses it by the size of the network's images.

    Yields:
        Probabilities, float32 `(n, classes)`, and labels, int32 `(n,)`.

    Raises:
        UsageError: if there are no such views.
        UserError: if the network cannot predict from these views, or if an image file is missing
            or damaged.

    Example:

    >>> from pathlib import Path
    >>> from resnet_keras.description import Description
    >>> from resnet_keras.preprocessing import Preprocessing
    >>> preprocessing = Preprocessing((8, 8), "stretch", 1.0, (0, 0, 0), (1, 1, 1), ("a", "b"))
    >>> predictor = Predictor(
    ...     Path("net.keras"),
    ...     Description(preprocessing),
    ...     lambda images: np.full((len(images), 2), 0.5, np.float32),
    ...     (None, None),
    ... )
    >>> images = Images(np.zeros((3, 20, 20, 3), np.uint8), np.zeros(3, np.int32))
    >>> [len(labels) for _, labels in predict_batches(predictor, images, "10crop", batch_size=2)]
    [2, 1]
    """
    check_views(predictor, views)
    preprocessing = predictor.description.preprocessing
    batch_size = batch_size or batch_size_for(*preprocessing.size)
    if views == "center":
        for batch, labels in evaluation_batches(images, preprocessing, batch_size):
            yield np.asarray(predictor.probabilities(batch)), labels
        return
    predict, make_views = {
        "10crop": (_predict_crops, ten_crops),
        "multiscale": (_predict_scales, multiscale),
    }[views]
    # Photographs may have millions of pixels, so only their views are kept until a batch is full.
    views_of_images = (make_views(image, preprocessing.size[0]) for image in decoded_images(images))
    start = 0
    while chunk := list(itertools.islice(views_of_images, batch_size)):
        labels = images.labels[start : start + len(chunk)]
        yield predict(predictor.probabilities, chunk), labels
        start += len(chunk)


def check_views(predictor: Predictor, views: str) -> None:
    """Checks that a network can predict from views of a kind.

    Args:
        predictor: the network.
        views: `"center"`, `"10crop"` or `"multiscale"`.

    Raises:
        UsageError: if there are no such views.
        UserError: if the network cannot predict from them.

    Example:

    >>> from pathlib import Path
    >>> from resnet_keras.description import Description
    >>> from resnet_keras.preprocessing import Preprocessing
    >>> preprocessing = Preprocessing((8, 9), "stretch", 1.0, (0, 0, 0), (1, 1, 1), ("a", "b"))
    >>> predictor = Predictor(Path("net"), Description(preprocessing), len, (8, 9))
    >>> check_views(predictor, "center")
    >>> check_views(predictor, "10crop")
    Traceback (most recent call last):
    ...
    resnet_keras.errors.UserError: --views 10crop needs a network for square images. ...
    """
    if views not in VIEWS:
        raise unknown("views", views, VIEWS)
    preprocessing = predictor.description.preprocessing
    height, width = preprocessing.size
    if views != "center" and height != width:
        raise UserError(
            f"--views {views} needs a network for square images. Received: {predictor.path}, which "
            f"takes {height}x{width} pixels"
        )
    if views == "multiscale" and predictor.input_size != (None, None):
        reason = (
            "subtracts a mean image" if preprocessing.per_pixel else "was built for a fixed size"
        )
        raise UserError(
            f"--views multiscale needs a network that takes images of any size. Received: "
            f"{predictor.path}, which {reason} and takes only {height}x{width} pixels. "
            "--views 10crop works with it"
        )


def proportional_side(side: int, size: int) -> int:
    """Returns what a side in the paper becomes for a network of another size.

    Args:
        side: pixels, for a network of 224 pixels.
        size: the network's side in pixels.

    Returns:
        Pixels, rounded half up.

    Example:

    >>> proportional_side(256, 224), proportional_side(256, 32)
    (256, 37)
    """
    return (2 * side * size + PAPER_SIZE) // (2 * PAPER_SIZE)


def ten_crops(image: Any, size: int) -> tf.Tensor:
    """Crops the four corners and the centre of an image, and flips each of them.

    The shorter side is resized to 256/224 of `size` first.

    Args:
        image: uint8 `(H, W, 3)`. If one side is more than `MAX_ASPECT_RATIO` times the other, the
            corners are those of its middle part.
        size: side of the crops in pixels.

    Returns:
        uint8 `(10, size, size, 3)`: top left, top right, bottom left, bottom right, centre, then
        the mirror images of these five.

    Example:

    >>> ten_crops(tf.zeros((40, 50, 3), tf.uint8), 32).shape.as_list()
    [10, 32, 32, 3]
    """
    image = resize_shorter_side(image, proportional_side(CROP_SIDE, size))
    height, width = tf.unstack(tf.shape(image)[:2])
    bottom, right = height - size, width - size
    corners = ((0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2))
    crops = tf.stack([image[top : top + size, left : left + size] for top, left in corners])
    return tf.concat([crops, tf.reverse(crops, axis=[2])], axis=0)


def multiscale(image: Any, size: int) -> list[tf.Tensor]:
    """Resizes an image to each of the scales of section 3.4, without cropping or flipping.

    Args:
        image: uint8 `(H, W, 3)`. If one side is more than `MAX_ASPECT_RATIO` times the other, only
            its middle part is used.
        size: the network's side in pixels.

    Returns:
        Five images, uint8 `(h, w, 3)`, from the smallest to the largest.

    Example:

    >>> [image.shape[0] for image in multiscale(tf.zeros((40, 50, 3), tf.uint8), 32)]
    [32, 37, 55, 69, 91]
    """
    return [resize_shorter_side(image, proportional_side(side, size)) for side in SCALES]


def _predict_crops(predict: _PredictFunction, batch: Sequence[Any]) -> np.ndarray:
    """Averages over the crops of each image. Each element is uint8 `(10, S, S, 3)`."""
    crops = np.stack(batch)
    return _mean([predict(crops[:, view]) for view in range(crops.shape[1])])


def _predict_scales(predict: _PredictFunction, batch: Sequence[Sequence[Any]]) -> np.ndarray:
    """Averages over the scales of each image. Each element is a list of uint8 `(h, w, 3)`."""
    return _mean([_predict_any_shape(predict, images) for images in zip(*batch, strict=True)])


def _predict_any_shape(predict: _PredictFunction, images: Sequence[Any]) -> np.ndarray:
    """Predicts images of different shapes, uint8 `(h, w, 3)`, with one batch per shape."""
    indices_by_shape: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for index, image in enumerate(images):
        indices_by_shape[tuple(image.shape[:2])].append(index)
    probabilities: dict[int, np.ndarray] = {}
    for (height, width), indices in indices_by_shape.items():
        batch_size = batch_size_for(height, width)
        for start in range(0, len(indices), batch_size):
            part = indices[start : start + batch_size]
            rows = np.asarray(predict(np.stack([images[index] for index in part])))
            probabilities.update(zip(part, rows, strict=True))
    return np.stack([probabilities[index] for index in range(len(images))])


def _mean(probabilities: list[np.ndarray]) -> np.ndarray:
    return np.stack(probabilities).mean(axis=0, dtype=np.float64).astype(np.float32)
