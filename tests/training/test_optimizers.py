"""`SGDMuon` against NumPy in float64; `orthogonalize` against a singular value decomposition."""

import dataclasses
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from resnet_keras.errors import UsageError
from resnet_keras.models.batch_norm import BatchNormalization
from resnet_keras.recipe import Recipe
from resnet_keras.training.optimizers import (
    SGDMuon,
    frobenius_norm,
    make_optimizer,
    orthogonalize,
)
from tests.training import numpy_muon

FIXTURES = Path(__file__).parents[1] / "fixtures/version_0_1"
COUNT, SIDE, CHANNELS, FILTERS, CLASSES = 6, 4, 2, 3, 4
EPSILON = 1e-5


def network(dtype="float64"):
    """Returns a network whose gradients are easy to derive: 1x1 convolution, batch norm, dense."""
    inputs = keras.Input((SIDE, SIDE, CHANNELS), dtype=dtype)
    x = keras.layers.Conv2D(FILTERS, 1, name="c", dtype=dtype)(inputs)
    x = BatchNormalization(epsilon=EPSILON, momentum=0.9, name="bn", dtype=dtype)(x)
    x = keras.layers.ReLU(name="r", dtype=dtype)(x)
    x = keras.layers.GlobalAveragePooling2D(name="p", dtype=dtype)(x)
    return keras.Model(inputs, keras.layers.Dense(CLASSES, name="d", dtype=dtype)(x))


def data():
    rng = np.random.default_rng(0)
    batches = [rng.normal(size=(COUNT, SIDE, SIDE, CHANNELS)) for _ in range(4)]
    return batches, rng.integers(0, CLASSES, (4, COUNT))


def gradients_by_hand(weights, images, labels):
    """Returns the gradients for [kernel, bias, gamma, beta, dense kernel, dense bias]."""
    kernel, bias, gamma, beta, dense, offset = weights
    x = images.reshape(-1, CHANNELS)
    z = x @ kernel.reshape(CHANNELS, FILTERS) + bias
    mean, variance = z.mean(axis=0), z.var(axis=0)
    inverse = 1 / np.sqrt(variance + EPSILON)
    normal = (z - mean) * inverse
    y = gamma * normal + beta
    features = np.maximum(y, 0).reshape(COUNT, -1, FILTERS).mean(axis=1)
    logits = features @ dense + offset
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    d_logits = (powers / powers.sum(axis=1, keepdims=True) - np.eye(CLASSES)[labels]) / COUNT
    d_features = d_logits @ dense.T
    pixels = SIDE * SIDE
    d_y = np.repeat(d_features / pixels, pixels, axis=0) * (y > 0)
    d_normal = d_y * gamma
    d_z = inverse * (d_normal - d_normal.mean(axis=0) - normal * (d_normal * normal).mean(axis=0))
    return [
        (x.T @ d_z).reshape(1, 1, CHANNELS, FILTERS),
        d_z.sum(axis=0),
        (d_y * normal).sum(axis=0),
        d_y.sum(axis=0),
        features.T @ d_logits,
        d_logits.sum(axis=0),
    ]


# Indices of the trainable variables.
KERNELS = (0, 4)
CONVOLUTIONS = (0,)
LAST_LAYER = (4, 5)


def train_by_hand(weights, recipe, rates):
    weights = [weight.astype(np.float64) for weight in weights]
    velocity = [np.zeros_like(weight) for weight in weights]
    batches, labels = data()
    for step, rate in enumerate(rates):
        gradients = gradients_by_hand(weights, batches[step], labels[step])
        for i, gradient in enumerate(gradients):
            variable_rate = rate * (1.0 if i in LAST_LAYER else recipe.backbone_rate)
            if recipe.muon and i in CONVOLUTIONS:
                velocity[i] = recipe.momentum * velocity[i] + gradient
                nesterov = gradient + recipe.momentum * velocity[i]
                direction = numpy_muon.direction(nesterov if recipe.nesterov else velocity[i])
                # This is a kernel, so it decays with both values of `decay_on`.
                weights[i] = numpy_muon.step(
                    weights[i], direction, variable_rate, recipe.muon, recipe.decay
                )
                continue
            if recipe.decay_on == "all" or i in KERNELS:
                gradient = gradient + recipe.decay * weights[i]
            velocity[i] = recipe.momentum * velocity[i] - variable_rate * gradient
            move = velocity[i]
            if recipe.nesterov:
                move = recipe.momentum * velocity[i] - variable_rate * gradient
            weights[i] = weights[i] + move
    return weights


