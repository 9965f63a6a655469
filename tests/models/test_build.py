"""`build`: exact parameter counts, layer names, settings, and rejected arguments."""

import time

import keras
import numpy as np
import pytest

from resnet_keras import architectures
from resnet_keras.errors import UsageError
from resnet_keras.models.build import build

CIFAR = {
    20: (269_722, 272_474, 283_962),
    32: (464_154, 466_906, 489_594),
    44: (658_586, 661_338, 695_226),
    56: (853_018, 855_770, 900_858),
    110: (1_727_962, 1_730_714, 1_826_202),
}
IMAGENET = {
    ("resnet18", "B"): 11_689_512,
    ("resnet34", "B"): 21_797_672,
    ("resnet34", "C"): 22_716_840,
    ("resnet50", "B"): 25_557_032,
    ("resnet101", "B"): 44_549_160,
    ("resnet152", "B"): 60_192_808,
    ("vgg19", None): 143_667_240,
}


def trainable(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def cifar_cases():
    for depth, counts in CIFAR.items():
        marks = pytest.mark.slow if depth in (44, 56, 110) else ()
        for option, count in zip("ABC", counts, strict=True):
            yield pytest.param(f"resnet{depth}", option, count, marks=marks)
        yield pytest.param(f"plain{depth}", None, counts[0], marks=marks)


@pytest.mark.parametrize("arch, option, count", cifar_cases())
def test_cifar_parameters(arch, option, count):
    assert trainable(build(arch, option)) == count


@pytest.mark.slow
@pytest.mark.parametrize(
    "option, count", zip("ABC", (19_421_274, 19_424_026, 20_538_714), strict=True)
)
def test_resnet_1202(option, count):
    start = time.monotonic()
    model = build("resnet1202", option)
    assert time.monotonic() - start < 60
    assert trainable(model) == count


@pytest.mark.parametrize("option, count", [("B", 272_378), ("C", 283_626)])
def test_average_parameters(option, count):
    assert trainable(build("resnet20", option, projection="average")) == count


@pytest.mark.parametrize(
    "arch, option",
    [
        pytest.param(*key, marks=() if key[0] == "resnet18" else pytest.mark.slow)
        for key in IMAGENET
    ],
)
def test_imagenet_parameters(arch, option):
    assert trainable(build(arch, option)) == IMAGENET[arch, option]


@pytest.mark.slow
def test_imagenet_option_a_has_no_parameters():
    assert trainable(build("resnet18", "A")) == trainable(build("plain18"))
    assert trainable(build("resnet34", "A")) == trainable(build("plain34"))


@pytest.fixture(scope="module")
def resnet8():
    """The smallest networks, by shortcut option."""
    models = {option: build("resnet8", option) for option in "ABC"}
    models["average"] = build("resnet8", "B", projection="average")
    models["plain"] = build("plain8")
    return models


def test_layer_names(resnet8):
    names = [layer.name for layer in resnet8["C"].layers]
    assert names[0] == "images" and names[-2:] == ["pool", "logits"]
    for stage in (1, 2, 3):
        for part in ("conv1", "bn1", "relu1", "conv2", "bn2", "add", "relu2"):
            assert f"stage{stage}_block1_{part}" in names
        assert f"stage{stage}_block1_projection" in names
        assert f"stage{stage}_block1_projection_bn" in names
    names_b = [layer.name for layer in resnet8["B"].layers if "projection" in layer.name]
    assert names_b == [
        "stage2_block1_projection",
        "stage2_block1_projection_bn",
        "stage3_block1_projection",
        "stage3_block1_projection_bn",
    ]
    names_a = [layer.name for layer in resnet8["A"].layers if "shortcut" in layer.name]
    assert names_a == ["stage2_block1_shortcut", "stage3_block1_shortcut"]
    names_plain = [layer.name for layer in resnet8["plain"].layers]
    assert not any("add" in name or "shortcut" in name for name in names_plain)


def test_shapes_of_the_stages(resnet8):
    model = resnet8["A"]
    shapes = [model.get_layer(f"stage{stage}_block1_relu2").output.shape for stage in (1, 2, 3)]
    assert shapes == [(None, 32, 32, 16), (None, 16, 16, 32), (None, 8, 8, 64)]
    assert model.output.shape == (None, 10)


def test_relu_comes_after_the_addition(resnet8):
    model = resnet8["A"]
    add = model.get_layer("stage1_block1_add")
    inputs = {tensor._keras_history.operation.name for tensor in add.input}
    assert inputs == {"stage1_block1_bn2", "relu1"}
    after = model.get_layer("stage1_block1_relu2").input._keras_history.operation.name
    assert after == "stage1_block1_add"


def test_models_contain_nothing_that_belongs_to_training(resnet8):
    for model in resnet8.values():
        assert model.losses == []
        assert not model.compiled
        for layer in model.layers:
            assert "Dropout" not in type(layer).__name__
            for name in ("kernel_regularizer", "bias_regularizer", "beta_regularizer",
                         "gamma_regularizer", "activity_regularizer"):  # fmt: skip
                assert getattr(layer, name, None) is None


def test_batch_norm_settings(resnet8):
    for model in resnet8.values():
        layers = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
        convolutions = [x for x in model.layers if isinstance(x, keras.layers.Conv2D)]
        bare = [x for x in convolutions if not x.use_bias]
        assert len(layers) == len(bare) >= 7  # one per convolution without bias
        for layer in layers:
            assert (layer.momentum, layer.epsilon) == (0.9, 1e-5)
            assert layer.scale and layer.center


def test_he_normal_is_not_truncated():
    keras.utils.set_random_seed(3)
    model = build("resnet26", "C")
    scaled = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel = layer.kernel.numpy()
            fan_in = kernel.shape[0] * kernel.shape[1] * kernel.shape[2]
            scaled.append(kernel.ravel() / np.sqrt(2 / fan_in))
            if kernel.size > 4000:
                assert abs(scaled[-1].std() - 1) < 0.05, layer.name
                assert abs(scaled[-1].mean()) < 0.05, layer.name
    values = np.concatenate(scaled)
    assert abs(values.std() - 1) < 0.01
    # A Gaussian has 4.55 % of its values beyond two standard deviations and 0.27 % beyond three. A
    # truncated one has none.
    assert abs(np.mean(np.abs(values) > 2) - 0.0455) < 0.002
    assert abs(np.mean(np.abs(values) > 3) - 0.0027) < 0.0005
    assert not model.get_layer("logits").bias.numpy().any()


def test_two_builds_have_different_initial_weights():
    keras.utils.set_random_seed(3)
    first, second = build("resnet8"), build("resnet8")
    assert not np.array_equal(
        first.get_layer("conv1").kernel.numpy(), second.get_layer("conv1").kernel.numpy()
    )


@pytest.mark.parametrize("arch, option", [("resnet8", "A"), ("resnet8", "C"), ("plain8", None)])
def test_float32_logits_under_mixed_precision(arch, option):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = build(arch, option, input_shape=(8, 8, 3))
    assert model.get_layer("conv1").compute_dtype == "bfloat16"
    assert model.get_layer("stage3_block1_relu2").output.dtype == "bfloat16"
    assert model.output.dtype == "float32"
    assert all(variable.dtype == "float32" for variable in model.variables)
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)
    mixed = model(images, training=False)
    assert mixed.dtype == "float32"
    keras.config.set_dtype_policy("float32")
    plain = build(arch, option, input_shape=(8, 8, 3))
    plain.set_weights(model.get_weights())
    np.testing.assert_allclose(mixed, plain(images, training=False), atol=0.1, rtol=0.1)


