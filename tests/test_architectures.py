"""`parse`: the paper's tables, labels, and rejected names."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnet_keras import architectures
from resnet_keras.architectures import NAMES, Architecture, parse
from resnet_keras.errors import UsageError

IMAGENET = {
    "resnet18": ((2, 2, 2, 2), "basic", "A"),
    "resnet34": ((3, 4, 6, 3), "basic", "A"),
    "resnet50": ((3, 4, 6, 3), "bottleneck", "B"),
    "resnet101": ((3, 4, 23, 3), "bottleneck", "B"),
    "resnet152": ((3, 8, 36, 3), "bottleneck", "B"),
    "plain18": ((2, 2, 2, 2), "basic", None),
    "plain34": ((3, 4, 6, 3), "basic", None),
}


@pytest.mark.parametrize("depth, n", [(20, 3), (32, 5), (44, 7), (56, 9), (110, 18), (1202, 200)])
def test_cifar_names(depth, n):
    arch = parse(f"resnet{depth}")
    assert (arch.family, arch.depth, arch.block) == ("cifar", depth, "basic")
    assert (arch.blocks, arch.filters) == ((n, n, n), (16, 32, 64))
    assert (arch.option, arch.projection) == ("A", "conv_bn")
    assert (arch.classes, arch.image_size, arch.expansion) == (10, 32, 1)


@pytest.mark.parametrize("name", IMAGENET)
def test_imagenet_names(name):
    arch = parse(name)
    assert (arch.blocks, arch.block, arch.option) == IMAGENET[name]
    assert (arch.family, arch.filters) == ("imagenet", (64, 128, 256, 512))
    assert (arch.classes, arch.image_size) == (1000, 224)
    assert arch.expansion == (4 if arch.block == "bottleneck" else 1)
    # The paper counts the stem, the convolutions of the blocks and the dense layer.
    assert arch.depth == 2 + sum(arch.blocks) * (3 if arch.block == "bottleneck" else 2)


def test_vgg19():
    arch = parse("vgg19")
    assert sum(arch.blocks) + 3 == 19
    assert not arch.residual


@given(st.integers(0, 99_999), st.sampled_from(["plain", "resnet"]))
def test_every_other_depth_of_6n_plus_2(depth, kind):
    name = f"{kind}{depth}"
    if name in NAMES:
        return
    if depth >= 8 and (depth - 2) % 6 == 0:
        arch = parse(name)
        assert 6 * arch.blocks[0] + 2 == depth == arch.depth
        assert arch.residual == (kind == "resnet")
    else:
        with pytest.raises(UsageError, match="known"):
            parse(name)


@pytest.mark.parametrize(
    "args, label",
    [
        (("plain20",), "plain20"),
        (("resnet20",), "resnet20-A"),
        (("resnet20", "C"), "resnet20-C"),
        (("resnet20", "B", "average"), "resnet20-B-average"),
        (("resnet50",), "resnet50-B"),
        (("resnet50", "C", "average", "3x3"), "resnet50-C-average-v1.5"),
        (("vgg19",), "vgg19"),
    ],
)
def test_labels(args, label):
    assert parse(*args).label == label


def test_labels_are_unique():
    variants = [parse(name) for name in NAMES if not name.startswith("resnet")]
    for name in NAMES:
        if name.startswith("resnet"):
            variants += [parse(name, option) for option in "ABC"]
            variants += [parse(name, option, "average") for option in "BC"]
    assert len({arch.label for arch in variants}) == len(variants)


@pytest.mark.parametrize(
    "args, words",
    [
        (("plain20", "A"), ["plain20", "no shortcuts", "'A'", "resnet20"]),
        (("plain20", None, "average"), ["plain20", "average"]),
        (("vgg19", "B"), ["vgg19", "no shortcuts"]),
        (("resnet20", "A", "average"), ["option A", "average", "B or C"]),
        (("resnet20", None, "average"), ["option A", "average"]),
        (("resnet20", "B", "conv_bn", "3x3"), ["no bottleneck", "resnet20"]),
        (("resnet50", "B", "conv_bn", "2x2"), ["bottleneck stride", "'2x2'", "1x1", "3x3"]),
        (("resnet20", "D"), ["option", "'D'", "A, B, C"]),
        (("resnet20", "a"), ["option", "known: A"]),
        (("resnet20", ""), ["option"]),
        (("resnet20", "B", "averge"), ["projection", "known: average"]),
        (("resnt20",), ["'resnt20'", "known: resnet20"]),
        (("resnet21",), ["'resnet21'", "known: resnet2", "6n+2"]),
        (("Resnet20",), ["known: resnet20"]),
        (("resnet020",), ["known: resnet20"]),
        (("resnet٢٠",), ["known:"]),
        (("",), ["known:"]),
    ],
)
def test_rejected_arguments(args, words):
    with pytest.raises(UsageError) as caught:
        parse(*args)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_the_message_for_a_plain_network_suggests_a_residual_one():
    with pytest.raises(UsageError, match="resnet34"):
        parse("plain34", "B")


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse("resnet20").depth = 3
    assert parse("resnet20") == parse("resnet20", "A")
    assert hash(parse("resnet20")) == hash(parse("resnet20", "A"))
    assert isinstance(parse(architectures.NAMES[0]), Architecture)


@given(st.text(max_size=12))
def test_any_text_is_parsed_or_rejected(text):
    try:
        assert parse(text).name == text
    except UsageError as error:
        assert error.exit_status == 2
