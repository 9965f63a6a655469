"""Small networks with random weights, and their probabilities computed with NumPy."""

import keras
import numpy as np

from resnet_keras.description import Description
from resnet_keras.models.build import build
from resnet_keras.preprocessing import Preprocessing

CLASS_NAMES = tuple("0123456789")


def make_preprocessing(size, per_pixel=False, class_names=CLASS_NAMES):
    shape = (size, size, 3) if per_pixel else (3,)
    mean = np.full(shape, 0.3)
    return Preprocessing((size, size), "stretch", 1 / 255, mean, (0.5,) * 3, class_names)


def make_description(size, **kwargs):
    card = {"name": f"net{size}", "dataset": "digits"}
    return Description(make_preprocessing(size, **kwargs), card)


def make_network(input_size, seed=0):
    keras.utils.set_random_seed(seed)
    model = build("resnet8", classes=10, input_shape=(*input_size, 3))
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(rng.normal(0, 0.2, layer.moving_mean.shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2, layer.moving_mean.shape))
    return model


def expected_probabilities(model, preprocessing, images):
    """The probabilities of images of one shape. Pooling, logits and softmax are NumPy's."""
    features = keras.Model(model.input, model.get_layer("pool").input)
    weight, bias = (value.numpy() for value in model.get_layer("logits").weights)
    x = (np.asarray(images, np.float32) * preprocessing.scale - preprocessing.mean) / 0.5
    maps = np.asarray(features(x, training=False), np.float64)
    return softmax(maps.mean(axis=(1, 2)) @ weight + bias)


def expected_mean(model, preprocessing, views):
    """The mean of the probabilities of views of any shapes."""
    shapes = {np.shape(view) for view in views}
    parts = [np.stack([view for view in views if np.shape(view) == shape]) for shape in shapes]
    probabilities = [expected_probabilities(model, preprocessing, part) for part in parts]
    return np.concatenate(probabilities).mean(axis=0)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
