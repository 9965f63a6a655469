"""Keras' batch normalization, computed with TensorFlow's fused kernel.

The weights, the configuration, the outputs and the moving averages are those of
`keras.layers.BatchNormalization`. Only the computation differs: Keras composes the layer of
elementwise operations, which read and write every activation several times, while the fused kernel
reads it twice.

Files contain the stock layer, so that they load without this package: `save_as_stock` and
`use_fused_kernel` switch between the two classes, in place and without copying the model.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


# Registered because files of version 0.1 contain it.
@keras.saving.register_keras_serializable(package="resnet_keras")
class BatchNormalization(keras.layers.BatchNormalization):
    """Normalizes each channel of `(N, H, W, C)` over the other three axes.

    Takes the arguments of `keras.layers.BatchNormalization`. The fused kernel covers the
    TensorFlow backend, the last axis and rank 4. Everything else (`synchronized=True`, a mask,
    renorm, other backends) is computed by the `call` of Keras.

    Example:

    >>> layer = BatchNormalization(momentum=0.9)
    >>> tuple(layer(keras.ops.ones((2, 4, 4, 3)), training=True).shape)
    (2, 4, 4, 3)
    >>> [round(float(mean), 2) for mean in layer.moving_mean.numpy()]
    [0.1, 0.1, 0.1]
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Returns the normalized inputs, and updates the moving averages in training.

        Args:
            inputs: `(N, H, W, C)`, or any shape that Keras' layer accepts.
            training: whether to normalize with the statistics of the batch. A layer that is not
                trainable always uses its moving averages.
            mask: the mask of Keras' layer.

        Returns:
            A tensor of the same shape and dtype.
        """
        if not self._fits_fused_kernel(inputs, mask):
            return super().call(inputs, training=training, mask=mask)
        in_training = bool(training) and self.trainable
        # In training, the kernel ignores the moving averages and returns the statistics of the
        # batch.
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            scale=self._channels(self.gamma, tf.ones),
            offset=self._channels(self.beta, tf.zeros),
            mean=None if in_training else tf.convert_to_tensor(self.moving_mean),
            variance=None if in_training else tf.convert_to_tensor(self.moving_variance),
            epsilon=self.epsilon,
            is_training=in_training,
        )
        if in_training:
            self._update_moving_averages(inputs, mean, variance)
        return outputs

    def _fits_fused_kernel(self, inputs: Any, mask: Any) -> bool:
        return (
            keras.backend.backend() == "tensorflow"
            and not self.synchronized
            and not self.renorm
            and mask is None
            and len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and self.compute_dtype in ("float32", "bfloat16", "float16")
        )

    def _channels(self, variable: keras.Variable | None, default: Callable[..., Any]) -> Any:
        if variable is None:
            return default(self.moving_mean.shape, tf.float32)
        return tf.convert_to_tensor(variable)

    def _update_moving_averages(self, inputs: Any, mean: Any, variance: Any) -> None:
        shape = tf.shape(inputs)
        count = tf.cast(shape[0] * shape[1] * shape[2], tf.float32)
        # The kernel returns the unbiased variance, Keras keeps the biased one. A single value has
        # no unbiased variance; the kernel divides by one in that case.
        variance = variance * (tf.maximum(count - 1.0, 1.0) / count)
        mean, variance = _mean_over_replicas(mean, variance)
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))


def _mean_over_replicas(mean: Any, variance: Any) -> tuple[Any, Any]:
    """Averages the statistics that update the moving averages over the replicas.

    Without this, the copies of the moving averages would drift apart, and it would be chance which
    of them is saved. The normalization itself still uses the batch of each replica, as on the
    paper's GPUs.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return mean, variance
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, [mean, variance])


def use_fused_kernel(model: keras.Model) -> None:
    """Switches the stock batch normalization layers of a model to the fused kernel, in place.

    Args:
        model: not traced yet. Its weights, dtypes and outputs stay the same.

    Example:

    >>> inputs = keras.Input((4, 4, 3))
    >>> model = keras.Model(inputs, keras.layers.BatchNormalization(name="bn")(inputs))
    >>> use_fused_kernel(model)
    >>> isinstance(model.get_layer("bn"), BatchNormalization)
    True
    """
    _switch_class(model, keras.layers.BatchNormalization, BatchNormalization)


@contextlib.contextmanager
def save_as_stock(model: keras.Model) -> Iterator[None]:
    """Makes `model.save` write `keras.layers.BatchNormalization` instead of this module's class.

    Args:
        model: the model to save. After the block, it is as it was.

    Example:

    >>> inputs = keras.Input((4, 4, 3))
    >>> model = keras.Model(inputs, BatchNormalization(name="bn")(inputs))
    >>> with save_as_stock(model):
    ...     type(model.get_layer("bn")) is keras.layers.BatchNormalization
    True
    >>> isinstance(model.get_layer("bn"), BatchNormalization)
    True
    """
    switched = _switch_class(model, BatchNormalization, keras.layers.BatchNormalization)
    try:
        yield
    finally:
        for layer in switched:
            layer.__class__ = BatchNormalization


def _switch_class(model: keras.Model, old: type, new: type) -> list[keras.Layer]:
    """Changes the class of all layers that are exactly of the old one, and returns these layers.

    Both classes have the same attributes, so a copy of the model, which is slow to make for
    ResNet-1202, is not necessary.
    """
    switched = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            switched += _switch_class(layer, old, new)
        elif type(layer) is old:
            layer.__class__ = new
            switched.append(layer)
    return switched