def test_any_size(resnet8):
    model = build("resnet8", "A", input_shape=(None, None, 3))
    model.set_weights(resnet8["A"].get_weights())
    assert model.input.shape == (None, None, None, 3)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(model(images), resnet8["A"](images), atol=1e-5)
    # Odd sizes too: shortcuts and convolutions round in the same way.
    for side in ((9, 13), (1, 1), (7, 40)):
        assert model(rng.normal(size=(1, *side, 3)).astype(np.float32)).shape == (1, 10)


def test_include_top(resnet8):
    model = build("resnet8", "B", include_top=False)
    assert model.output.shape == (None, 8, 8, 64)
    full = resnet8["B"]
    model.set_weights(full.get_weights()[:-2])
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    features = np.asarray(model(images, training=False))
    kernel, bias = full.get_weights()[-2:]
    np.testing.assert_allclose(
        features.mean(axis=(1, 2)) @ kernel + bias, full(images, training=False), atol=1e-4
    )


def test_classes_and_architecture_object():
    arch = architectures.parse("resnet8", "C", "average")
    model = build(arch, classes=7, input_shape=(8, 8, 3))
    assert model.output.shape == (None, 7)
    assert model.name == "resnet8_c_average"
    assert [x.name for x in model.layers if "projection" in x.name] == [
        f"stage{stage}_block1_projection" for stage in (1, 2, 3)
    ]


