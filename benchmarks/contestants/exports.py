"""Writes the SavedModels for the inference suite. Runs in a worker, as the contestants do."""

import time
from pathlib import Path

import keras
import numpy as np

from benchmarks.contestants import Built, keras_networks, synthetic
from resnet_keras.description import Description
from resnet_keras.export.saved_model import export

# Name -> (whether batch normalization is folded, serving precision).
OURS = {
    "folded": (True, "float32"),
    "folded-bfloat16": (True, "bfloat16"),
    "unfolded": (False, "float32"),
}


def make(network: str, size: int, folder: str) -> Built:
    """Builds a network as ours and with stock Keras layers, with equal weights.

    Args:
        network: the name of the network.
        size: the side of the images in pixels.
        folder: where the exports are written.

    Returns:
        `(run_steps, facts)`. A step writes `folded`, `folded-bfloat16`, `unfolded` and `plain`.
    """
    classes = synthetic.class_count(size)
    model = keras_networks.ours(network, size)
    _randomize_statistics(model)
    plain = keras_networks.stock(network, size)
    plain.set_weights(model.get_weights())

    def run_steps(count: int) -> float:
        start = time.perf_counter()
        for name, (fold, precision) in OURS.items():
            description = Description(synthetic.preprocessing(size, classes), {"name": name})
            export(model, description, folder, fold, precision)
        plain.export(str(Path(folder, "plain")), verbose=False)
        return time.perf_counter() - start

    return run_steps, {"parameters": keras_networks.count_parameters(model)}


def _randomize_statistics(model: keras.Model) -> None:
    """Gives batch normalization statistics as after training; initially it is the identity."""
    random = np.random.default_rng(2)
    for layer in model.layers:
        if hasattr(layer, "moving_variance"):
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(random.normal(0.0, 0.1, shape))
            layer.moving_variance.assign(random.uniform(0.5, 2.0, shape))
