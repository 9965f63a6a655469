"""Cross-entropy with label smoothing against NumPy and Keras."""

import keras
import numpy as np
import pytest

from resnet_keras.training.losses import cross_entropy

LOGITS = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32) * 4
LABELS = np.array([0, 1, 2, 3, 4, 0, 1, 2, 3], np.int32)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_against_numpy(smoothing):
    logs = LOGITS.astype(np.float64) - np.log(
        np.exp(LOGITS.astype(np.float64)).sum(axis=1, keepdims=True)
    )
    target = np.eye(5)[LABELS] * (1 - smoothing) + smoothing / 5
    expected = -(target * logs).sum(axis=1).mean()
    loss = cross_entropy(smoothing)
    assert float(loss(LABELS, LOGITS)) == pytest.approx(expected, rel=1e-5)


def test_against_the_loss_of_keras_for_one_hot_labels():
    keras_loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2)
    assert float(cross_entropy(0.2)(LABELS, LOGITS)) == pytest.approx(
        float(keras_loss(np.eye(5, dtype=np.float32)[LABELS], LOGITS)), rel=1e-5
    )


def test_can_be_saved():
    again = keras.losses.deserialize(keras.losses.serialize(cross_entropy(0.3)))
    assert float(again(LABELS, LOGITS)) == float(cross_entropy(0.3)(LABELS, LOGITS))
