"""Our BatchNormalization behaves like the layer of Keras."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from resnet_keras.models.batch_norm import BatchNormalization

ROOT = Path(__file__).resolve().parents[2]
# N·H·W starts at 2, where the unbiased variance differs most from the biased one.
SHAPES = [(8, 4, 4, 3), (2, 1, 1, 5), (1, 1, 2, 3), (1, 3, 3, 1), (3, 5, 7, 16)]


def pair(shape, **kwargs):
    """Our layer and that of Keras with the same random weights, and an input."""
    rng = np.random.default_rng(sum(shape))
    layers = [
        kind(momentum=0.9, epsilon=1e-5, **kwargs)
        for kind in (BatchNormalization, keras.layers.BatchNormalization)
    ]
    for layer in layers:
        layer.build((None, *shape[1:]))
    weights = [rng.uniform(0.5, 2, w.shape).astype(np.float32) for w in layers[0].weights]
    for layer in layers:
        layer.set_weights(weights)
    return *layers, (3 * rng.normal(size=shape) + 1).astype(np.float32)


def run(layer, x, training):
    """Returns outputs, gradients of inputs and weights, and the updated moving averages."""
    weights = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)
    with tf.GradientTape() as tape:
        x = tf.constant(x)
        tape.watch(x)
        outputs = layer(x, training=training)
        value = tf.reduce_sum(tf.cast(outputs, tf.float32) * weights)
    targets = [x, *(variable.value for variable in layer.trainable_variables)]
    gradients = tape.gradient(value, targets)
    moving = [variable.numpy() for variable in layer.non_trainable_variables]
    return [outputs.numpy(), *(gradient.numpy() for gradient in gradients), *moving]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_same_as_keras(shape, training):
    ours, theirs, x = pair(shape)
    before = [variable.numpy() for variable in ours.non_trainable_variables]
    mine, reference = run(ours, x, training), run(theirs, x, training)
    for a, b in zip(mine, reference, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    moved = any(
        not np.array_equal(a, b.numpy())
        for a, b in zip(before, ours.non_trainable_variables, strict=True)
    )
    assert moved == training


@pytest.mark.parametrize("shape", SHAPES)
def test_moving_averages_against_float64(shape):
    ours, _, x = pair(shape)
    mean, variance = (v.numpy().astype(np.float64) for v in ours.non_trainable_variables)
    ours(x, training=True)
    wide = x.astype(np.float64)
    expected = (
        0.9 * mean + 0.1 * wide.mean(axis=(0, 1, 2)),
        0.9 * variance + 0.1 * wide.var(axis=(0, 1, 2)),  # biased, like that of Keras
    )
    for a, b in zip(ours.non_trainable_variables, expected, strict=True):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-5, atol=1e-6)


def test_single_value():
    # With one value per channel, the output is beta and the variance is zero, not NaN. Keras' layer
    # is off by 1e-4 here, because it subtracts two numbers that are 300 times as large.
    ours, theirs, x = pair((1, 1, 1, 4))
    beta = ours.beta.numpy()
    mine, reference = run(ours, x, True), run(theirs, x, True)
    np.testing.assert_allclose(mine[0], beta[None, None, None], atol=1e-5)
    for a, b in zip(mine, reference, strict=True):
        assert np.isfinite(a).all()
        np.testing.assert_allclose(a, b, atol=1e-3)
    for a, b in zip(mine[-2:], reference[-2:], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("kwargs", [{"scale": False}, {"center": False}])
def test_without_scale_or_centre(kwargs):
    ours, theirs, x = pair((4, 3, 3, 2), **kwargs)
    for training in (True, False):
        for a, b in zip(run(ours, x, training), run(theirs, x, training), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_frozen_layer_uses_and_keeps_its_moving_averages():
    ours, theirs, x = pair((4, 3, 3, 2))
    for layer in (ours, theirs):
        layer.trainable = False
    for a, b in zip(run(ours, x, True), run(theirs, x, True), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape, axis", [((4, 6), -1), ((4, 6, 5), -1), ((4, 3, 5, 6), 1)])
def test_other_ranks_and_axes_use_the_call_of_keras(shape, axis):
    ours, theirs, x = pair(shape, axis=axis)
    for a, b in zip(run(ours, x, True), run(theirs, x, True), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_bfloat16(training):
    ours, theirs, x = pair((8, 6, 6, 4), dtype="mixed_bfloat16")
    x = tf.cast(x, tf.bfloat16)
    mine, reference = ours(x, training=training), theirs(x, training=training)
    assert mine.dtype == reference.dtype == "bfloat16"
    np.testing.assert_allclose(
        tf.cast(mine, tf.float32), tf.cast(reference, tf.float32), atol=0.05, rtol=0.02
    )
    for a, b in zip(ours.weights, theirs.weights, strict=True):
        assert a.dtype == "float32"
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=2e-3, rtol=2e-3)


def test_statistics_of_bfloat16_inputs_are_computed_in_float32():
    # bfloat16 sums would lose a mean that is far from zero.
    layer = BatchNormalization(momentum=0.0, epsilon=1e-5, dtype="mixed_bfloat16")
    x = tf.cast(np.random.default_rng(0).normal(10, 1, (16, 16, 16, 2)), tf.bfloat16)
    layer(x, training=True)
    wide = x.numpy().astype(np.float64)
    np.testing.assert_allclose(layer.moving_mean.numpy(), wide.mean(axis=(0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(layer.moving_variance.numpy(), wide.var(axis=(0, 1, 2)), rtol=1e-3)


def test_inside_a_graph_with_unknown_batch():
    ours, theirs, x = pair((6, 4, 4, 3))

    def compiled(layer):
        function = tf.function(
            lambda images: layer(images, training=True),
            input_signature=[tf.TensorSpec((None, None, None, 3))],
        )
        return function(tf.constant(x)).numpy()

    np.testing.assert_allclose(compiled(ours), compiled(theirs), rtol=1e-5, atol=1e-5)
    for a, b in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)


def test_same_weights_and_configuration():
    ours, theirs, _ = pair((2, 3, 3, 4), name="bn")
    assert [w.path.split("/")[-1] for w in ours.weights] == [
        w.path.split("/")[-1] for w in theirs.weights
    ]
    assert [w.trainable for w in ours.weights] == [w.trainable for w in theirs.weights]
    mine, reference = ours.get_config(), theirs.get_config()
    for config in (mine, reference):
        config.pop("dtype")
    assert mine == reference
    again = BatchNormalization.from_config(ours.get_config())
    assert (again.momentum, again.epsilon, again.name) == (0.9, 1e-5, "bn")


def network(kind):
    inputs = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(2, 3, name="c")(inputs)
    return keras.Model(inputs, kind(momentum=0.9, epsilon=1e-5, name="bn")(x))


@pytest.mark.parametrize("reverse", [False, True])
def test_weights_of_one_class_load_into_the_other(tmp_path, reverse):
    kinds = [BatchNormalization, keras.layers.BatchNormalization]
    source, target = (network(kind) for kind in (kinds[::-1] if reverse else kinds))
    x = np.random.default_rng(0).normal(size=(4, 4, 4, 3)).astype(np.float32)
    source(x, training=True)
    source.save_weights(tmp_path / "w.weights.h5")
    target.load_weights(tmp_path / "w.weights.h5")
    np.testing.assert_allclose(target(x), source(x), atol=1e-5)


def test_synchronized_uses_the_call_of_keras(monkeypatch):
    ours, theirs, x = pair((4, 3, 3, 2), synchronized=True)
    monkeypatch.setattr(tf.compat.v1.nn, "fused_batch_norm", None)  # would fail if called
    for a, b in zip(run(ours, x, True), run(theirs, x, True), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_the_fused_kernel_is_used_otherwise(monkeypatch):
    ours, _, x = pair((4, 3, 3, 2))
    calls = []
    original = tf.compat.v1.nn.fused_batch_norm
    monkeypatch.setattr(
        tf.compat.v1.nn, "fused_batch_norm",
        lambda *args, **kwargs: calls.append(1) or original(*args, **kwargs),
    )  # fmt: skip
    ours(x, training=True)
    ours(x, training=False)
    assert len(calls) == 2


# Logical devices must be configured before TensorFlow starts, so this runs in its own process.
REPLICAS = """
import numpy as np, tensorflow as tf, keras
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from resnet_keras.models.batch_norm import BatchNormalization
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
x = np.random.default_rng(0).normal(2, 3, (8, 2, 2, 3)).astype(np.float32)
x[:4] *= 4
for synchronized in (False, True):
    with strategy.scope():
        layer = BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=synchronized)
        layer.build((None, 2, 2, 3))
    slices = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(x[4 * context.replica_id_in_sync_group:][:4])
    )
    step = tf.function(lambda part: layer(part, training=True))
    outputs = strategy.experimental_local_results(strategy.run(step, (slices,)))
    if synchronized:
        reference = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
        whole = reference(x, training=True)
        expected = [reference.moving_mean.numpy(), reference.moving_variance.numpy()]
        parts = [whole[:4], whole[4:]]
    else:
        apart = [keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5) for _ in range(2)]
        parts = [bn(x[4 * i:][:4], training=True) for i, bn in enumerate(apart)]
        expected = [
            np.mean([bn.moving_mean.numpy() for bn in apart], axis=0),
            np.mean([bn.moving_variance.numpy() for bn in apart], axis=0),
        ]
        assert not np.allclose(apart[0].moving_variance, apart[1].moving_variance, rtol=0.1)
    for a, b in zip(outputs, parts, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    for variable, value in zip((layer.moving_mean, layer.moving_variance), expected, strict=True):
        copies = [c.numpy() for c in strategy.experimental_local_results(variable.value)]
        assert len(copies) == 2
        np.testing.assert_array_equal(copies[0], copies[1])
        np.testing.assert_allclose(copies[0], value, rtol=1e-4, atol=1e-5)
print("equal")
"""


@pytest.mark.landing
def test_replicas_have_equal_moving_averages():
    done = subprocess.run(
        [sys.executable, "-c", REPLICAS], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0 and done.stdout.strip() == "equal", done.stderr[-3000:]
