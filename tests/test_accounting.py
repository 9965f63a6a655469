"""Layers, parameters and multiply-adds, compared with the paper and with `build`."""

import os

import pytest

from resnet_keras import accounting, architectures
from resnet_keras.errors import UsageError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

CIFAR_PARAMETERS = {
    20: (269_722, 272_474, 283_962),
    32: (464_154, 466_906, 489_594),
    44: (658_586, 661_338, 695_226),
    56: (853_018, 855_770, 900_858),
    110: (1_727_962, 1_730_714, 1_826_202),
    1202: (19_421_274, 19_424_026, 20_538_714),
}
IMAGENET_PARAMETERS = {
    ("resnet18", "B"): 11_689_512,
    ("resnet34", "B"): 21_797_672,
    ("resnet34", "C"): 22_716_840,
    ("resnet50", "B"): 25_557_032,
    ("resnet101", "B"): 44_549_160,
    ("resnet152", "B"): 60_192_808,
    ("vgg19", None): 143_667_240,
}
# Table 1 and Fig. 3, in units of 1e9.
PAPER_GIGA = {
    "plain18": 1.8,
    "plain34": 3.6,
    "resnet18": 1.8,
    "resnet34": 3.6,
    "resnet101": 7.6,
    "resnet152": 11.3,
    "vgg19": 19.6,
}


def layers_of(name, option=None, classes=None, image_size=None, **variants):
    arch = architectures.parse(name, option, **variants)
    return accounting.layers(arch, classes, image_size)


def parameters(*args, **kwargs):
    return accounting.totals(layers_of(*args, **kwargs)).parameters


@pytest.mark.parametrize("depth", CIFAR_PARAMETERS)
def test_cifar_parameters(depth):
    counts = tuple(parameters(f"resnet{depth}", option) for option in "ABC")
    assert counts == CIFAR_PARAMETERS[depth]
    assert parameters(f"plain{depth}") == counts[0]


@pytest.mark.parametrize("name, option", IMAGENET_PARAMETERS)
def test_imagenet_parameters(name, option):
    assert parameters(name, option) == IMAGENET_PARAMETERS[name, option]


def test_average_projections_have_a_bias_and_no_batch_normalization():
    assert parameters("resnet20", "B", projection="average") == 272_378
    assert parameters("resnet20", "C", projection="average") == 283_626


@pytest.mark.parametrize("name", PAPER_GIGA)
def test_multiply_adds_equal_those_of_the_paper(name):
    total = accounting.totals(layers_of(name))
    assert round(total.multiply_adds / 1e9, 1) == PAPER_GIGA[name]


def test_the_paper_truncates_the_multiply_adds_of_resnet50():
    # They are 3.858e9. Table 1 has 3.8 and rounds all others.
    total = accounting.totals(layers_of("resnet50"))
    assert int(total.multiply_adds / 1e8) / 10 == 3.8


def test_the_first_1x1_convolution_has_the_stride_by_default():
    paper = {layer.name: layer for layer in layers_of("resnet50")}
    later = {layer.name: layer for layer in layers_of("resnet50", bottleneck_stride="3x3")}
    assert paper["stage2_block1_conv1"].stride == later["stage2_block1_conv2"].stride == 2
    assert paper["stage2_block1_conv1"].height == 28
    assert later["stage2_block1_conv1"].height == 56
    assert parameters("resnet50", bottleneck_stride="3x3") == parameters("resnet50")


def test_option_a_shortcuts_cost_nothing_and_are_listed():
    shortcuts = [layer for layer in layers_of("resnet20") if layer.kind == "zero_padding"]
    assert [layer.name for layer in shortcuts] == [
        "stage2_block1_shortcut",
        "stage3_block1_shortcut",
    ]
    assert {layer.parameters + layer.multiply_adds for layer in shortcuts} == {0}
    plain = accounting.totals(layers_of("plain20"))
    assert accounting.totals(layers_of("resnet20")) == plain


@pytest.mark.parametrize("name", [*architectures.NAMES, "resnet26"])
def test_depth_is_the_number_in_the_name(name):
    assert accounting.totals(layers_of(name)).depth == architectures.parse(name).depth


def test_fields_of_a_layer():
    layer = next(x for x in layers_of("resnet20", "B") if x.name == "stage2_block1_projection")
    assert layer == accounting.Layer(
        name="stage2_block1_projection",
        kind="projection",
        stage="stage2",
        block=1,
        kernel=1,
        stride=2,
        in_channels=16,
        out_channels=32,
        height=16,
        width=16,
        parameters=16 * 32 + 2 * 32,
        multiply_adds=16 * 32 * 16 * 16,
    )


def test_by_stage_keeps_the_order():
    layers = layers_of("resnet18")
    stages = accounting.by_stage(layers)
    assert list(stages) == ["conv1", "stage1", "stage2", "stage3", "stage4", "classifier"]
    assert tuple(layer for members in stages.values() for layer in members) == layers
    assert stages["stage1"][0].name == "pool1"


@pytest.mark.parametrize(
    "name, option, variants, size",
    [
        ("plain20", None, {}, (32, 32)),
        ("resnet20", "A", {}, (33, 47)),
        ("resnet20", "C", {"projection": "average"}, (32, 32)),
        ("resnet18", "B", {}, (65, 90)),
        ("resnet50", "B", {"bottleneck_stride": "3x3"}, (64, 64)),
        ("vgg19", None, {}, (47, 64)),
    ],
)
def test_agrees_with_the_keras_builders(name, option, variants, size):
    from resnet_keras.models.build import build

    arch = architectures.parse(name, option, **variants)
    model = build(arch, classes=7, input_shape=(*size, 3))
    layers = accounting.layers(arch, 7, size)
    trainable = sum(int(weight.shape.num_elements()) for weight in model.trainable_weights)
    assert accounting.totals(layers).parameters == trainable
    weighted = {layer.name for layer in model.layers if type(layer).__name__ in ("Conv2D", "Dense")}
    assert {layer.name for layer in layers if layer.parameters} == weighted
    for layer in layers:
        shape = model.get_layer(layer.name).output.shape
        if len(shape) == 4:
            assert tuple(shape[1:]) == (layer.height, layer.width, layer.out_channels), layer
        else:
            assert shape[-1] == layer.out_channels


@pytest.mark.parametrize("classes", [0, -1, True, 2.0])
def test_invalid_classes(classes):
    with pytest.raises(UsageError, match="classes"):
        layers_of("resnet20", classes=classes)


@pytest.mark.parametrize("size", [0, -3, (32, 0), (32, 32, 3), True, 3.5, "32"])
def test_invalid_image_sizes(size):
    with pytest.raises(UsageError, match="image_size must be"):
        layers_of("resnet20", image_size=size)


def test_vgg_needs_32_pixels():
    with pytest.raises(UsageError, match="at least 32"):
        layers_of("vgg19", image_size=31)
    assert layers_of("vgg19", image_size=32)[-3].in_channels == 512
