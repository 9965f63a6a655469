"""SGDMuon with the paper's weight decay, and Muon's step, against NumPy in float64."""

import dataclasses
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from resnet_keras.errors import UsageError
from resnet_keras.models.batch_norm import BatchNormalization
from resnet_keras.recipe import Recipe
from resnet_keras.training.optimizers import SGDMuon, make_optimizer
from tests.training import numpy_muon

COUNT, SIDE, CHANNELS, FILTERS, CLASSES = 6, 4, 2, 3, 4
EPSILON = 1e-5


def network(dtype="float64"):
    """1x1 convolution, batch norm, mean over pixels, dense: small enough to derive by hand."""
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
    """Cross-entropy's gradients for [kernel, bias, gamma, beta, dense kernel, dense bias]."""
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


KERNELS = (0, 4)
CONVOLUTIONS = (0,)


# Of a network whose last layer is called as ours is, see `headed`.
FULL_RATE = (4, 5)


def train_by_hand(weights, recipe, rates):
    weights = [weight.astype(np.float64) for weight in weights]
    velocity = [np.zeros_like(weight) for weight in weights]
    batches, labels = data()
    for step, rate in enumerate(rates):
        gradients = gradients_by_hand(weights, batches[step], labels[step])
        for i, gradient in enumerate(gradients):
            here = rate * (1.0 if i in FULL_RATE else recipe.backbone_rate)
            if recipe.muon and i in CONVOLUTIONS:
                velocity[i] = recipe.momentum * velocity[i] + gradient
                ahead = gradient + recipe.momentum * velocity[i]
                along = numpy_muon.direction(ahead if recipe.nesterov else velocity[i])
                # Decay of all or of kernels: it is one.
                weights[i] = numpy_muon.step(weights[i], along, here, recipe.muon, recipe.decay)
                continue
            if recipe.decay_on == "all" or i in KERNELS:
                gradient = gradient + recipe.decay * weights[i]
            velocity[i] = recipe.momentum * velocity[i] - here * gradient
            move = velocity[i]
            if recipe.nesterov:
                move = recipe.momentum * velocity[i] - here * gradient
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
    # The rate falls between the second step and the third. Decay is large enough to be seen.
    values = {"steps": 4, "drops": (2,), "decay": 0.05, "learning_rate": 0.5}
    return Recipe("resnet8", **{**values, **changes})


DTYPES = pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-6), ("float32", 2e-5)])


@DTYPES
@pytest.mark.parametrize("decay_on", ["all", "kernels"])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_steps_across_a_rate_drop(dtype, tolerance, decay_on, nesterov, momentum):
    compare_with_steps_by_hand(dtype, tolerance, decay_on, nesterov, momentum, muon=0.0)


@DTYPES
@pytest.mark.parametrize(
    "decay_on, nesterov, momentum",
    [("all", False, 0.9), ("kernels", True, 0.9), ("all", False, 0.0)],
)
def test_muons_steps_across_a_rate_drop(dtype, tolerance, decay_on, nesterov, momentum):
    compare_with_steps_by_hand(dtype, tolerance, decay_on, nesterov, momentum, muon=0.4)


def compare_with_steps_by_hand(dtype, tolerance, decay_on, nesterov, momentum, muon):
    recipe = recipe_of(decay_on=decay_on, nesterov=nesterov, momentum=momentum, muon=muon)
    model = network(dtype)
    before = start(model)
    trained = train(model, make_optimizer(recipe), 4)
    by_hand = train_by_hand(before, recipe, [0.5, 0.5, 0.05, 0.05])
    for i, (mine, theirs, old) in enumerate(zip(trained, by_hand, before, strict=True)):
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)
        # Batch norm takes away what a bias before it adds: nothing but decay moves that one.
        assert np.abs(mine - old).max() > 1e-3 or (i == 1 and decay_on == "kernels")


def test_the_comparison_sees_decay_momentum_and_the_drop():
    before = start(network())
    right = train_by_hand(before, recipe_of(), [0.5, 0.5, 0.05])
    for other in (
        train_by_hand(before, recipe_of(decay=0.1), [0.5, 0.5, 0.05]),
        train_by_hand(before, recipe_of(decay_on="kernels"), [0.5, 0.5, 0.05]),
        train_by_hand(before, recipe_of(momentum=0.8), [0.5, 0.5, 0.05]),
        train_by_hand(before, recipe_of(nesterov=True), [0.5, 0.5, 0.05]),
        train_by_hand(before, recipe_of(), [0.5, 0.5, 0.5]),
        train_by_hand(before, recipe_of(muon=0.1), [0.5, 0.5, 0.05]),
    ):
        assert max(np.abs(a - b).max() for a, b in zip(right, other, strict=True)) > 1e-3


