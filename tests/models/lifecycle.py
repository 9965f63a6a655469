"""The lifecycle of a network, from `build` to an export, for tests that examine the results."""

import io
from types import SimpleNamespace

import numpy as np
from PIL import Image

from resnet_keras.architectures import CLASSIFIER
from resnet_keras.description import Description
from resnet_keras.export.saved_model import export_file
from resnet_keras.models.build import build
from resnet_keras.models.keras_file import load_keras_file, save_keras_file
from resnet_keras.preprocessing import Preprocessing

CLASSES = ("zero", "one", "zwei", "trois", "quattro", "fünf", "six")


def random_images(count, height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)


def png(image):
    data = io.BytesIO()
    Image.fromarray(image).save(data, "PNG")
    return data.getvalue()


def make_preprocessing(side, classes=CLASSES):
    mean = np.random.default_rng(5).uniform(100, 150, (side, side, 3))
    return Preprocessing((side, side), "stretch", 1.0, mean, (60.0, 61.0, 62.0), classes)


def randomized(model):
    """Moves every weight of the model away from its initial value, including moving averages."""
    rng = np.random.default_rng(7)
    shape = (4, *(side or 8 for side in model.input_shape[1:3]), 3)
    for variable in model.trainable_variables:
        value = variable.numpy() * rng.uniform(0.7, 1.3, variable.shape)
        variable.assign(value + rng.normal(0, 0.1, value.shape) * (value.ndim == 1))
    for _ in range(5):
        model(rng.normal(size=shape), training=True)
    # A deep residual network with random weights has logits in the hundreds, and softmax amplifies
    # their rounding errors. Scale them to the size of a trained network's logits.
    spread = float(np.std(model(rng.normal(size=shape), training=False)))
    kernel = model.get_layer(CLASSIFIER).kernel
    kernel.assign(kernel * (2.0 / spread))
    return model


def softmax(logits):
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def run_lifecycle(folder, arch, option, projection, side):
    """Builds, saves, loads and exports a network. Returns everything that this produced."""
    model = build(
        arch, option, classes=len(CLASSES), input_shape=(side, side, 3), projection=projection
    )
    randomized(model)
    preprocessing = make_preprocessing(side)
    name = f"{arch}-{option}-{projection}"
    description = Description(preprocessing, {"name": name, "dataset": "made-up", "arch": arch})
    path = folder / "model.keras"
    save_keras_file(model, path, description)
    loaded, read = load_keras_file(path)
    version = export_file(path, folder / "models")
    images = random_images(5, side, side)
    # Preprocessed here in float64, independently of the package.
    inputs = (images.astype(np.float64) - preprocessing.mean) / preprocessing.std
    expected = softmax(np.asarray(model(inputs.astype(np.float32), training=False)))
    return SimpleNamespace(**locals())
