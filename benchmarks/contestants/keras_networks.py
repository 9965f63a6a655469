"""This program's networks, and the same networks with stock Keras layers."""

import math

import keras

from resnet_keras.models.build import build


def ours(network: str, size: int) -> keras.Model:
    """Returns one of this program's networks for images of `size` x `size` pixels."""
    return build(network, input_shape=(size, size, 3))


def stock(network: str, size: int, decay: float = 0.0) -> keras.Model:
    """Returns the same network with `keras.layers.BatchNormalization` instead of ours.

    Args:
        network: the name of the network.
        size: the side of the images in pixels.
        decay: the weight decay. Stock Keras implements it as an L2 penalty on the kernels, whose
            gradient is twice the factor times the weight; hence the factor is half the decay.
            (`SGD(weight_decay=…)` is something else: it bypasses the momentum.) Ours decays all
            variables, which is more work.
    """

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if isinstance(layer, keras.layers.BatchNormalization):
            return keras.layers.BatchNormalization.from_config(config)
        if decay and isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            config["kernel_regularizer"] = keras.regularizers.L2(decay / 2)
        return layer.__class__.from_config(config)

    return keras.models.clone_model(ours(network, size), clone_function=clone)


def count_parameters(model: keras.Model) -> int:
    """Returns the number of trainable parameters."""
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)
