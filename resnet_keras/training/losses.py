"""Cross-entropy, with smoothed labels where a recipe asks for them."""

import keras


def cross_entropy(label_smoothing: float) -> keras.Loss:
    """Returns the loss: cross-entropy of whole-number labels with logits, in nats.

    Args:
        label_smoothing: the true class weighs `1 - label_smoothing`, and this is shared out among
            all classes alike, the true one among them.
    """
    if not label_smoothing:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return SmoothedCrossEntropy(label_smoothing)


@keras.saving.register_keras_serializable(package="resnet_keras")
class SmoothedCrossEntropy(keras.losses.Loss):
    """Keras smooths only labels that come as vectors; ours come as whole numbers."""

    def __init__(self, label_smoothing: float, name: str = "loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, labels, logits):
        """Returns the loss of each image: `(N,)`."""
        logs = keras.ops.log_softmax(logits)
        true = keras.ops.one_hot(keras.ops.cast(labels, "int32"), logits.shape[-1])
        of_true = keras.ops.sum(true * logs, axis=-1)
        of_all = keras.ops.mean(logs, axis=-1)
        return -((1 - self.label_smoothing) * of_true + self.label_smoothing * of_all)

    def get_config(self):
        """Returns the arguments, for saving."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}
