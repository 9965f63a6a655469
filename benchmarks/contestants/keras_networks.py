"""Our networks, and the same ones as stock Keras would have them."""

import math

import keras

from resnet_keras.models.build import build

CLASSES = {"cifar": 10, "imagenet": 1000}


def ours(network: str, size: int) -> keras.Model:
    """Returns one of our networks at `size` x `size` pixels."""
    return build(network, input_shape=(size, size, 3))


def stock(network: str, size: int, decay: float = 0.0) -> keras.Model:
    """Returns the same network with `keras.layers.BatchNormalization` in place of ours.

    Args:
        network: its name.
        size: side of the images.
        decay: weight decay; stock Keras has it as an L2 penalty of the kernels, whose gradient is
            twice the factor times the weight, hence the half. (`SGD(weight_decay=…)` is another
            thing: it passes by the momentum.) Ours decays the other variables too, which is
            more work, not less.
    """

    def swapped(layer):
        config = layer.get_config()
        if isinstance(layer, keras.layers.BatchNormalization):
            return keras.layers.BatchNormalization.from_config(config)
        if decay and isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            config["kernel_regularizer"] = keras.regularizers.L2(decay / 2)
        return layer.__class__.from_config(config)

    return keras.models.clone_model(ours(network, size), clone_function=swapped)


def parameters(model: keras.Model) -> int:
    """Returns the number of trained parameters."""
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)