def test_muon_turns_a_kernel_by_the_same_angle_whatever_its_gradient():
    # That is what makes one rate fit all layers. Batch norm's gradients are across the kernel.
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


def test_muon_lets_no_kernel_grow():
    # 2,000 steps by a tenth of its length: e^10 times as long if each added to it.
    optimizer = SGDMuon(1.0, muon=0.1)
    rng = np.random.default_rng(0)
    kernel = keras.Variable(rng.normal(size=(3, 3, 8, 16)), name="kernel")
    long = np.linalg.norm(kernel.numpy())
    for _ in range(2_000):
        gradient = rng.normal(size=kernel.shape)
        optimizer.apply([keras.ops.convert_to_tensor(gradient, kernel.dtype)], [kernel])
    assert 0.5 < np.linalg.norm(kernel.numpy()) / long < 2


def test_muon_is_for_kernels_of_convolutions_alone():
    optimizer = SGDMuon(muon=0.1)
    found = [optimizer.orthogonalizes(variable) for variable in network().trainable_variables]
    assert found == [i in CONVOLUTIONS for i in range(6)]
    assert not any(SGDMuon().orthogonalizes(variable) for variable in network().trainable_variables)


STEPS_OF_A_KERNEL = """
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
def test_muon_on_jax_is_muon_on_tensorflow(tmp_path):
    kernels = []
    for backend in ("jax", "tensorflow"):
        out = tmp_path / f"{backend}.npy"
        code = f"out = {str(out)!r}\n{STEPS_OF_A_KERNEL}"
        environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)
        kernels.append(np.load(out))
    np.testing.assert_allclose(*kernels, atol=1e-5)
    start = np.random.default_rng(0).normal(size=kernels[0].shape)
    assert np.abs(kernels[0] - start).max() > 0.1


def test_keras_l2_is_not_the_same():
    # Its gradient is 2 · decay · w: half of it is ours.
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


def test_decay_is_no_part_of_the_loss():
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
def test_which_variables_decay(decay_on):
    model = network()
    optimizer = SGDMuon(decay=0.1, decay_on=decay_on)
    decaying = [optimizer.decays(variable) for variable in model.trainable_variables]
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
    # Broken off, saved with the model, loaded and taken up again: as if in one go.
    whole = network()
    before = start(whole)
    in_one_go = train(whole, make_optimizer(recipe), 3)
    broken = network()
    for variable, value in zip(broken.trainable_variables, before, strict=True):
        variable.assign(value)
    train(broken, make_optimizer(recipe), 2)
    broken.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert type(loaded.optimizer) is SGDMuon and int(loaded.optimizer.iterations) == 2
    batches, labels = data()
    loaded.train_on_batch(batches[2], labels[2])
    for mine, theirs in zip(loaded.trainable_variables, in_one_go, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs, rtol=1e-9)


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
    # Nothing but decay moved it, and in float32: bfloat16 would round it away.
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
    for mine, theirs in zip(model.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs, rtol=2e-5, atol=2e-5)


def test_without_averaging_the_last_weights_stay():
    model = network("float32")
    start(model)
    optimizer = make_optimizer(recipe_of())
    trained = train(model, optimizer, 2)
    optimizer.finalize_variable_values(model.trainable_variables)
    for mine, theirs in zip(model.trainable_variables, trained, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs)


def headed():
    """The network with its dense layer called as ours is."""
    inner = network()
    features = inner.get_layer("p").output
    logits = keras.layers.Dense(CLASSES, name="logits", dtype="float64")(features)
    return keras.Model(inner.inputs, logits)


@pytest.mark.parametrize("saved, muon", [(False, 0.0), (True, 0.0), (False, 0.4)])
def test_the_backbone_moves_at_its_own_rate(saved, muon):
    recipe = recipe_of(train_from="a.keras", backbone_rate=0.1, muon=muon)
    model = headed()
    before = start(model)
    optimizer = make_optimizer(recipe)
    if saved:
        optimizer = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    trained = train(model, optimizer, 4)
    rates = [0.5, 0.5, 0.05, 0.05]
    by_hand = train_by_hand(before, recipe, rates)
    for mine, theirs in zip(trained, by_hand, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-6)
    # The comparison sees it.
    alike = train_by_hand(before, dataclasses.replace(recipe, backbone_rate=1.0), rates)
    assert max(np.abs(a - b).max() for a, b in zip(by_hand, alike, strict=True)) > 1e-2
