"""Diagrams like Fig. 3: the layout of boxes and arcs, and the files."""

import pytest

from resnet_keras import accounting, architectures
from resnet_keras.errors import UserError
from resnet_keras.reporting.architecture_table import describe_layer
from resnet_keras.reporting.diagram import diagram_figure, draw_diagram, lay_out


def network(name, option=None):
    arch = architectures.parse(name, option)
    return arch, accounting.layers(arch)


def figure_of(*networks):
    return diagram_figure(*lay_out(networks))


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_equal_output_sizes_lie_side_by_side():
    columns, bands = lay_out([network("vgg19"), network("plain34"), network("resnet34")])
    assert [band.size[0] for band in bands] == [224, 112, 56, 28, 14, 7, 1]
    for column in columns:
        for row, layer in column.boxes:
            band = next(band for band in bands if band.first <= row <= band.last)
            assert (layer.height, layer.width) == band.size


def test_each_layer_of_the_main_path_has_its_own_row():
    (column,), _ = lay_out([network("resnet34")])
    assert len(column.boxes) == 34 + 2  # plus the two pooling layers
    rows = [row for row, _ in column.boxes]
    assert rows == sorted(set(rows)) and column.image_row == 0


def test_shortcuts_that_increase_dimensions_have_their_own_kind():
    (column,), _ = lay_out([network("resnet34", "A")])
    kinds = [block.kind for block in column.blocks]
    assert len(kinds) == 16
    assert [i for i, kind in enumerate(kinds) if kind == "dimensions"] == [3, 7, 13]
    assert set(kinds) == {"identity", "dimensions"}


def test_option_c_has_no_identity_shortcut_and_plain_networks_have_no_arc():
    columns, _ = lay_out([network("resnet20", "C"), network("plain20")])
    assert {block.kind for block in columns[0].blocks} == {"projection", "dimensions"}
    assert {block.kind for block in columns[1].blocks} == {None}


def test_stage_1_of_a_bottleneck_increases_dimensions_too():
    (column,), _ = lay_out([network("resnet50")])
    assert column.blocks[0].kind == "dimensions"
    assert sum(block.kind == "dimensions" for block in column.blocks) == 4


@pytest.mark.parametrize("option", "ABC")
def test_equal_blocks_of_deep_networks_are_drawn_once(option):
    arch, layers = network("resnet152", option)
    (column,), bands = lay_out([(arch, layers)])
    assert bands[-1].last < 35
    assert [block.times for block in column.blocks] == [1, 2, 1, 7, 1, 35, 1, 2]
    assert sum(block.times for block in column.blocks) == sum(arch.blocks)


def test_all_blocks_of_shallower_networks_are_drawn():
    (column,), _ = lay_out([network("resnet56")])
    assert {block.times for block in column.blocks} == {1}


def test_the_figure_shows_boxes_sizes_and_titles():
    networks = [network("vgg19"), network("resnet34", "A")]
    drawn = texts(figure_of(*networks))
    for arch, layers in networks:
        assert arch.label in drawn
        for layer in layers:
            if layer.kind != "zero_padding":
                assert describe_layer(layer) in drawn
    assert drawn.count("3x3 conv, 256") == 4 + 11
    assert drawn.count("image") == 2
    assert any("224" in text for text in drawn)


def test_identity_shortcuts_are_solid_and_those_that_increase_dimensions_dotted():
    figure = figure_of(network("resnet20", "A"))
    arcs = [patch for patch in figure.axes[0].patches if patch.get_gid()]
    styles = {}
    for arc in arcs:
        styles.setdefault(arc.get_gid(), set()).add(str(arc.get_linestyle()))
    assert len(arcs) == 9
    assert styles["shortcut-identity"] in ({"solid"}, {"-"})
    assert styles["shortcut-dimensions"].isdisjoint({"solid", "-"})


def test_repeated_blocks_have_their_number():
    drawn = texts(figure_of(network("plain110"), network("resnet110")))
    assert drawn.count("x 18") == 2 and drawn.count("x 17") == 4


def test_nothing_is_drawn_outside_the_figure():
    figure = figure_of(network("resnet1202"), network("resnet152"))
    figure.canvas.draw()
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1, text
        assert box.y0 >= 0 and box.y1 <= figure.bbox.y1, text


@pytest.mark.parametrize(
    "name, start", [("fig3.png", b"\x89PNG"), ("fig3.svg", b"<?xml"), ("FIG3.PNG", b"\x89PNG")]
)
def test_the_suffix_selects_the_format(tmp_path, name, start):
    draw_diagram([network("resnet20")], tmp_path / "new" / name)
    assert (tmp_path / "new" / name).read_bytes().startswith(start)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]


def test_a_file_that_cannot_be_written_is_a_user_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot create the folder"):
        draw_diagram([network("resnet20")], tmp_path / "file" / "fig3.png")
