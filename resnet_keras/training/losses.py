"""Cross-entropy, with label smoothing if the recipe asks for it."""

from typing import Any, TypeAlias

import keras

Tensor: TypeAlias = Any


def cross_entropy(label_smoothing: float) -> keras.Loss:
    """Returns the cross-entropy loss for integer labels and logits, in nats.

    Args:
        label_smoothing: the part of each label's weight that is distributed evenly over all
            classes. The true class has the weight `1 - label_smoothing`, plus its share.

    Returns:
        A loss that is called with labels `(N,)` and logits `(N, classes)`.

    Example:

    >>> loss = cross_entropy(label_smoothing=0.1)
    >>> round(float(loss([0, 1], keras.ops.zeros((2, 10)))), 4)
    2.3026
    """
    if not label_smoothing:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return SmoothedCrossEntropy(label_smoothing)


@keras.saving.register_keras_serializable(package="resnet_keras")
class SmoothedCrossEntropy(keras.losses.Loss):
    """Cross-entropy of integer labels and logits with label smoothing.

    Keras implements label smoothing only for one-hot labels.

    Args:
        label_smoothing: see `cross_entropy`.
        name: the name of the loss.
        **kwargs: as for `keras.losses.Loss`.
    """

    def __init__(self, label_smoothing: float, name: str = "loss", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Returns the loss of each image.

        Args:
            labels: integers `(N,)`.
            logits: `(N, classes)`.

        Returns:
            A tensor `(N,)`.
        """
        log_probabilities = keras.ops.log_softmax(logits)
        one_hot = keras.ops.one_hot(keras.ops.cast(labels, "int32"), logits.shape[-1])
        true_class = keras.ops.sum(one_hot * log_probabilities, axis=-1)
        all_classes = keras.ops.mean(log_probabilities, axis=-1)
        return -((1 - self.label_smoothing) * true_class + self.label_smoothing * all_classes)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}
