"""Recalibration: replaces the moving averages of batch normalization with exact averages.

The authors of the paper did so after training. A moving average covers about the last ten batches,
during which the weights still changed; these averages cover many batches, with the final weights.

The batches are augmented like those of the training. A trained network has memorized much of the
training images, so that its activations on them, without augmentation, differ from those on images
that it has not seen.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf

from resnet_keras.data.corrupt_files import corrupt_files_reported
from resnet_keras.data.dataset import Files, Images
from resnet_keras.data.holdout import holdout
from resnet_keras.data.pipeline import training_batches
from resnet_keras.data.sources import load_for_recipe
from resnet_keras.description import Description
from resnet_keras.errors import UserError
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe
from resnet_keras.runs.config import stored_recipe
from resnet_keras.training.resolve import resolve_for_dataset


def recalibrate(model: keras.Model, batches: Iterable[np.ndarray]) -> None:
    """Replaces the moving mean and variance of every batch normalization layer.

    The model processes each batch in training mode: each layer normalizes with the statistics of
    the batch, as during training. The new mean of a layer is the mean of all its inputs, and the
    new variance is their variance about that mean. They are computed from the means and the mean
    squares of the batches, weighted by their sizes. With a single batch, they are the statistics of
    that batch.

    Args:
        model: from preprocessed images to logits. Frozen layers do not change.
        batches: preprocessed images, float32 `(N, H, W, 3)` each, at least one batch; see
            `statistics_batches`.

    Raises:
        UserError: if a file cannot be read. The model is then unchanged.

    Example:

    >>> from resnet_keras.models.build import build
    >>> model = build("plain8", input_shape=(8, 8, 3))
    >>> recalibrate(model, [np.ones((16, 8, 8, 3), np.float32)])
    >>> bool(np.any(model.get_layer("bn1").get_weights()[2]))  # the moving mean was 0
    True
    """
    layers = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]
    momenta = [layer.momentum for layer in layers]
    before = [_to_numpy(variable) for variable in _moving_statistics(layers)]
    # With momentum 0, the moving statistics are those of the last batch, with the biased variance.
    for layer in layers:
        layer.momentum = 0.0
    try:
        means, variances = _exact_statistics(model, batches, layers)
    except BaseException:
        for variable, value in zip(_moving_statistics(layers), before, strict=True):
            variable.assign(value)
        raise
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
    for layer, mean, variance in zip(layers, means, variances, strict=True):
        layer.moving_mean.assign(mean.astype(np.float32))
        layer.moving_variance.assign(variance.astype(np.float32))


def statistics_batches(
    train: Images | Files, preprocessing: Preprocessing, recipe: Recipe, count: int | None = None
) -> Iterator[np.ndarray]:
    """Yields the batches that would follow the last step of a run.

    They are a function of the seed and of the number of steps, like every batch of the run.

    Args:
        train: the training images.
        preprocessing: how images become the network's input.
        recipe: the recipe of the run, fully resolved.
        count: the number of batches; `None` for as many as cover the training images once.

    Yields:
        Augmented and preprocessed images, float32 `(recipe.batch_size, H, W, 3)`.

    Raises:
        UserError: if a file cannot be read.

    Example:

    >>> train = Images(np.zeros((10, 8, 8, 3), np.uint8), np.zeros(10, np.int32))
    >>> rule = Preprocessing((8, 8), "stretch", 1 / 255, (0, 0, 0), (1, 1, 1), ("cat",))
    >>> recipe = Recipe("resnet8", batch_size=4, steps=3, drops=(), flip=True)
    >>> [images.shape for images in statistics_batches(train, rule, recipe)]
    [(4, 8, 8, 3), (4, 8, 8, 3), (4, 8, 8, 3)]
    """
    count = count or math.ceil(len(train) / recipe.batch_size)
    following = dataclasses.replace(recipe, steps=recipe.steps + count)
    step = recipe.steps
    with corrupt_files_reported(train, following, lambda: step):
        for images, _ in training_batches(train, preprocessing, following, recipe.steps):
            yield images.numpy()
            step += 1


def recalibrate_on_training_images(
    model: keras.Model, description: Description, data_dir: str | None = None
) -> Description:
    """Recalibrates a trained network with augmented images that it was trained on.

    Args:
        model: the model to modify.
        description: its description, which contains the recipe of its run.
        data_dir: the folder of the data set; `None` searches the usual places.

    Returns:
        The description with `recalibrate_bn` set in the recipe.

    Raises:
        UserError: if the description contains no recipe, or the data set is missing or has other
            classes.

    Example:

    >>> from resnet_keras.models.build import build
    >>> model = build("plain8", input_shape=(32, 32, 3))
    >>> recipe = Recipe("plain8", dataset="digits", validation_size=1420)
    >>> names = tuple("0123456789")
    >>> rule = Preprocessing((32, 32), "stretch", 1 / 255, (0, 0, 0), (1, 1, 1), names)
    >>> description = Description(rule, {"recipe": recipe.to_json()})
    >>> recalibrate_on_training_images(model, description).card["recipe"]["recalibrate_bn"]
    True
    """
    values = description.card.get("recipe")
    if values is None:
        raise UserError(
            "--recalibrate-bn needs the recipe of the run that trained the network, and the "
            "network's description contains none: was it trained by another program?"
        )
    recipe = stored_recipe(values)
    dataset = load_for_recipe(recipe, data_dir)
    preprocessing = description.preprocessing
    if dataset.class_names != preprocessing.class_names:
        raise UserError(
            f"the classes of {recipe.dataset} differ from those of the network: is --data-dir the "
            "data set that it was trained on?"
        )
    # The recipes of old versions may leave the flip open.
    recipe = resolve_for_dataset(recipe, dataset, preprocessing)
    train, _ = holdout(dataset.train, recipe.validation_size)
    recalibrate(model, statistics_batches(train, preprocessing, recipe))
    card = {**description.card, "recipe": {**values, "recalibrate_bn": True}}
    return dataclasses.replace(description, card=card)


def _exact_statistics(
    model: keras.Model,
    batches: Iterable[np.ndarray],
    layers: list[keras.layers.BatchNormalization],
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Returns the mean and the variance of the inputs of each layer, float64 `(C,)` each."""
    update = _make_update_function(model)
    sums = [np.zeros(layer.moving_mean.shape) for layer in layers]
    square_sums = [np.zeros(layer.moving_mean.shape) for layer in layers]
    count = 0
    for images in batches:
        update(images)
        count += len(images)
        for index, layer in enumerate(layers):
            mean = _to_numpy(layer.moving_mean).astype(np.float64)
            variance = _to_numpy(layer.moving_variance).astype(np.float64)
            sums[index] += mean * len(images)
            square_sums[index] += (variance + mean**2) * len(images)
    means = [total / count for total in sums]
    variances = [
        np.maximum(square_sum / count - mean**2, 0.0)
        for square_sum, mean in zip(square_sums, means, strict=True)
    ]
    return means, variances


def _make_update_function(model: keras.Model) -> Callable[[np.ndarray], None]:
    """Returns a function that applies the model to preprocessed images in training mode."""
    if keras.backend.backend() == "jax":
        from resnet_keras.models import jax_functions

        return jax_functions.make_update_function(model)

    spec = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)

    @tf.function(input_signature=[spec], autograph=False)
    def apply_in_training_mode(images: tf.Tensor) -> None:
        model(images, training=True)

    return lambda images: apply_in_training_mode(tf.constant(images))


def _moving_statistics(layers: list[keras.layers.BatchNormalization]) -> list[keras.Variable]:
    return [value for layer in layers for value in (layer.moving_mean, layer.moving_variance)]


def _to_numpy(variable: keras.Variable) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(variable))