def start(model):
    rng = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0.3, 1.0, variable.shape))
    return [variable.numpy() for variable in model.trainable_variables]


def train(model, optimizer, steps):
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    batches, labels = data()
    for step in range(steps):
        model.train_on_batch(batches[step], labels[step])
    return [variable.numpy() for variable in model.trainable_variables]


def recipe_of(**changes):
    # The learning rate drops after the second step. The decay is large enough to have an effect.
    values = {"steps": 4, "drops": (2,), "decay": 0.05, "learning_rate": 0.5}
    return Recipe("resnet8", **{**values, **changes})


DTYPES = pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-6), ("float32", 2e-5)])


@DTYPES
@pytest.mark.parametrize("decay_on", ["all", "kernels"])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_sgd_steps_across_a_drop(dtype, tolerance, decay_on, nesterov, momentum):
    compare_with_steps_by_hand(dtype, tolerance, decay_on, nesterov, momentum, muon=0.0)


@DTYPES
@pytest.mark.parametrize(
    "decay_on, nesterov, momentum",
    [("all", False, 0.9), ("kernels", True, 0.9), ("all", False, 0.0)],
)
def test_muon_steps_across_a_drop(dtype, tolerance, decay_on, nesterov, momentum):
    compare_with_steps_by_hand(dtype, tolerance, decay_on, nesterov, momentum, muon=0.4)


def compare_with_steps_by_hand(dtype, tolerance, decay_on, nesterov, momentum, muon):
    recipe = recipe_of(decay_on=decay_on, nesterov=nesterov, momentum=momentum, muon=muon)
    model = network(dtype)
    before = start(model)
    trained = train(model, make_optimizer(recipe), 4)
    by_hand = train_by_hand(before, recipe, [0.5, 0.5, 0.05, 0.05])
    for i, (actual, expected, old) in enumerate(zip(trained, by_hand, before, strict=True)):
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)
        # Batch norm subtracts the bias (1) of the layer before it, so only decay changes that one.
        assert np.abs(actual - old).max() > 1e-3 or (i == 1 and decay_on == "kernels")


def test_the_comparison_detects_other_decay_momentum_and_rates():
    before = start(network())
    expected = train_by_hand(before, recipe_of(), [0.5, 0.5, 0.05])
    for other in (
        train_by_hand(before, recipe_of(decay=0.1), [0.5, 0.5, 0.05]),
        train_by_hand(before, recipe_of(decay_on="kernels"), [0.5, 0.5, 0.05]),
        train_by_hand(before, recipe_of(momentum=0.8), [0.5, 0.5, 0.05]),
        train_by_hand(before, recipe_of(nesterov=True), [0.5, 0.5, 0.05]),
        train_by_hand(before, recipe_of(), [0.5, 0.5, 0.5]),
        train_by_hand(before, recipe_of(muon=0.1), [0.5, 0.5, 0.05]),
    ):
        assert max(np.abs(a - b).max() for a, b in zip(expected, other, strict=True)) > 1e-3


def test_muon_turns_a_kernel_by_the_same_angle_whatever_its_gradient():
    # This makes one learning rate suit all layers. In front of batch norm, the gradient is
    # orthogonal to the kernel.
    for scale in (0.01, 1.0, 100.0):
        recipe = recipe_of(muon=0.2, decay=0.0)
        model = network()
        start(model)
        kernel = model.trainable_variables[0]
        kernel.assign(scale * kernel.numpy())
        old = kernel.numpy().ravel()
        after = train(model, make_optimizer(recipe), 1)[0].ravel()
        cosine = old @ after / np.linalg.norm(old) / np.linalg.norm(after)
        assert np.tan(np.arccos(cosine)) == pytest.approx(0.5 * 0.2, rel=0.1)


