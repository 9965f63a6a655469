"""Folding batch normalization: the same function with fewer layers."""

import keras
import numpy as np
import pytest

from resnet_keras.export.fold import deployment_model
from resnet_keras.models.build import build


def make_network(arch, **kwargs):
    """A network whose batch normalization and biases have values that would reveal any mistake."""
    rng = np.random.default_rng(0)
    model = build(arch, classes=5, input_shape=(16, 16, 3), **kwargs)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            count = layer.gamma.shape[0]
            layer.set_weights(
                [
                    rng.uniform(0.3, 0.9, count),
                    rng.normal(0, 0.3, count),
                    rng.normal(0, 0.3, count),
                    rng.uniform(0.5, 2.0, count),
                ]
            )
    return model


def probabilities(model, images):
    logits = np.asarray(model(images, training=False), np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("arch", "options"),
    [
        ("plain8", {}),
        ("resnet14", {"option": "A"}),
        ("resnet8", {"option": "B"}),
        ("resnet8", {"option": "C", "projection": "average"}),
        ("resnet50", {}),
    ],
)
def test_folding_does_not_change_the_probabilities(arch, options):
    model = make_network(arch, **options)
    images = np.random.default_rng(1).normal(0, 0.5, (8, 16, 16, 3)).astype(np.float32)
    folded = deployment_model(model)
    assert not any(isinstance(x, keras.layers.BatchNormalization) for x in folded.layers)
    expected = probabilities(model, images)
    assert expected.max() < 0.999  # A saturated softmax would hide every difference.
    np.testing.assert_allclose(probabilities(folded, images), expected, atol=1e-5)


def test_without_folding_layers_and_weights_are_copied():
    model = make_network("resnet8")
    copy = deployment_model(model, fold=False)
    assert [layer.name for layer in copy.layers] == [layer.name for layer in model.layers]
    for copied, original in zip(copy.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(copied, original)


def test_batch_normalization_is_kept_if_another_layer_uses_its_input():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", name="conv")(inputs)
    y = keras.layers.BatchNormalization(name="bn")(x)
    model = keras.Model(inputs, keras.layers.Add(name="add")([x, y]))
    folded = deployment_model(model)
    images = np.ones((2, 8, 8, 3), np.float32)
    assert "bn" in [layer.name for layer in folded.layers]
    np.testing.assert_allclose(folded(images), model(images, training=False), atol=1e-6)


def test_in_bfloat16_the_classifier_stays_float32_and_predictions_are_close():
    model = make_network("resnet8")
    images = np.random.default_rng(1).normal(0, 0.5, (64, 16, 16, 3)).astype(np.float32)
    deployed = deployment_model(model, precision="bfloat16")
    assert deployed.get_layer("conv1").kernel.dtype == "bfloat16"
    assert deployed.get_layer("logits").kernel.dtype == "float32"
    expected, actual = probabilities(model, images), probabilities(deployed, images)
    assert np.abs(expected - actual).max() < 0.05
    assert (expected.argmax(axis=1) == actual.argmax(axis=1)).mean() > 0.9


def test_a_network_trained_in_bfloat16_is_deployed_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build("resnet8", classes=5, input_shape=(16, 16, 3))
    finally:
        keras.config.set_dtype_policy("float32")
    deployed = deployment_model(model)
    assert {layer.compute_dtype for layer in deployed.layers} == {"float32"}
