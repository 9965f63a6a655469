"""A confusion matrix: which classes are taken for which."""

import os
import warnings
from collections.abc import Sequence

from resnet_keras.errors import UsageError
from resnet_keras.reporting.figures import LITERAL, font_families, new_figure, save

MOST_NUMBERED = 20  # classes; with more, numbers would not be readable
MOST_NAMED = 200
LONGEST_NAME = 24  # characters


def draw_confusion(
    matrix, class_names: Sequence[str], out_png_path: str | os.PathLike, title: str
) -> None:
    """Draws a confusion matrix into a .png file.

    Args:
        matrix: whole numbers `(C, C)`, how often class `row` was predicted as class `column`.
        class_names: C names, taken literally, `$` included; long ones are shortened.
        out_png_path: the file; an older one stays until the new one is whole.
        title: taken literally.

    Raises:
        UsageError: if the matrix is not square, holds something other than counts, or the names
            are not as many as its rows.
        UserError: if the file cannot be written.
    """
    figure = confusion_figure(matrix, class_names, title)
    with warnings.catch_warnings():
        # A script that the fonts at hand lack comes out as boxes; the matrix is right all the same.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        save(figure, out_png_path)


def confusion_figure(matrix, class_names: Sequence[str], title: str):
    """Returns a matplotlib `Figure` of the matrix; arguments and errors as of `draw_confusion`.

    Colours are shares of a row, so that rare classes are seen as well as common ones; the numbers
    in the cells, for up to 20 classes, are the counts.
    """
    from matplotlib.colors import PowerNorm

    matrix = _checked(matrix, class_names)
    count = len(matrix)
    side = min(max(4.0, 2.0 + 0.42 * count), 16.0)
    figure = new_figure(side + 1.0, side)
    axes = figure.add_subplot()
    shares = _shares(matrix)
    # A square root, so that a mistake of a few percent is seen.
    scale = PowerNorm(0.5, vmin=0, vmax=100)
    image = axes.imshow(shares, cmap="Blues", norm=scale, interpolation="nearest")
    figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02, label="% of the true class")
    if count <= MOST_NUMBERED:
        _write_counts(axes, matrix, shares)
    if count <= MOST_NAMED:
        _name_classes(axes, [short_name(name) for name in class_names])
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(title, fontsize=11, fontfamily=font_families(), **LITERAL)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.tight_layout()
    return figure


def short_name(name: str) -> str:
    """Returns a class name in one line of at most 24 characters, all of them printable."""
    line = " ".join(str(name).split())
    line = "".join(character if character.isprintable() else "\ufffd" for character in line)
    return line if len(line) <= LONGEST_NAME else line[: LONGEST_NAME - 1].rstrip() + "…"


def _checked(matrix, class_names):
    import numpy

    matrix = numpy.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise UsageError(f"a confusion matrix is square, (C, C). Received: shape {matrix.shape}")
    if not numpy.issubdtype(matrix.dtype, numpy.integer) or matrix.min() < 0:
        raise UsageError(
            "a confusion matrix holds counts, whole numbers from 0 on. "
            f"Received: {matrix.dtype}, smallest {matrix.min()}"
        )
    if len(class_names) != len(matrix):
        raise UsageError(f"{len(matrix)} classes need as many names. Received: {len(class_names)}")
    return matrix


def _shares(matrix):
    """Percent of each row; zeros for a class without examples."""
    sums = matrix.sum(axis=1, keepdims=True)
    return 100.0 * matrix / sums.clip(min=1)


def _write_counts(axes, matrix, shares):
    size = 9 if matrix.max() < 10_000 else 7
    for row, column in ((r, c) for r in range(len(matrix)) for c in range(len(matrix))):
        # White on dark cells; zeros pale, so that the mistakes stand out.
        colour = "white" if shares[row, column] > 30 else "black"
        if matrix[row, column] == 0:
            colour = "0.7"
        axes.text(
            column, row, f"{matrix[row, column]}", ha="center", va="center",
            fontsize=size, color=colour,
        )  # fmt: skip


def _name_classes(axes, names):
    ticks = range(len(names))
    style = {"fontsize": min(600 / len(names), 9), "fontfamily": font_families(), **LITERAL}
    axes.set_xticks(ticks, names, rotation=90 if len(names) > 12 else 45, **style)
    if len(names) <= 12:
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")
    axes.set_yticks(ticks, names, **style)
