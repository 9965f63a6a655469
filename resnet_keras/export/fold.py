"""Folds batch normalization into convolutions to build the network that is deployed.

After training, batch normalization is an affine map per channel, gamma * (x - mean) /
sqrt(variance + epsilon) + beta. A convolution with a bias can compute it at no extra cost.
"""

from collections import Counter
from typing import Any

import keras
import numpy as np

from resnet_keras.architectures import CLASSIFIER
from resnet_keras.models.build import allow_deep_networks


def deployment_model(
    model: keras.Model, fold: bool = True, precision: str = "float32"
) -> keras.Model:
    """Returns a copy of a network for inference.

    Args:
        model: takes preprocessed images and returns logits. It is not changed.
        fold: whether to fold each batch normalization that directly follows a convolution.
        precision: of weights and activations, `"float32"` or `"bfloat16"`, whatever the network
            was trained in. Layers that are float32 under mixed precision (the classifier) remain
            float32.

    Returns:
        A model with the same inputs and outputs. If it is folded in float32, its probabilities
        are within 1e-5 of those of the original in float32; the folding itself is computed in
        float64. If the original was trained in mixed bfloat16, the two differ by the rounding of
        bfloat16, and the float32 copy is the more accurate one.

    Example:

    >>> from resnet_keras.models.build import build
    >>> model = build("resnet8", input_shape=(8, 8, 3))
    >>> len(model.weights), len(deployment_model(model).weights)
    (37, 16)
    """
    allow_deep_networks()
    folded = _foldable_norms(model) if fold else {}
    removed = {norm.name for norm in folded.values()}

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if layer.name in removed:
            return keras.layers.Identity(name=layer.name)
        config = layer.get_config()
        if layer.name in folded:
            config["use_bias"] = True
        config["dtype"] = "float32" if _stays_float32(layer) else precision
        return layer.__class__.from_config(config)

    def call(layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        # Calling the Identity would leave it in the graph, and it takes no `mask`.
        return args[0] if layer.name in removed else layer(*args, **kwargs)

    copy = keras.models.clone_model(model, clone_function=clone, call_function=call)
    for layer in (layer for layer in copy.layers if layer.weights):
        original = model.get_layer(layer.name)
        if layer.name in folded:
            layer.set_weights(_folded_weights(original, folded[layer.name]))
        else:
            layer.set_weights(original.get_weights())
    return copy


def _stays_float32(layer: keras.layers.Layer) -> bool:
    return layer.dtype_policy.compute_dtype == "float32" and layer.name in ("pool", CLASSIFIER)


def _foldable_norms(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """Returns, by name of a convolution, the batch normalization that alone uses its output."""
    uses = Counter(id(tensor) for layer in model.layers for tensor in _inputs(layer))
    convolutions = {
        id(layer.output): layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)
    }
    norms = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            convolution = convolutions.get(id(layer.input))
            if convolution is not None and uses[id(layer.input)] == 1:
                norms[convolution.name] = layer
    return norms


def _inputs(layer: keras.layers.Layer) -> list[Any]:
    if isinstance(layer, keras.layers.InputLayer):
        return []
    return layer.input if isinstance(layer.input, list) else [layer.input]


def _folded_weights(convolution: keras.layers.Layer, norm: keras.layers.Layer) -> list[np.ndarray]:
    """Returns the kernel `(h, w, in, out)` and the bias `(out,)` of both layers together."""

    def value(variable: Any, default: float | None = None) -> Any:
        return default if variable is None else np.asarray(variable, np.float64)

    factor = value(norm.gamma, 1.0) / np.sqrt(value(norm.moving_variance) + norm.epsilon)
    bias = value(convolution.bias, 0.0) if convolution.use_bias else 0.0
    bias = (bias - value(norm.moving_mean)) * factor + value(norm.beta, 0.0)
    return [value(convolution.kernel) * factor, bias]
