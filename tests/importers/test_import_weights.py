"""Imported networks compute the same function as the networks that they come from."""

import keras
import numpy as np
import pytest

from resnet_keras.architectures import parse
from resnet_keras.errors import UsageError, UserError
from resnet_keras.importers import LAYOUTS, keras_applications
from resnet_keras.importers.cifar_repositories import channel_orders
from resnet_keras.importers.import_weights import (
    detect_layout,
    import_weights,
    infer_architecture,
    layout_preprocessing,
)
from resnet_keras.importers.weight_files import read_weights
from tests.importers.foreign_networks import (
    assert_same_outputs,
    cifar_forward,
    cifar_weights,
    random_images,
    torchvision_forward,
    torchvision_weights,
)

RESNET18 = ((2, 2, 2, 2), False)
RESNET50 = ((3, 4, 6, 3), True)


@pytest.mark.parametrize("option, blocks", [("A", 1), ("A", 2), ("B", 1)])
def test_cifar(option, blocks):
    weights = cifar_weights(blocks, option)
    arch = infer_architecture(f"resnet{6 * blocks + 2}", "cifar", weights)
    assert arch.option == option
    x = random_images(4, 32, 32, 3)
    expected = cifar_forward(weights, x.transpose(0, 3, 1, 2), blocks)
    assert_same_outputs(import_weights(arch, weights), x, expected)


def test_names_of_data_parallel_training_and_other_numbers_of_classes():
    weights = cifar_weights(classes=7)
    x = random_images(4, 32, 32, 3)
    prefixed = {f"module.{name}": array for name, array in weights.items()}
    model = import_weights(parse("resnet8"), prefixed)
    assert_same_outputs(model, x, cifar_forward(weights, x.transpose(0, 3, 1, 2)), least=0.1)
    assert model.output_shape == (None, 7)


def test_channel_orders():
    first, second, third = channel_orders((4, 8, 16))
    np.testing.assert_array_equal(first, [0, 1, 2, 3])
    np.testing.assert_array_equal(second, [2, 3, 4, 5, 0, 1, 6, 7])
    # Channels 4 to 11 of their stage 3 continue the channels of their stage 2.
    np.testing.assert_array_equal(third[:8], 4 + second)
    assert sorted(third) == list(range(16))


def test_resnet18():
    weights = torchvision_weights(*RESNET18, classes=11)
    arch = infer_architecture("resnet18", "torchvision", weights)
    assert arch.option == "B"
    x = random_images(2, 40, 32, 3)
    expected = torchvision_forward(weights, x.transpose(0, 3, 1, 2), *RESNET18)
    assert_same_outputs(import_weights(arch, weights, input_shape=(None, None, 3)), x, expected)


@pytest.mark.slow
def test_resnet50_has_the_stride_in_the_3x3_convolution():
    weights = torchvision_weights(*RESNET50, classes=11)
    arch = infer_architecture("resnet50", "torchvision", weights)
    assert arch.bottleneck_stride == "3x3"
    x = random_images(2, 64, 64, 3)
    expected = torchvision_forward(weights, x.transpose(0, 3, 1, 2), *RESNET50)
    assert_same_outputs(import_weights(arch, weights, input_shape=(64, 64, 3)), x, expected)
    first_1x1 = import_weights(parse("resnet50"), weights, input_shape=(64, 64, 3))
    assert np.abs(np.asarray(first_1x1(x)) - expected).max() > 1e-2


@pytest.mark.parametrize(
    "name",
    ["resnet50", *(pytest.param(n, marks=pytest.mark.slow) for n in ("resnet101", "resnet152"))],
)
def test_keras_applications(name, tmp_path):
    # The weights are written to a file and read from it.
    theirs = applications_network(name)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    arch = infer_architecture(name, "keras-applications", ())
    weights = read_weights(tmp_path / "theirs.weights.h5", arch)
    assert detect_layout(weights) == "keras-applications"
    ours = import_weights(arch, weights, input_shape=(64, 64, 3))
    x = random_images(2, 64, 64, 3)
    assert_same_outputs(ours, x, np.asarray(theirs(x[..., ::-1], training=False)))


def applications_network(name, seed=0):
    network = getattr(keras.applications, keras_applications.NETWORKS[name])(
        weights=None, input_shape=(64, 64, 3), classes=7, classifier_activation=None
    )
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        # Small residuals, so that the outputs of 152 layers stay near one.
        gain = 0.2 if layer.name.endswith("_3_bn") else 1.0
        for variable in layer.weights:
            if variable.name in ("gamma", "moving_variance"):
                values = rng.uniform(0.5, 1.5, variable.shape)
                variable.assign(values * gain if variable.name == "gamma" else values)
            elif variable.name != "kernel":
                variable.assign(rng.normal(size=variable.shape) * 0.3)
    return network


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_whole_keras_files(tmp_path, suffix):
    theirs = applications_network("resnet50")
    theirs.save(tmp_path / f"theirs{suffix}")
    arch = parse("resnet50")
    weights = read_weights(tmp_path / f"theirs{suffix}", arch)
    for layer in theirs.layers:
        for variable in layer.weights:
            np.testing.assert_array_equal(weights[f"{layer.name}/{variable.name}"], variable)
    with pytest.raises(UserError, match=r"theirs.*ResNet101"):
        read_weights(tmp_path / f"theirs{suffix}", parse("resnet101"))


