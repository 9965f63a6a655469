"""A network's answers to a labelled set, over one view of each image or over several."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from resnet_keras.data.dataset import Files, Images
from resnet_keras.data.decoding import evaluation_batches, originals
from resnet_keras.errors import UserError, unknown
from resnet_keras.evaluation.measure import batch_size, images_at_a_time
from resnet_keras.evaluation.predictors import Predictor
from resnet_keras.evaluation.views import VIEWS, scaled, ten_crops


def answers(
    predictor: Predictor, source: Images | Files, views: str = "center", batch: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields `(probabilities, labels)` in the order of the images, each image exactly once.

    Args:
        predictor: the network; images are brought to what it takes from their originals.
        source: N images.
        views: `"center"`, the one view that is served; `"10crop"`; or `"multiscale"`: the whole
            image at five scales, fully convolutional. Of several views the mean of their
            probabilities is the answer.
        batch: images an element; `None` leaves that to the network's size.

    Yields:
        float32 `(n, classes)` and int32 `(n,)`.

    Raises:
        UsageError: for other views.
        UserError: if the network cannot be asked about these views, or a file is damaged.
    """
    check_views(predictor, views)
    preprocessing = predictor.description.preprocessing
    batch = batch or batch_size(preprocessing)
    if views == "center":
        for images, labels in evaluation_batches(source, preprocessing, batch):
            yield np.asarray(predictor.probabilities(images)), labels
        return
    ask = _over_crops if views == "10crop" else _over_scales
    cut = ten_crops if views == "10crop" else scaled
    # Only the views are kept until a batch is full: photographs may have millions of pixels.
    seen = (cut(image, preprocessing.size[0]) for image in originals(source))
    start = 0
    while chunk := list(itertools.islice(seen, batch)):
        labels = source.labels[start : start + len(chunk)]
        yield ask(predictor.probabilities, chunk), labels
        start += len(chunk)


def check_views(predictor: Predictor, views: str) -> None:
    """Says whether a network can be asked about such views.

    Raises:
        UsageError: for views that do not exist.
        UserError: if it cannot.
    """
    if views not in VIEWS:
        raise unknown("views", views, VIEWS)
    height, width = predictor.description.preprocessing.size
    if views != "center" and height != width:
        raise UserError(
            f"{predictor.path} takes images of {height}x{width} pixels: {views} is for square ones"
        )
    if views == "multiscale" and predictor.sides != (None, None):
        why = (
            "it subtracts a mean of each pixel"
            if predictor.description.preprocessing.per_pixel
            else "it was written for one size"
        )
        raise UserError(
            f"{predictor.path} takes images of {height}x{width} pixels alone: {why}. multiscale "
            "needs a network that takes any size, with a mean a channel; --views 10crop works here"
        )


def _over_crops(probabilities: Callable, chunk: list) -> np.ndarray:
    """Averages over the crops of each image: a list of uint8 `(10, S, S, 3)`."""
    crops = np.stack(chunk)
    return _mean([probabilities(crops[:, view]) for view in range(crops.shape[1])])


def _over_scales(probabilities: Callable, chunk: list) -> np.ndarray:
    """Averages over the scales of each image: a list of lists of uint8 `(h, w, 3)`."""
    return _mean([_of_any_shape(probabilities, images) for images in zip(*chunk, strict=True)])


def _of_any_shape(probabilities, images):
    """Asks about images of several shapes, those of one shape together."""
    places = {}
    for place, image in enumerate(images):
        places.setdefault(tuple(image.shape[:2]), []).append(place)
    found = [None] * len(images)
    for (height, width), same in places.items():
        many = images_at_a_time(height, width)
        for part in (same[i : i + many] for i in range(0, len(same), many)):
            given = probabilities(np.stack([images[place] for place in part]))
            for place, row in zip(part, np.asarray(given), strict=True):
                found[place] = row
    return np.stack(found)


def _mean(views):
    return np.mean(np.stack(views), axis=0, dtype=np.float64).astype(np.float32)