def test_muon_keeps_the_norm_of_kernels():
    # 2,000 steps of a tenth of the norm: without the square root, it would grow by e^10.
    optimizer = SGDMuon(1.0, muon=0.1)
    rng = np.random.default_rng(0)
    kernel = keras.Variable(rng.normal(size=(3, 3, 8, 16)), name="kernel")
    norm = np.linalg.norm(kernel.numpy())
    for _ in range(2_000):
        gradient = rng.normal(size=kernel.shape)
        optimizer.apply([keras.ops.convert_to_tensor(gradient, kernel.dtype)], [kernel])
    assert 0.5 < np.linalg.norm(kernel.numpy()) / norm < 2


def test_only_kernels_of_convolutions_use_muon():
    optimizer = SGDMuon(muon=0.1)
    uses_muon = [optimizer.uses_muon(variable) for variable in network().trainable_variables]
    assert uses_muon == [i in CONVOLUTIONS for i in range(6)]
    assert not any(SGDMuon().uses_muon(variable) for variable in network().trainable_variables)


MUON_STEPS = """
import keras, numpy as np
from resnet_keras.training.optimizers import SGDMuon
rng = np.random.default_rng(0)
kernel = keras.Variable(rng.normal(size=(3, 3, 4, 8)), dtype="float32", name="kernel")
optimizer = SGDMuon(0.5, decay=0.05, muon=0.4, momentum=0.9, nesterov=True)
optimizer.build([kernel])
for _ in range(3):
    optimizer.apply([keras.ops.convert_to_tensor(rng.normal(size=kernel.shape), "float32")])
np.save(out, keras.ops.convert_to_numpy(kernel))
"""


@pytest.mark.landing
def test_muon_computes_the_same_on_jax_and_tensorflow(tmp_path):
    kernels = []
    for backend in ("jax", "tensorflow"):
        out = tmp_path / f"{backend}.npy"
        code = f"out = {str(out)!r}\n{MUON_STEPS}"
        environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)
        kernels.append(np.load(out))
    np.testing.assert_allclose(*kernels, atol=1e-5)
    start = np.random.default_rng(0).normal(size=kernels[0].shape)
    assert np.abs(kernels[0] - start).max() > 0.1


def test_the_decay_differs_from_both_forms_of_keras():
    # The gradient of L2(decay) is 2 * decay * weight, so L2(decay / 2) is the same as our decay.
    def trained(optimizer, factor):
        inputs = keras.Input((3,))
        layer = keras.layers.Dense(
            2, use_bias=False, name="d",
            kernel_regularizer=keras.regularizers.L2(factor) if factor else None,
        )  # fmt: skip
        model = keras.Model(inputs, layer(inputs))
        layer.kernel.assign(np.arange(1.0, 7.0).reshape(3, 2))
        model.compile(optimizer, "mse")
        for _ in range(3):
            model.train_on_batch(np.ones((4, 3)), np.zeros((4, 2)))
        return layer.kernel.numpy()

    ours = trained(SGDMuon(0.01, decay=0.1, momentum=0.9), None)
    same = trained(keras.optimizers.SGD(0.01, momentum=0.9), 0.05)
    twice = trained(keras.optimizers.SGD(0.01, momentum=0.9), 0.1)
    decoupled = trained(keras.optimizers.SGD(0.01, momentum=0.9, weight_decay=0.1), None)
    np.testing.assert_allclose(ours, same, rtol=1e-5)
    assert np.abs(ours - twice).max() > 1e-3
    assert np.abs(ours - decoupled).max() > 1e-3