def test_epsilon_and_bias_matter_where_variances_are_small():
    arch = parse("resnet50")
    weights = {
        name: np.full(shape, 1e-6 if name.endswith("variance") else 0.5, np.float32)
        for name, shape in keras_applications.expected_shapes(arch, 3).items()
    }
    ours = keras_applications.convert(arch, weights, 3)
    np.testing.assert_allclose(ours["bn1/moving_variance"] + 1e-5, 1e-6 + 1.001e-5, rtol=1e-6)
    np.testing.assert_array_equal(ours["stage2_block1_projection_bn/moving_mean"], 0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_preprocessing(layout):
    # Compares one colour with torchvision's transforms and Caffe's preprocessing.
    made = layout_preprocessing(layout, ("a", "b"))
    colour = np.array([10, 100, 200], np.float32)
    values = (colour * np.float32(made.scale) - made.mean) / np.array(made.std)
    if layout == "keras-applications":
        theirs = keras.applications.resnet.preprocess_input(colour[None, None].copy())[0, 0]
        np.testing.assert_allclose(values[::-1], theirs, atol=1e-4)
    else:
        theirs = (colour / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        np.testing.assert_allclose(values, theirs, atol=1e-5)
    assert made.size == ((32, 32) if layout == "cifar" else (224, 224))
    assert made.class_names == ("a", "b")


def changed(weights, **changes):
    weights = dict(weights)
    for name, array in changes.items():
        name = name.replace("__", ".")
        if array is None:
            del weights[name]
        else:
            weights[name] = np.asarray(array)
    return weights


@pytest.mark.parametrize(
    "changes, expected",
    [
        (
            {"layer2__0__bn1__bias": None},
            ["not the weights of resnet8-A in the cifar layout", "1 missing: layer2.0.bn1.bias"],
        ),
        ({"extra": np.ones(2)}, ["1 unexpected: extra"]),
        ({"conv1__weight": np.ones((16, 3, 5, 5))}, ["(16, 3, 5, 5) instead of (16, 3, 3, 3)"]),
        ({"linear__weight": np.ones(64)}, ["linear.weight (64,) instead of"]),
        ({"linear__weight": np.ones((0, 64))}, ["linear.weight (0, 64) instead of"]),
        ({"bn1__bias": np.full(16, np.nan)}, ["bn1.bias", "not finite"]),
        ({"bn1__bias": np.ones(16, int)}, ["bn1.bias must be floating-point. Received: int64"]),
        ({"bn1__bias": np.full(16, "a")}, ["bn1.bias must be floating-point. Received: <U1"]),
        ({"bn1__running_var": np.full(16, -1.0)}, ["bn1.running_var", "negative"]),
    ],
)
def test_weights_that_do_not_fit(changes, expected):
    with pytest.raises(UserError) as caught:
        import_weights(parse("resnet8"), changed(cifar_weights(), **changes), "cifar", source="F")
    message = str(caught.value)
    assert message.startswith("F: ")
    for part in expected:
        assert part in message


def test_messages_list_only_some_names():
    weights = cifar_weights(blocks=2)
    with pytest.raises(UserError, match=r"30 unexpected: layer1\.1\.conv1\.weight.* and 25 more"):
        import_weights(parse("resnet8"), weights)
    with pytest.raises(UserError, match=r"unknown layout: expected a classifier.*Received: a, b"):
        detect_layout(["b", "a"])
    with pytest.raises(UserError, match="Received: no arrays"):
        detect_layout([])


@pytest.mark.parametrize(
    "arch, layout, message",
    [
        (parse("resnet50"), "cifar", "6n\\+2.*resnet50-B"),
        (parse("resnet8"), "torchvision", "ResNet-18 to ResNet-152.*resnet8-A"),
        (parse("resnet18"), "torchvision", "resnet18-A"),
        (parse("vgg19"), "torchvision", "vgg19"),
        (parse("resnet34", "B"), "keras-applications", "resnet34-B"),
        (parse("resnet50", bottleneck_stride="3x3"), "keras-applications", "v1.5"),
        (parse("resnet8", "B", "average"), "cifar", "average"),
        (parse("resnet8"), "pytorch", "unknown layout"),
    ],
)
def test_networks_that_a_layout_does_not_have(arch, layout, message):
    with pytest.raises(UsageError, match=message):
        import_weights(arch, cifar_weights(), layout)


def test_plain_networks_have_no_option():
    arch = infer_architecture("plain8", "cifar", cifar_weights())
    assert arch == parse("plain8")
    import_weights(arch, cifar_weights())
