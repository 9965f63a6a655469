"""True averages over training data in place of batch normalization's moving ones.

The authors of the paper did so after training. A moving average remembers some ten batches, taken
while the weights still moved; this one is over all images, with the weights as they ended.
"""

from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from resnet_keras.artefact import Description
from resnet_keras.data.dataset import Files, Images
from resnet_keras.data.decoding import evaluation_batches
from resnet_keras.data.holdout import holdout
from resnet_keras.data.sources import load_for
from resnet_keras.data.transforms import normalize
from resnet_keras.errors import UserError
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe


def recalibrate(
    model: keras.Model,
    preprocessing: Preprocessing,
    train: Images | Files,
    batch_size: int,
    seed: int = 0,
) -> None:
    """Replaces the moving mean and variance of every batch normalization.

    The network sees each training image once, as evaluation shows it, without augmentation, and
    in training mode: each layer normalizes by its batch, as while it was trained. The new mean is
    that of all values that came to the layer, the new variance theirs about it: the mean of the
    batches' means, and of their mean squares less its square, each batch counted by its images.
    Of one batch these are its own mean and variance.

    Args:
        model: from preprocessed images to logits; frozen layers stay as they are.
        preprocessing: its own.
        train: N images, 1 at least.
        batch_size: about how many images a batch: those it was trained with. The images are
            parted evenly, so that no small rest is normalized by itself.
        seed: decides the order, so that batches are mixed also where `train` is sorted by class.

    Raises:
        UserError: if a file is damaged.
    """
    norms = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]
    momenta = [layer.momentum for layer in norms]
    kept = [_value(variable) for variable in _statistics(norms)]
    # Without momentum the moving values are the last batch's own, the variance the biased one.
    for layer in norms:
        layer.momentum = 0.0
    try:
        means, variances = _averages(model, preprocessing, train, norms, batch_size, seed)
    except BaseException:
        for variable, value in zip(_statistics(norms), kept, strict=True):
            variable.assign(value)
        raise
    finally:
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum
    for layer, mean, variance in zip(norms, means, variances, strict=True):
        layer.moving_mean.assign(mean.astype(np.float32))
        layer.moving_variance.assign(variance.astype(np.float32))


def recalibrate_as_trained(
    model: keras.Model, description: Description, data_dir: str | None = None
) -> Description:
    """Recalibrates a finished network on the images that its run trained on.

    Args:
        model: changed in place.
        description: says which run.
        data_dir: where the data set is.

    Returns:
        The description, which says so.

    Raises:
        UserError: if the description names no run of this program, or the data are missing or
            have other classes or sizes.
    """
    values = description.card.get("recipe")
    if values is None:
        raise UserError("the network names no run of this program, so not what it was trained on")
    recipe = Recipe.from_json(values)
    dataset = load_for(recipe, data_dir)
    preprocessing = description.preprocessing
    if dataset.class_names != preprocessing.class_names:
        raise UserError(f"{recipe.dataset} has other classes than the network: see --data-dir")
    train, _ = holdout(dataset.train, recipe.validation_size)
    recalibrate(model, preprocessing, train, recipe.batch_size, recipe.seed)
    again = {**values, "recalibrate_bn": True}
    return replace(description, card={**description.card, "recipe": again})


def _averages(model, preprocessing, train, norms, batch_size, seed):
    """Returns the population's mean and variance of each layer's input, float64 `(C,)` each."""

    show = _showing(model, preprocessing)
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(train))
    sums = [0.0] * len(norms)
    squares = [0.0] * len(norms)
    for part in np.array_split(order, max(1, round(len(train) / batch_size))):
        ((images, _),) = evaluation_batches(train.take(part), preprocessing, len(part))
        show(images)
        for place, layer in enumerate(norms):
            mean = _value(layer.moving_mean).astype(np.float64)
            variance = _value(layer.moving_variance).astype(np.float64)
            sums[place] = sums[place] + mean * len(part)
            squares[place] = squares[place] + (variance + mean**2) * len(part)
    means = [total / len(train) for total in sums]
    variances = [
        np.maximum(square / len(train) - mean**2, 0.0)
        for square, mean in zip(squares, means, strict=True)
    ]
    return means, variances


def _showing(model, preprocessing):
    """Returns a function that shows the network uint8 images in training mode."""
    if keras.backend.backend() == "jax":
        from resnet_keras.models import jax_functions

        show = jax_functions.statistics_updates(model)
        return lambda images: show(normalize(images, preprocessing).numpy())

    spec = tf.TensorSpec((None, *preprocessing.size, 3), tf.uint8)

    @tf.function(input_signature=[spec], autograph=False)
    def forward(images):
        model(normalize(images, preprocessing), training=True)

    return lambda images: forward(tf.constant(images))


def _value(variable):
    return np.array(keras.ops.convert_to_numpy(variable))


def _statistics(norms):
    return [value for layer in norms for value in (layer.moving_mean, layer.moving_variance)]
