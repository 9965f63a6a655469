"""Networks side by side, a box a layer, as in Fig. 3.

`diagram_layout` says where the boxes lie. One unit of the axes is a row high.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from resnet_keras import accounting
from resnet_keras.accounting import Layer
from resnet_keras.architectures import Architecture
from resnet_keras.reporting.architecture_table import describe_layer
from resnet_keras.reporting.figures import BLACK, LITERAL, new_figure, save

# More weighted layers than this, and equal blocks in a row are drawn once, with "x N".
MOST_LAYERS = 60


@dataclass
class Shortcut:
    """An arc around the boxes from row `first` to row `last`.

    Attributes:
        kind: `"identity"`, `"projection"` or `"dimensions"`: the paper's dotted ones, which
            increase dimensions.
        times: how many equal blocks in a row the block stands for.
    """

    first: int
    last: int
    kind: str | None
    times: int = 1


@dataclass
class Column:
    """One network laid out: `boxes` are `(row, layer)`, row 0 the topmost; `blocks` their arcs.

    A block of a plain network has an arc of kind `None`: none is drawn, but "x N" may be.
    """

    title: str
    boxes: list[tuple[int, Layer]] = field(default_factory=list)
    blocks: list[Shortcut] = field(default_factory=list)

    @property
    def image_row(self) -> int:
        """The row of the box "image", right above the first layer."""
        return self.boxes[0][0] - 1


@dataclass
class Band:
    """The rows from `first` to `last` whose layers put out `size`, (height, width)."""

    size: tuple[int, int]
    first: int
    last: int


def lay_out(
    networks: Sequence[tuple[Architecture, Sequence[Layer]]],
) -> tuple[list[Column], list[Band]]:
    """Places the layers so that equal output sizes lie side by side, as in Fig. 3.

    Returns:
        A column a network, and the bands of equal output size from the largest down. Row 0 is
        free for the image.
    """
    collapse = any(accounting.totals(layers).depth > MOST_LAYERS for _, layers in networks)
    chains = [_units(layers, collapse) for _, layers in networks]
    bands = _bands(chains)
    columns = [
        _column(arch, chain, bands) for (arch, _), chain in zip(networks, chains, strict=True)
    ]
    return columns, bands


def _units(layers, collapse):
    """Groups layers into units `(main layers, shortcut or None, is a block, times)`."""
    units = []
    for (_, block), members in groupby(layers, key=lambda layer: (layer.stage, layer.block)):
        members = list(members)
        shortcut = [layer for layer in members if layer.kind in accounting.SHORTCUTS]
        main = [layer for layer in members if layer.kind not in accounting.SHORTCUTS]
        if block is None:
            units.extend(([layer], None, False, 1) for layer in main)
        else:
            units.append((main, shortcut[0] if shortcut else None, True, 1))
    return _collapsed(units) if collapse else units


def _collapsed(units):
    out = []
    for _, run in groupby(units, key=_looks):
        run = list(run)
        main, shortcut, block, _ = run[0]
        if block:
            out.append((main, shortcut, block, len(run)))
        else:
            out.extend(run)
    return out


def _looks(unit):
    main, shortcut, block, _ = unit
    drawn = [(layer.height, layer.width, describe_layer(layer)) for layer in main]
    return drawn, block, shortcut and _grows(main, shortcut)


def _bands(chains):
    """Gives each output size as many rows as the network with most layers of it needs."""
    rows: dict[tuple[int, int], int] = {}
    for chain in chains:
        counts: dict[tuple[int, int], int] = {}
        for layer in _main(chain):
            size = (layer.height, layer.width)
            counts[size] = counts.get(size, 0) + 1
        for size, count in counts.items():
            rows[size] = max(count, rows.get(size, 0))
    bands, row = [], 1
    for size in sorted(rows, reverse=True):
        bands.append(Band(size, row, row + rows[size] - 1))
        row += rows[size]
    return bands


def _column(arch, chain, bands):
    column = Column(arch.label)
    free = {band.size: band.first for band in bands}
    for main, shortcut, is_block, times in chain:
        placed = []
        for layer in main:
            size = (layer.height, layer.width)
            placed.append((free[size], layer))
            free[size] += 1
        column.boxes.extend(placed)
        if is_block:
            kind = _kind(arch, main, shortcut)
            column.blocks.append(Shortcut(placed[0][0], placed[-1][0], kind, times))
    return column


def _kind(arch, main, shortcut):
    if not arch.residual:
        return None
    if shortcut is None:
        return "identity"
    return "dimensions" if _grows(main, shortcut) else "projection"


def _grows(main, shortcut):
    return shortcut.in_channels != main[-1].out_channels or shortcut.stride > 1


def _main(chain):
    return [layer for main, *_ in chain for layer in main]


ROW_INCHES = 0.30
COLUMN_INCHES = 2.85
LEFT_INCHES = 1.0
BOX_WIDTH, BOX_HEIGHT = 1.75, 0.58  # inches; rows
# In the gap below a row: where one block's arc comes back, and below that the next one leaves.
ARC_END, ARC_START = 0.41, 0.56
ARC_INCHES = 0.28  # how far arcs reach beyond the boxes
# Pale enough for black text, by band: the stages of a network lie one in each.
BAND_COLOURS = (
    "#E3D4EC",
    "#CFE8D5",
    "#F9D3C4",
    "#CBDDF2",
    "#F6EDB0",
    "#DDDDDD",
    "#CDEBEA",
    "#E9DCC9",
)
NEUTRAL = "#FFFFFF"
LINES = {"identity": "solid", "dimensions": (0, (1.2, 1.6)), "projection": (0, (5, 2))}
MEANINGS = {
    "identity": "identity shortcut",
    "dimensions": "shortcut where dimensions increase",
    "projection": "projection shortcut, same dimensions",
}


def draw_diagram(
    networks: Sequence[tuple[Architecture, Sequence[Layer]]], path: str | os.PathLike
) -> None:
    """Draws networks side by side into a .png or .svg file.

    Args:
        networks: each network with its `accounting.layers`. If one of them has more than
            `MOST_LAYERS` layers, runs of equal blocks are drawn as one in all of them.
        path: the file; its suffix says the format.

    Raises:
        UserError: if the file cannot be written.
    """
    save(diagram_figure(*lay_out(networks)), path)


def diagram_figure(columns: Sequence[Column], bands: Sequence[Band]):
    """Returns a matplotlib `Figure` with a column a network and the output sizes at the left."""
    rows = bands[-1].last + 1
    width = LEFT_INCHES + COLUMN_INCHES * len(columns)
    kinds = [kind for kind in LINES if any(b.kind == kind for c in columns for b in c.blocks)]
    above, below = 1.6, 0.9 + 0.8 * len(kinds)
    height = ROW_INCHES * (rows + above + below)
    figure = new_figure(width, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(rows + below, -above)
    axes.axis("off")
    _draw_bands(axes, bands, width)
    for index, column in enumerate(columns):
        centre = LEFT_INCHES + COLUMN_INCHES * (index + 0.40)
        _draw_column(axes, column, bands, centre)
    _draw_legend(axes, kinds, rows + 0.7)
    return figure


def _draw_bands(axes, bands, width):
    for band in bands:
        top, bottom = band.first - 0.5, band.last + 0.5
        axes.plot([0.1, width - 0.1], [top, top], color="0.75", linewidth=0.6, zorder=0)
        height, width_ = band.size
        size = f"{height}" if height == width_ else f"{height}x{width_}"
        axes.text(
            0.12, (top + bottom) / 2, f"output\nsize: {size}" if band.last > band.first
            else f"output size: {size}",
            fontsize=7.5, va="center", ha="left", color="0.25", linespacing=1.3,
        )  # fmt: skip


def _draw_column(axes, column, bands, centre):
    axes.text(
        centre, -1.0, column.title, fontsize=10, weight="bold", ha="center", va="center", **LITERAL
    )
    _box(axes, centre, column.image_row, "image", NEUTRAL)
    previous = column.image_row
    for row, layer in column.boxes:
        _arrow(axes, centre, previous, row)
        _box(axes, centre, row, describe_layer(layer), _colour(layer, bands))
        previous = row
    above = {row: before for (before, _), (row, _) in pairwise(column.boxes)}
    for block in column.blocks:
        _draw_block(axes, block, centre, above[block.first])


def _box(axes, centre, row, text, colour):
    from matplotlib.patches import FancyBboxPatch

    inset = 0.04
    axes.add_patch(
        FancyBboxPatch(
            (centre - BOX_WIDTH / 2 + inset, row - BOX_HEIGHT / 2 + inset),
            BOX_WIDTH - 2 * inset, BOX_HEIGHT - 2 * inset,
            boxstyle=f"round,pad={inset}", facecolor=colour, edgecolor="0.25", linewidth=0.7,
            zorder=2,
        )
    )  # fmt: skip
    axes.text(centre, row, text, fontsize=7.5, ha="center", va="center", zorder=3)


def _arrow(axes, centre, upper, lower):
    axes.annotate(
        "", (centre, lower - BOX_HEIGHT / 2), (centre, upper + BOX_HEIGHT / 2),
        arrowprops={"arrowstyle": "-|>", "linewidth": 0.8, "color": BLACK, "shrinkA": 0,
                    "shrinkB": 0, "mutation_scale": 5},
        zorder=1,
    )  # fmt: skip


def _draw_block(axes, block, centre, row_above):
    """The arc leaves the line into the block and comes back on the line out of it."""
    right = centre + BOX_WIDTH / 2
    if block.kind is not None:
        _arc(axes, block.kind, centre, right, row_above + ARC_START, block.last + ARC_END)
    if block.times == 1:
        return
    edge = right + (ARC_INCHES if block.kind else 0.12)
    if block.kind is None:
        top, bottom = block.first - BOX_HEIGHT / 2, block.last + BOX_HEIGHT / 2
        axes.plot(
            [edge - 0.06, edge, edge, edge - 0.06], [top, top, bottom, bottom],
            color=BLACK, linewidth=0.9,
        )  # fmt: skip
    middle = (block.first + block.last) / 2
    axes.text(edge + 0.06, middle, f"x {block.times}", fontsize=9, weight="bold", va="center")


def _arc(axes, kind, centre, right, start, end):
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    outer, bend = right + ARC_INCHES, 0.9
    path = Path(
        [(centre, start), (right, start), (outer, start), (outer, start + bend),
         (outer, end - bend), (outer, end), (right, end), (centre, end)],
        [Path.MOVETO, Path.LINETO, Path.CURVE3, Path.CURVE3,
         Path.LINETO, Path.CURVE3, Path.CURVE3, Path.LINETO],
    )  # fmt: skip
    arc = FancyArrowPatch(
        path=path, arrowstyle="-|>", mutation_scale=5, linewidth=0.9, color=BLACK,
        linestyle=LINES[kind], fill=False, zorder=1,
    )  # fmt: skip
    arc.set_gid(f"shortcut-{kind}")
    axes.add_patch(arc)


def _draw_legend(axes, kinds, top):
    for index, kind in enumerate(kinds):
        y = top + 0.8 * index
        axes.plot([0.15, 0.65], [y, y], color=BLACK, linewidth=1, linestyle=LINES[kind])
        axes.text(0.75, y, MEANINGS[kind], fontsize=7.5, va="center")


def _colour(layer, bands):
    if layer.kind not in ("conv", "projection"):
        return NEUTRAL
    sizes = [band.size for band in bands if band.size != (1, 1)]
    size = (layer.height, layer.width)
    # A network's last 1x1 stage of a tiny image has no band of its own.
    return BAND_COLOURS[sizes.index(size) % len(BAND_COLOURS) if size in sizes else -1]