def test_decay_is_not_part_of_the_loss():
    model = network("float32")
    start(model)
    batches, labels = data()
    losses = []
    for decay in (0.0, 10.0):
        model.compile(
            SGDMuon(0.0, decay=decay), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
        losses.append(float(model.train_on_batch(batches[0], labels[0])))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize("decay_on", ["all", "kernels"])
def test_decay_on(decay_on):
    model = network()
    optimizer = SGDMuon(decay=0.1, decay_on=decay_on)
    decaying = [optimizer.has_weight_decay(variable) for variable in model.trainable_variables]
    assert decaying == [decay_on == "all" or i in KERNELS for i in range(6)]


@pytest.mark.parametrize("muon", [0.0, 0.4])
def test_serialization_round_trip(tmp_path, muon):
    recipe = recipe_of(decay_on="kernels", nesterov=True, muon=muon)
    optimizer = make_optimizer(recipe)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is SGDMuon
    assert (again.decay, again.decay_on) == (0.05, "kernels")
    assert (again.momentum, again.nesterov, again.muon) == (0.9, True, muon)
    assert again.get_config() == optimizer.get_config()
    # Saving and loading the model after the second step does not change the third.
    uninterrupted = network()
    before = start(uninterrupted)
    expected = train(uninterrupted, make_optimizer(recipe), 3)
    interrupted = network()
    for variable, value in zip(interrupted.trainable_variables, before, strict=True):
        variable.assign(value)
    train(interrupted, make_optimizer(recipe), 2)
    interrupted.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert type(loaded.optimizer) is SGDMuon and int(loaded.optimizer.iterations) == 2
    batches, labels = data()
    loaded.train_on_batch(batches[2], labels[2])
    for variable, value in zip(loaded.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(variable.numpy(), value, rtol=1e-9)


def test_the_registered_name_is_that_of_the_class(tmp_path):
    optimizer = make_optimizer(recipe_of(muon=0.4))
    assert keras.optimizers.serialize(optimizer)["registered_name"] == "resnet_keras>SGDMuon"
    # The names of the variables are those of version 0.1, whose checkpoints contain them.
    model = network()
    train(model, optimizer, 1)
    assert [variable.path for variable in optimizer.variables][:2] == [
        "SGD/iteration",
        "SGD/c_kernel_momentum",
    ]
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        compiled = json.loads(archive.read("config.json"))["compile_config"]
    assert compiled["optimizer"]["registered_name"] == "resnet_keras>SGDMuon"


def test_the_registered_name_of_version_0_1_still_loads():
    config = keras.optimizers.serialize(make_optimizer(recipe_of(muon=0.4)))
    config.update(
        registered_name="resnet_keras>SGD",
        class_name="SGD",
        module="resnet_keras.training.optimizer",
    )
    optimizer = keras.optimizers.deserialize(config)
    assert type(optimizer) is SGDMuon and optimizer.muon == 0.4
    # A compiled model that version 0.1 wrote.
    model = keras.saving.load_model(FIXTURES / "fast.keras")
    assert type(model.optimizer) is SGDMuon
    assert (model.optimizer.muon, int(model.optimizer.iterations)) == (0.15, 60)
    assert any(np.any(variable.numpy()) for variable in model.optimizer.momentums)


def test_no_decay():
    variable = keras.Variable(np.ones(3, np.float32), name="kernel")
    optimizer = SGDMuon(1.0, decay=0.0)
    optimizer.apply([tf.zeros(3)], [variable])
    np.testing.assert_array_equal(variable.numpy(), np.ones(3))


def test_unknown_decay_on():
    with pytest.raises(UsageError, match="known: kernels, all"):
        SGDMuon(decay_on="kernel")


def test_variables_keep_their_dtype_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(2, dtype="mixed_bfloat16")(inputs))
    model.compile(SGDMuon(0.1, decay=1e-4, momentum=0.9), "mse")
    before = model.get_weights()[0]
    model.train_on_batch(np.zeros((2, 3)), np.zeros((2, 2)))
    # Only decay changes the weights, by less than bfloat16 can represent.
    expected = np.float64(before) * (1 - 1e-5)
    np.testing.assert_allclose(model.get_weights()[0], expected, rtol=1e-7)
    assert not np.array_equal(model.get_weights()[0], before)


def test_averaged_weights_against_numpy():
    recipe = recipe_of(ema=0.6)
    model = network("float32")
    before = start(model)
    optimizer = make_optimizer(recipe)
    train(model, optimizer, 4)
    optimizer.finalize_variable_values(model.trainable_variables)
    rates = [0.5, 0.5, 0.05, 0.05]
    path = [train_by_hand(before, recipe, rates[: step + 1]) for step in range(4)]
    expected = path[0]
    for weights in path[1:]:
        expected = [0.6 * old + 0.4 * new for old, new in zip(expected, weights, strict=True)]
    for variable, value in zip(model.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(variable.numpy(), value, rtol=2e-5, atol=2e-5)


def test_without_averaging_the_final_weights_are_the_last():
    model = network("float32")
    start(model)
    optimizer = make_optimizer(recipe_of())
    trained = train(model, optimizer, 2)
    optimizer.finalize_variable_values(model.trainable_variables)
    for variable, value in zip(model.trainable_variables, trained, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def network_with_logits():
    """Returns the network with a last layer of the name that `backbone_rate` looks for."""
    inner = network()
    features = inner.get_layer("p").output
    logits = keras.layers.Dense(CLASSES, name="logits", dtype="float64")(features)
    return keras.Model(inner.inputs, logits)


@pytest.mark.parametrize("saved, muon", [(False, 0.0), (True, 0.0), (False, 0.4)])
def test_the_backbone_has_its_own_learning_rate(saved, muon):
    recipe = recipe_of(train_from="a.keras", backbone_rate=0.1, muon=muon)
    model = network_with_logits()
    before = start(model)
    optimizer = make_optimizer(recipe)
    if saved:
        optimizer = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    trained = train(model, optimizer, 4)
    rates = [0.5, 0.5, 0.05, 0.05]
    by_hand = train_by_hand(before, recipe, rates)
    for actual, expected in zip(trained, by_hand, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)
    # The comparison detects another rate.
    other = train_by_hand(before, dataclasses.replace(recipe, backbone_rate=1.0), rates)
    assert max(np.abs(a - b).max() for a, b in zip(by_hand, other, strict=True)) > 1e-2


SHAPES = {
    "first layer": (3, 3, 3, 16),
    "block": (3, 3, 16, 16),
    "wider": (3, 3, 16, 32),
    "projection": (1, 1, 16, 32),
    "one channel": (1, 1, 1, 8),
    "one filter": (3, 3, 4, 1),
}
EACH_SHAPE = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def kernel(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def polar(values):
    """Returns `U V^T` of the matrix with one column per filter."""
    matrix = values.reshape(-1, values.shape[-1])
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    return (left @ right).reshape(values.shape)


@EACH_SHAPE
def test_orthogonalize_against_numpy(shape):
    found = np.array(orthogonalize(kernel(shape)))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, numpy_muon.direction(kernel(shape)), atol=1e-6)
    single = np.array(orthogonalize(kernel(shape).astype(np.float32)))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, found, atol=1e-4)


@EACH_SHAPE
def test_orthogonalize_is_nearly_the_orthogonal_factor(shape):
    values = kernel(shape)
    found = np.array(orthogonalize(values))
    exact = polar(values) / np.linalg.norm(polar(values))
    assert np.sum(found * exact) > 0.97  # the cosine of the angle between both
    singular_values = np.linalg.svd(found.reshape(-1, shape[-1]), compute_uv=False)
    assert singular_values.max() / singular_values.min() < 2


def test_directions_of_small_and_large_gradients_count_alike():
    # Singular values from 1 down to 1/50. A step along the gradient would favour the first.
    left, _, right = np.linalg.svd(kernel((3, 3, 4, 8)).reshape(36, 8), full_matrices=False)
    values = (left * np.geomspace(1, 0.02, 8)) @ right
    found = np.array(orthogonalize(values.reshape(3, 3, 4, 8))).reshape(36, 8)
    along = np.diag(left.T @ found @ right.T)
    assert along.max() / along.min() < 2
    own = np.diag(left.T @ values @ right.T)
    assert own.max() / own.min() == pytest.approx(50)


@EACH_SHAPE
def test_the_norm_is_1_for_kernels_of_any_norm(shape):
    for factor in (1e-4, 1.0, 1e4):
        found = np.array(orthogonalize(factor * kernel(shape)))
        assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)
        assert np.array(frobenius_norm(found)) == pytest.approx(1, abs=1e-5)


def test_the_direction_of_zeros_is_zero():
    assert not np.array(orthogonalize(np.zeros((3, 3, 2, 4), np.float32))).any()
