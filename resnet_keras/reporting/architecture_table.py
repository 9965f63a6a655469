"""Tables of architectures as plain text, like Table 1 and the table in section 4.2."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby

from resnet_keras import accounting
from resnet_keras.accounting import Layer
from resnet_keras.architectures import Architecture

Network = tuple[Architecture, Sequence[Layer]]

_COLUMN_GAP = "  "


def architecture_table(networks: Sequence[Network]) -> str:
    """Returns a table of one network, or of several networks side by side.

    Args:
        networks: each network with its layers, from `accounting.layers`.

    Returns:
        One row per stage, with its name, output size (height x width), blocks, trainable
        parameters and multiply-adds, then the totals. No line ends in a space, and the last line
        does not end in a newline.

    Example:

    >>> from resnet_keras import architectures
    >>> arch = architectures.parse("resnet20")
    >>> print(architecture_table([(arch, accounting.layers(arch))]).splitlines()[-1])
    total               20 weighted layers           269,722          40.6M
    """
    if len(networks) == 1:
        return _single(*networks[0])
    return _side_by_side(networks)


def stage_lines(arch: Architecture, layers: Sequence[Layer]) -> list[str]:
    """Returns a description of a stage in the notation of Table 1.

    Args:
        arch: the network.
        layers: the layers of the stage.

    Example:

    >>> from resnet_keras import architectures
    >>> arch = architectures.parse("resnet34")
    >>> stage_lines(arch, accounting.by_stage(accounting.layers(arch))["stage1"])
    ['3x3 max pool, /2', '[3x3, 64; 3x3, 64] x 3']
    """
    main = [layer for layer in layers if layer.kind not in accounting.SHORTCUTS]
    if arch.family == "vgg":
        runs = [list(run) for _, run in groupby(main, key=describe_layer)]
        return [_repeated(describe_layer(run[0]), len(run)) for run in runs]
    lines = [describe_layer(layer) for layer in main if layer.block is None]
    # The last block represents all blocks; the output size shows the stride of the first one.
    last = [layer for layer in main if layer.block and layer.block == main[-1].block]
    if last:
        block = "; ".join(f"{_window(layer)}, {layer.out_channels}" for layer in last)
        lines.append(_repeated(f"[{block}]", last[0].block or 1, always=True))
    return lines


def describe_layer(layer: Layer) -> str:
    """Returns a description of a layer in the words of Fig. 3.

    Args:
        layer: the layer.

    Returns:
        Such as `3x3 conv, 64, /2`, `avg pool` or `fc 1000`.

    Example:

    >>> from resnet_keras import architectures
    >>> describe_layer(accounting.layers(architectures.parse("resnet34"))[0])
    '7x7 conv, 64, /2'
    """
    if layer.kind == "average_pool":
        return "avg pool"
    if layer.kind == "dense":
        return f"fc {layer.out_channels}"
    if layer.kind == "zero_padding":
        return f"zeros to {layer.out_channels}" + _stride(layer)
    operation = "max pool" if layer.kind == "max_pool" else f"conv, {layer.out_channels}"
    return f"{_window(layer)} {operation}{_stride(layer)}"


def format_multiply_adds(multiply_adds: int) -> str:
    """Formats a number of multiply-adds with a unit.

    Args:
        multiply_adds: the number.

    Example:

    >>> [format_multiply_adds(number) for number in (3_644_493_824, 40_551_040, 640)]
    ['3.64G', '40.6M', '640']
    """
    if multiply_adds >= 1e9:
        return f"{multiply_adds / 1e9:.2f}G"
    if multiply_adds >= 1e5:
        return f"{multiply_adds / 1e6:.1f}M"
    return f"{multiply_adds:,}"


def _single(arch: Architecture, layers: Sequence[Layer]) -> str:
    rows = [("stage", "output", "blocks", "parameters", "multiply-adds")]
    for stage, members in accounting.by_stage(layers).items():
        sums = accounting.totals(members)
        lines = stage_lines(arch, members)
        cost = (f"{sums.parameters:,}", format_multiply_adds(sums.multiply_adds))
        rows.append((stage, _output_size(members), lines[0], *cost))
        rows.extend(("", "", line, "", "") for line in lines[1:])
    total = accounting.totals(layers)
    cost = (f"{total.parameters:,}", format_multiply_adds(total.multiply_adds))
    rows.append(("total", "", f"{total.depth} weighted layers", *cost))
    table = _aligned(rows, right_columns=(3, 4), rules_after=(0, len(rows) - 2))
    return f"{arch.label}\n{table}"


def _side_by_side(networks: Sequence[Network]) -> str:
    stages = [accounting.by_stage(layers) for _, layers in networks]
    names = sorted({name for groups in stages for name in groups}, key=_stage_order)
    rows: list[tuple[str, ...]] = [("stage", "output", *(arch.label for arch, _ in networks))]
    rules = [0]
    for name in names:
        sizes = [_output_size(groups[name]) for groups in stages if name in groups]
        equal_sizes = len(set(sizes)) == 1
        cells = [
            _cell(arch, groups.get(name, ()), with_size=not equal_sizes)
            for (arch, _), groups in zip(networks, stages, strict=True)
        ]
        rows.extend(_stacked([[name], [sizes[0] if equal_sizes else ""], *cells]))
        rules.append(len(rows) - 1)
    sums = [accounting.totals(layers) for _, layers in networks]
    multiply_adds = (format_multiply_adds(total.multiply_adds) for total in sums)
    rows.append(("depth", "", *(f"{total.depth} weighted layers" for total in sums)))
    rows.append(("parameters", "", *(f"{total.parameters:,}" for total in sums)))
    rows.append(("multiply-adds", "", *multiply_adds))
    table = _aligned(rows, right_columns=(), rules_after=rules)
    return f"{table}\n\nThe last line of each stage shows its trainable parameters / multiply-adds."


def _cell(arch: Architecture, members: Sequence[Layer], with_size: bool) -> list[str]:
    if not members:
        return ["-"]
    lines = [_output_size(members)] if with_size else []
    for line in stage_lines(arch, members):
        lines.extend(_bracketed(line))
    sums = accounting.totals(members)
    return [*lines, f"{sums.parameters:,} / {format_multiply_adds(sums.multiply_adds)}"]


def _bracketed(line: str) -> list[str]:
    """Stacks `[a; b] x 3` as in Table 1: one bracketed line per convolution, "x 3" beside it."""
    if not line.startswith("["):
        return [line]
    block, times = line[1:].split("]")
    parts = block.split("; ")
    width = max(map(len, parts))
    stacked = [f"[{part:<{width}}]" for part in parts]
    stacked[(len(parts) - 1) // 2] += times
    return stacked


def _stacked(cells: Sequence[list[str]]) -> list[tuple[str, ...]]:
    """Returns the lines of cells that lie side by side."""
    height = max(map(len, cells))
    return list(zip(*(cell + [""] * (height - len(cell)) for cell in cells), strict=True))


def _aligned(
    rows: Sequence[tuple[str, ...]], right_columns: Collection[int], rules_after: Collection[int]
) -> str:
    """Pads all columns to equal widths and draws a rule after some of the rows."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for index, row in enumerate(rows):
        cells = [
            cell.rjust(width) if column in right_columns else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(_COLUMN_GAP.join(cells).rstrip())
        if index in rules_after:
            lines.append("-" * (sum(widths) + len(_COLUMN_GAP) * (len(widths) - 1)))
    return "\n".join(lines)


def _stage_order(stage: str) -> tuple[bool, bool, str]:
    return (stage != accounting.STEM_STAGE, stage == accounting.CLASSIFIER_STAGE, stage)


def _output_size(members: Sequence[Layer]) -> str:
    """Returns the output size of a stage, without the max pooling that may end or start it."""
    sized = [layer for layer in members if layer.kind in ("conv", "dense", "average_pool")]
    return f"{sized[-1].height}x{sized[-1].width}"


def _window(layer: Layer) -> str:
    return f"{layer.kernel}x{layer.kernel}"


def _stride(layer: Layer) -> str:
    return f", /{layer.stride}" if layer.stride > 1 else ""


def _repeated(text: str, count: int, always: bool = False) -> str:
    return f"{text} x {count}" if count > 1 or always else text
