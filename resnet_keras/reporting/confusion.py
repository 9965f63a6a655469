"""Figures of confusion matrices."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from resnet_keras.errors import UsageError
from resnet_keras.reporting.figures import LITERAL, font_families, new_figure, save_figure

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

# With more classes, the counts in the cells and the names beside them would not be legible.
_MOST_CLASSES_WITH_COUNTS = 20
_MOST_CLASSES_WITH_NAMES = 200
_LONGEST_NAME = 24  # characters


def draw_confusion(
    matrix: ArrayLike, class_names: Sequence[str], out_png_path: str | os.PathLike[str], title: str
) -> None:
    """Draws a confusion matrix into a .png file.

    Args:
        matrix: integers of shape `(C, C)`. The element in row `i` and column `j` is the number of
            images of class `i` that were predicted as class `j`.
        class_names: the names of the C classes, taken literally, including dollar signs. Long
            names are shortened.
        out_png_path: the file to write. An existing file is replaced only when the new one is
            complete.
        title: the title of the figure, taken literally.

    Raises:
        UsageError: if the matrix is not square or does not hold counts, or if the number of names
            is not the number of classes.
        UserError: if the file cannot be written.

    Example:

    >>> import os
    >>> draw_confusion([[8, 2], [1, 9]], ["cat", "dog"], "confusion.png", "my run")
    >>> os.path.exists("confusion.png")
    True
    """
    figure = confusion_figure(matrix, class_names, title)
    with _missing_glyphs_ignored():
        save_figure(figure, out_png_path)


def confusion_figure(matrix: ArrayLike, class_names: Sequence[str], title: str) -> Figure:
    """Returns a figure of a confusion matrix.

    The colors show percentages of the rows, so that rare classes are as visible as common ones.
    With up to 20 classes, the cells contain the counts.

    Args:
        matrix: see `draw_confusion`.
        class_names: see `draw_confusion`.
        title: see `draw_confusion`.

    Raises:
        UsageError: see `draw_confusion`.

    Example:

    >>> figure = confusion_figure([[8, 2], [1, 9]], ["cat", "dog"], "my run")
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['8', '2', '1', '9']
    """
    from matplotlib.colors import PowerNorm

    counts = _checked(matrix, class_names)
    classes = len(counts)
    side = min(max(4.0, 2.0 + 0.42 * classes), 16.0)
    figure = new_figure(side + 1.0, side)
    axes = figure.add_subplot()
    percentages = 100.0 * counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    # The square root makes errors of a few percent visible.
    norm = PowerNorm(0.5, vmin=0, vmax=100)
    image = axes.imshow(percentages, cmap="Blues", norm=norm, interpolation="nearest")
    figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02, label="% of the true class")
    if classes <= _MOST_CLASSES_WITH_COUNTS:
        _write_counts(axes, counts, percentages)
    if classes <= _MOST_CLASSES_WITH_NAMES:
        _write_names(axes, [short_name(name) for name in class_names])
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(title, fontsize=11, fontfamily=font_families(), **LITERAL)
    with _missing_glyphs_ignored():
        figure.tight_layout()
    return figure


def short_name(name: str) -> str:
    """Shortens a class name to one line of at most 24 printable characters.

    Args:
        name: the name.

    Example:

    >>> short_name("a very long name of a class of animals")
    'a very long name of a c…'
    """
    line = " ".join(str(name).split())
    line = "".join(character if character.isprintable() else "\ufffd" for character in line)
    return line if len(line) <= _LONGEST_NAME else line[: _LONGEST_NAME - 1].rstrip() + "…"


@contextmanager
def _missing_glyphs_ignored() -> Iterator[None]:
    """Suppresses warnings about characters that no font has. Matplotlib draws boxes for them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def _checked(matrix: ArrayLike, class_names: Sequence[str]) -> np.ndarray:
    import numpy as np

    counts = np.asarray(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise UsageError(
            f"a confusion matrix must be square, with shape (C, C). Received: shape {counts.shape}"
        )
    if not np.issubdtype(counts.dtype, np.integer) or counts.min() < 0:
        raise UsageError(
            "a confusion matrix must hold counts, that is integers from 0 on. "
            f"Received: dtype {counts.dtype} with minimum {counts.min()}"
        )
    if len(class_names) != len(counts):
        raise UsageError(
            f"{len(counts)} classes need {len(counts)} names. Received: {len(class_names)}"
        )
    return counts


def _write_counts(axes: Axes, counts: np.ndarray, percentages: np.ndarray) -> None:
    size = 9 if counts.max() < 10_000 else 7
    for row in range(len(counts)):
        for column in range(len(counts)):
            # White on dark cells. Zeros are pale, so that the errors stand out.
            color = "white" if percentages[row, column] > 30 else "black"
            if counts[row, column] == 0:
                color = "0.7"
            axes.text(
                column, row, f"{counts[row, column]}", ha="center", va="center", fontsize=size,
                color=color,
            )  # fmt: skip


def _write_names(axes: Axes, names: Sequence[str]) -> None:
    ticks = range(len(names))
    style: dict[str, Any] = {
        "fontsize": min(600 / len(names), 9), "fontfamily": font_families(), **LITERAL,
    }  # fmt: skip
    axes.set_xticks(ticks, names, rotation=90 if len(names) > 12 else 45, **style)
    if len(names) <= 12:
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")
    axes.set_yticks(ticks, names, **style)
