"""Diagrams of networks side by side, one box per layer, as in Fig. 3.

`lay_out` computes the rows of boxes and arcs; `diagram_figure` draws them. The axes of the figure
have inches as units in horizontal direction and rows in vertical direction.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, NamedTuple

from resnet_keras import accounting
from resnet_keras.accounting import Layer
from resnet_keras.architectures import Architecture
from resnet_keras.reporting.architecture_table import Network, describe_layer
from resnet_keras.reporting.figures import BLACK, LITERAL, new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Size = tuple[int, int]  # height, width

# If a network has more weighted layers, runs of equal blocks are drawn once, with "x N".
_MOST_LAYERS = 60

# In inches.
_ROW_HEIGHT, _COLUMN_WIDTH, _LEFT_MARGIN = 0.30, 2.85, 1.0
_BOX_WIDTH = 1.75
_ARC_WIDTH = 0.28  # how far arcs extend beyond the boxes
# In rows.
_BOX_HEIGHT = 0.58
# Positions in the gap below a row: the arc of one block ends, and below it the next one starts.
_ARC_END, _ARC_START = 0.41, 0.56

# By output size. The colors are pale enough for black text.
_BOX_COLORS = (
    "#E3D4EC",
    "#CFE8D5",
    "#F9D3C4",
    "#CBDDF2",
    "#F6EDB0",
    "#DDDDDD",
    "#CDEBEA",
    "#E9DCC9",
)
_NEUTRAL_COLOR = "#FFFFFF"
_LINE_STYLES = {"identity": "solid", "dimensions": (0, (1.2, 1.6)), "projection": (0, (5, 2))}
_LEGEND = {
    "identity": "identity shortcut",
    "dimensions": "shortcut that increases dimensions",
    "projection": "projection shortcut with equal dimensions",
}


@dataclass
class Shortcut:
    """An arc around the boxes of a block.

    Attributes:
        first: the row of the first box.
        last: the row of the last box.
        kind: `"identity"`, `"projection"` or `"dimensions"` (the dotted shortcuts of the paper,
            which increase dimensions); `None` for a block of a plain network, which has no arc.
        times: the number of equal consecutive blocks that the block represents.

    Example:

    >>> Shortcut(first=2, last=3, kind="identity").times
    1
    """

    first: int
    last: int
    kind: str | None
    times: int = 1


@dataclass
class Column:
    """The layout of one network.

    Attributes:
        title: the name of the network.
        boxes: the layers with their rows; row 0 is at the top.
        blocks: the arcs of the blocks.

    Example:

    >>> Column("resnet20-A").boxes
    []
    """

    title: str
    boxes: list[tuple[int, Layer]] = field(default_factory=list)
    blocks: list[Shortcut] = field(default_factory=list)

    @property
    def image_row(self) -> int:
        """The row of the box "image", directly above the first layer."""
        return self.boxes[0][0] - 1


@dataclass
class Band:
    """The rows of layers with the same output size.

    Attributes:
        size: the output size, height and width.
        first: the first row.
        last: the last row.

    Example:

    >>> Band(size=(32, 32), first=1, last=7).size
    (32, 32)
    """

    size: Size
    first: int
    last: int


class _Unit(NamedTuple):
    """A block, or a single layer outside of blocks.

    Attributes:
        main: the layers on the main path.
        shortcut: the projection or zero-padding, if there is one.
        is_block: whether it is a block.
        times: the number of equal consecutive blocks that it represents.
    """

    main: list[Layer]
    shortcut: Layer | None
    is_block: bool
    times: int


def draw_diagram(networks: Sequence[Network], path: str | os.PathLike[str]) -> None:
    """Draws networks side by side into a file.

    Args:
        networks: each network with its layers, from `accounting.layers`. If one of them has more
            than 60 layers, runs of equal blocks are drawn as one block in all of them.
        path: a .png or .svg file.

    Raises:
        UserError: if the file cannot be written.

    Example:

    >>> from resnet_keras import architectures
    >>> arch = architectures.parse("resnet20")
    >>> draw_diagram([(arch, accounting.layers(arch))], "resnet20.svg")
    >>> os.path.exists("resnet20.svg")
    True
    """
    save_figure(diagram_figure(*lay_out(networks)), path)


def lay_out(networks: Sequence[Network]) -> tuple[list[Column], list[Band]]:
    """Arranges layers so that equal output sizes lie side by side, as in Fig. 3.

    Args:
        networks: see `draw_diagram`.

    Returns:
        One column per network, and the bands of equal output size from the largest to the
        smallest. Row 0 is left free for the image.

    Example:

    >>> from resnet_keras import architectures
    >>> arch = architectures.parse("resnet20")
    >>> columns, bands = lay_out([(arch, accounting.layers(arch))])
    >>> [(band.size, band.first, band.last) for band in bands]
    [((32, 32), 1, 7), ((16, 16), 8, 13), ((8, 8), 14, 19), ((1, 1), 20, 21)]
    """
    collapse = any(accounting.totals(layers).depth > _MOST_LAYERS for _, layers in networks)
    chains = [_units(layers, collapse) for _, layers in networks]
    bands = _bands(chains)
    columns = [
        _column(arch, chain, bands) for (arch, _), chain in zip(networks, chains, strict=True)
    ]
    return columns, bands


def diagram_figure(columns: Sequence[Column], bands: Sequence[Band]) -> Figure:
    """Returns a figure with one column per network, and the output sizes on the left.

    Args:
        columns: from `lay_out`.
        bands: from `lay_out`.

    Example:

    >>> from resnet_keras import architectures
    >>> arch = architectures.parse("plain20")
    >>> figure = diagram_figure(*lay_out([(arch, accounting.layers(arch))]))
    >>> "plain20" in [text.get_text() for text in figure.axes[0].texts]
    True
    """
    rows = bands[-1].last + 1
    width = _LEFT_MARGIN + _COLUMN_WIDTH * len(columns)
    drawn = {block.kind for column in columns for block in column.blocks}
    kinds = [kind for kind in _LINE_STYLES if kind in drawn]
    above, below = 1.6, 0.9 + 0.8 * len(kinds)
    height = _ROW_HEIGHT * (rows + above + below)
    figure = new_figure(width, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(rows + below, -above)
    axes.axis("off")
    _draw_bands(axes, bands, width)
    for index, column in enumerate(columns):
        center = _LEFT_MARGIN + _COLUMN_WIDTH * (index + 0.40)
        _draw_column(axes, column, bands, center)
    _draw_legend(axes, kinds, rows + 0.7)
    return figure


# Layout.


def _units(layers: Iterable[Layer], collapse: bool) -> list[_Unit]:
    units: list[_Unit] = []
    for (_, block), group in groupby(layers, key=lambda layer: (layer.stage, layer.block)):
        members = list(group)
        shortcuts = [layer for layer in members if layer.kind in accounting.SHORTCUTS]
        main = [layer for layer in members if layer.kind not in accounting.SHORTCUTS]
        if block is None:
            units.extend(_Unit([layer], None, False, 1) for layer in main)
        else:
            units.append(_Unit(main, shortcuts[0] if shortcuts else None, True, 1))
    return _collapse_blocks(units) if collapse else units


def _collapse_blocks(units: Sequence[_Unit]) -> list[_Unit]:
    collapsed: list[_Unit] = []
    for _, group in groupby(units, key=_appearance):
        run = list(group)
        if run[0].is_block:
            collapsed.append(run[0]._replace(times=len(run)))
        else:
            collapsed.extend(run)
    return collapsed


def _appearance(unit: _Unit) -> tuple[list[tuple[int, int, str]], bool, bool | None]:
    """Returns what a unit looks like in the diagram. Equal blocks look the same."""
    boxes = [(layer.height, layer.width, describe_layer(layer)) for layer in unit.main]
    increases = _increases_dimensions(unit.main, unit.shortcut) if unit.shortcut else None
    return boxes, unit.is_block, increases


def _bands(chains: Sequence[Sequence[_Unit]]) -> list[Band]:
    """Gives each output size as many rows as any network needs for it."""
    rows: dict[Size, int] = {}
    for chain in chains:
        counts: dict[Size, int] = {}
        for unit in chain:
            for layer in unit.main:
                size = (layer.height, layer.width)
                counts[size] = counts.get(size, 0) + 1
        for size, count in counts.items():
            rows[size] = max(count, rows.get(size, 0))
    bands, row = [], 1
    for size in sorted(rows, reverse=True):
        bands.append(Band(size, row, row + rows[size] - 1))
        row += rows[size]
    return bands


def _column(arch: Architecture, chain: Sequence[_Unit], bands: Sequence[Band]) -> Column:
    column = Column(arch.label)
    next_row = {band.size: band.first for band in bands}
    for unit in chain:
        boxes = []
        for layer in unit.main:
            size = (layer.height, layer.width)
            boxes.append((next_row[size], layer))
            next_row[size] += 1
        column.boxes.extend(boxes)
        if unit.is_block:
            kind = _shortcut_kind(arch, unit)
            column.blocks.append(Shortcut(boxes[0][0], boxes[-1][0], kind, unit.times))
    return column


def _shortcut_kind(arch: Architecture, unit: _Unit) -> str | None:
    if not arch.residual:
        return None
    if unit.shortcut is None:
        return "identity"
    return "dimensions" if _increases_dimensions(unit.main, unit.shortcut) else "projection"


def _increases_dimensions(main: Sequence[Layer], shortcut: Layer) -> bool:
    return shortcut.in_channels != main[-1].out_channels or shortcut.stride > 1


# Drawing.


def _draw_bands(axes: Axes, bands: Sequence[Band], figure_width: float) -> None:
    for band in bands:
        top, bottom = band.first - 0.5, band.last + 0.5
        axes.plot([0.1, figure_width - 0.1], [top, top], color="0.75", linewidth=0.6, zorder=0)
        height, width = band.size
        size = f"{height}" if height == width else f"{height}x{width}"
        separator = "\n" if band.last > band.first else " "
        axes.text(
            0.12, (top + bottom) / 2, f"output{separator}size: {size}", fontsize=7.5, va="center",
            ha="left", color="0.25", linespacing=1.3,
        )  # fmt: skip


def _draw_column(axes: Axes, column: Column, bands: Sequence[Band], center: float) -> None:
    axes.text(
        center, -1.0, column.title, fontsize=10, weight="bold", ha="center", va="center", **LITERAL
    )
    _draw_box(axes, center, column.image_row, "image", _NEUTRAL_COLOR)
    previous = column.image_row
    for row, layer in column.boxes:
        _draw_arrow(axes, center, previous, row)
        _draw_box(axes, center, row, describe_layer(layer), _box_color(layer, bands))
        previous = row
    row_above = {row: above for (above, _), (row, _) in pairwise(column.boxes)}
    for block in column.blocks:
        _draw_block(axes, block, center, row_above[block.first])


def _draw_box(axes: Axes, center: float, row: int, text: str, color: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    inset = 0.04
    axes.add_patch(
        FancyBboxPatch(
            (center - _BOX_WIDTH / 2 + inset, row - _BOX_HEIGHT / 2 + inset),
            _BOX_WIDTH - 2 * inset, _BOX_HEIGHT - 2 * inset,
            boxstyle=f"round,pad={inset}", facecolor=color, edgecolor="0.25", linewidth=0.7,
            zorder=2,
        )
    )  # fmt: skip
    axes.text(center, row, text, fontsize=7.5, ha="center", va="center", zorder=3)


def _draw_arrow(axes: Axes, center: float, upper_row: int, lower_row: int) -> None:
    axes.annotate(
        "", (center, lower_row - _BOX_HEIGHT / 2), (center, upper_row + _BOX_HEIGHT / 2),
        arrowprops={"arrowstyle": "-|>", "linewidth": 0.8, "color": BLACK, "shrinkA": 0,
                    "shrinkB": 0, "mutation_scale": 5},
        zorder=1,
    )  # fmt: skip


def _draw_block(axes: Axes, block: Shortcut, center: float, row_above: int) -> None:
    """Draws the arc of a block, and how often the block is repeated."""
    right = center + _BOX_WIDTH / 2
    if block.kind is not None:
        # The arc leaves the arrow into the block and returns to the arrow out of it.
        start, end = row_above + _ARC_START, block.last + _ARC_END
        _draw_arc(axes, block.kind, center, right, start, end)
    if block.times == 1:
        return
    edge = right + (_ARC_WIDTH if block.kind else 0.12)
    if block.kind is None:
        top, bottom = block.first - _BOX_HEIGHT / 2, block.last + _BOX_HEIGHT / 2
        axes.plot(
            [edge - 0.06, edge, edge, edge - 0.06], [top, top, bottom, bottom],
            color=BLACK, linewidth=0.9,
        )  # fmt: skip
    middle = (block.first + block.last) / 2
    axes.text(edge + 0.06, middle, f"x {block.times}", fontsize=9, weight="bold", va="center")


def _draw_arc(axes: Axes, kind: str, center: float, right: float, start: float, end: float) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    outer, bend = right + _ARC_WIDTH, 0.9
    path = Path(
        [(center, start), (right, start), (outer, start), (outer, start + bend),
         (outer, end - bend), (outer, end), (right, end), (center, end)],
        [Path.MOVETO, Path.LINETO, Path.CURVE3, Path.CURVE3,
         Path.LINETO, Path.CURVE3, Path.CURVE3, Path.LINETO],
    )  # fmt: skip
    arc = FancyArrowPatch(
        path=path, arrowstyle="-|>", mutation_scale=5, linewidth=0.9, color=BLACK,
        linestyle=_LINE_STYLES[kind], fill=False, zorder=1,
    )  # fmt: skip
    arc.set_gid(f"shortcut-{kind}")
    axes.add_patch(arc)


def _draw_legend(axes: Axes, kinds: Sequence[str], top: float) -> None:
    for index, kind in enumerate(kinds):
        y = top + 0.8 * index
        axes.plot([0.15, 0.65], [y, y], color=BLACK, linewidth=1, linestyle=_LINE_STYLES[kind])
        axes.text(0.75, y, _LEGEND[kind], fontsize=7.5, va="center")


def _box_color(layer: Layer, bands: Sequence[Band]) -> str:
    if layer.kind not in ("conv", "projection"):
        return _NEUTRAL_COLOR
    sizes = [band.size for band in bands if band.size != (1, 1)]
    size = (layer.height, layer.width)
    # A stage with an output size of 1x1, in a network for tiny images, takes the last color.
    return _BOX_COLORS[sizes.index(size) % len(_BOX_COLORS) if size in sizes else -1]
