"""Tables of architectures as text."""

import pytest

from resnet_keras import accounting, architectures
from resnet_keras.reporting.architecture_table import (
    architecture_table,
    describe_layer,
    format_multiply_adds,
    stage_lines,
)


def network(name, option=None):
    arch = architectures.parse(name, option)
    return arch, accounting.layers(arch)


def rows(text):
    return {line.split()[0]: line for line in text.splitlines() if line.strip(" -")}


def test_a_cifar_network_has_the_table_of_section_4_2():
    table = rows(architecture_table([network("resnet20", "B")]))
    assert "resnet20-B" in table
    assert table["conv1"].split() == ["conv1", "32x32", "3x3", "conv,", "16", "464", "0.4M"]
    assert "[3x3, 16; 3x3, 16] x 3" in table["stage1"]
    assert "[3x3, 32; 3x3, 32] x 3" in table["stage2"] and " 16x16 " in table["stage2"]
    assert "[3x3, 64; 3x3, 64] x 3" in table["stage3"] and " 8x8 " in table["stage3"]
    assert "20 weighted layers" in table["total"] and "272,474" in table["total"]


def test_the_parameters_of_the_stages_add_up_to_the_total():
    lines = architecture_table([network("resnet50")]).splitlines()
    counts = [int(line.split()[-2].replace(",", "")) for line in lines if line.endswith(("G", "M"))]
    assert sum(counts[:-1]) == counts[-1] == 25_557_032


def test_columns_are_aligned():
    lines = architecture_table([network("vgg19")]).splitlines()[1:]
    costs = [line for line in lines if line.endswith(("G", "M"))]
    assert len({len(line) for line in costs}) == 1
    assert all(line == line.rstrip() for line in lines)


def test_several_networks_look_like_table_1():
    text = architecture_table([network("plain34"), network("resnet152")])
    lines = text.splitlines()
    assert lines[0].split() == ["stage", "output", "plain34", "resnet152-B"]
    column = lines[0].index("resnet152-B")
    cells = [line[column:].strip() for line in lines]
    stage3 = cells.index("[1x1, 256 ]", next(i for i, x in enumerate(lines) if "stage3" in x))
    assert cells[stage3 : stage3 + 4] == [
        "[1x1, 256 ]",
        "[3x3, 256 ] x 36",
        "[1x1, 1024]",
        "40,613,888 / 7.94G",
    ]
    assert rows(text)["multiply-adds"].split() == ["multiply-adds", "3.64G", "11.28G"]


def test_output_sizes_are_in_the_cells_if_they_differ():
    text = architecture_table([network("vgg19"), network("plain34")])
    table = rows(text)
    assert table["stage1"].split() == ["stage1", "224x224", "56x56"]
    assert table["stage5"].split()[:2] == ["stage5", "14x14"] and table["stage5"].endswith(" -")


def test_max_pooling_belongs_to_the_first_stage():
    arch, layers = network("resnet34")
    stages = accounting.by_stage(layers)
    assert stage_lines(arch, stages["stage1"]) == ["3x3 max pool, /2", "[3x3, 64; 3x3, 64] x 3"]


def test_equal_layers_of_vgg_are_counted():
    arch, layers = network("vgg19")
    stages = accounting.by_stage(layers)
    assert stage_lines(arch, stages["stage3"]) == ["3x3 conv, 256 x 4", "2x2 max pool, /2"]
    assert stage_lines(arch, stages["classifier"]) == ["fc 4096 x 2", "fc 1000"]


def test_layers_are_described_as_in_fig_3():
    words = [describe_layer(layer) for layer in network("resnet18", "A")[1]]
    assert words[:3] == ["7x7 conv, 64, /2", "3x3 max pool, /2", "3x3 conv, 64"]
    assert "zeros to 128, /2" in words
    assert words[-2:] == ["avg pool", "fc 1000"]


@pytest.mark.parametrize(
    "number, text", [(3_644_493_824, "3.64G"), (40_551_040, "40.6M"), (640, "640")]
)
def test_multiply_adds_have_units(number, text):
    assert format_multiply_adds(number) == text