def test_stem_and_stride_of_bottlenecks():
    for stride, striding in (("1x1", "conv1"), ("3x3", "conv2")):
        model = build(
            "resnet50", input_shape=(32, 32, 3), include_top=False, bottleneck_stride=stride
        )
        for stage in (2, 3, 4):
            strided = [
                layer.name
                for layer in model.layers
                if isinstance(layer, keras.layers.Conv2D)
                and layer.strides == (2, 2)
                and layer.name.startswith(f"stage{stage}_")
            ]
            assert sorted(strided) == [
                f"stage{stage}_block1_{striding}", f"stage{stage}_block1_projection"
            ]  # fmt: skip
        assert model.get_layer("conv1").kernel_size == (7, 7)
        assert model.get_layer("pool1").output.shape[1:3] == (8, 8)
        assert model.output.shape == (None, 1, 1, 2048)


@pytest.mark.parametrize(
    "args, words",
    [
        ({"arch": "plain20", "option": "B"}, ["plain20", "no shortcuts"]),
        ({"arch": "resnet20", "option": "A", "projection": "average"}, ["option A", "average"]),
        ({"arch": "resnet20", "projection": "average"}, ["option A", "average"]),
        ({"arch": "rsnet20"}, ["'rsnet20'", "known: resnet20"]),
        ({"arch": "resnet20", "option": "D"}, ["'D'", "known:"]),
        ({"arch": "resnet20", "option": "B", "projection": "avrage"}, ["known: average"]),
        ({"arch": "resnet8", "classes": 0}, ["classes", "0"]),
        ({"arch": "resnet8", "classes": 2.0}, ["classes", "2.0"]),
        ({"arch": "resnet8", "input_shape": (32, 32)}, ["input_shape", "(32, 32)"]),
        ({"arch": "resnet8", "input_shape": (32, 32, 1)}, ["input_shape"]),
        ({"arch": "resnet8", "input_shape": (0, 32, 3)}, ["input_shape"]),
        ({"arch": "vgg19", "input_shape": (None, None, 3)}, ["vgg19", "fixed"]),
    ],
)
def test_rejected_arguments(args, words):
    with pytest.raises(UsageError) as caught:
        build(**args)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    "kwargs", [{"option": "B"}, {"projection": "average"}, {"bottleneck_stride": "3x3"}]
)
def test_an_architecture_and_its_variant_together_are_rejected(kwargs):
    with pytest.raises(UsageError, match="leave out these arguments for resnet8-A"):
        build(architectures.parse("resnet8"), **kwargs)
