"""What all figures share: a canvas without a display, text taken literally, files written whole."""

import os
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path

from resnet_keras.errors import UserError
from resnet_keras.reporting.groups import Group, paper_steps, seeds
from resnet_keras.reporting.paper import has_paper_curve

# Okabe and Ito's colours, told apart by the colour-blind and, with the line styles, in grey.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"

# Matplotlib reads "$...$" as mathematics; names of classes, files and runs are none.
LITERAL = {"parse_math": False}

# Matplotlib's own font has no Chinese, Japanese or Korean; whichever of these is installed helps.
WIDE_FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "WenQuanYi Zen Hei",
    "Arial Unicode MS",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Malgun Gothic",
)


def font_families() -> list[str]:
    """Returns matplotlib's font and, for characters it lacks, those of `WIDE_FONTS` at hand."""
    from matplotlib.font_manager import get_font_names

    installed = set(get_font_names())
    return ["DejaVu Sans", *(name for name in WIDE_FONTS if name in installed)]


def new_figure(width: float, height: float):
    """Returns a matplotlib `Figure` of that many inches, tied to no display or global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def save(figure, path: str | os.PathLike, dpi: int = 150) -> None:
    """Writes `figure` to `path`, a .png or .svg; an old file there stays until the new is whole.

    Raises:
        UserError: if the file cannot be written.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix
        )
        with os.fdopen(handle, "wb") as file:
            figure.savefig(
                file, format=path.suffix[1:].lower() or "png", dpi=dpi, facecolor="white"
            )
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}. Name a file in a folder you may "
            "write to, on a disk with space"
        ) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def _umask():
    # Setting it is the only way to read it; a temporary file would otherwise be its owner's alone.
    mask = os.umask(0)
    os.umask(mask)
    return mask


CHARACTERS_AN_INCH = 18.0
FONT_SIZE = 7.5


def footnotes(groups: Sequence[Group], overlay_paper: bool = False) -> list[str]:
    """Returns the sentences that belong below a figure of these groups, the gravest first."""
    notes = [_schedule(groups)]
    datasets = sorted({group.recipe.dataset for group in groups})
    if any(group.recipe.architecture.family == "cifar" for group in groups):
        if datasets != ["cifar10"]:
            notes.append(f"Data set: {', '.join(datasets)}; the paper's is CIFAR-10.")
    elif datasets not in (["imagenet"], ["imagenet2012"]):
        notes.append(f"Data set: {', '.join(datasets)}; the paper's is ImageNet 2012.")
    precisions = sorted({group.recipe.precision for group in groups})
    if precisions != ["float32"]:
        notes.append(f"Arithmetic: {', '.join(precisions)}; the paper's float32.")
    shortened = any(group.recipe.steps != paper_steps(group.recipe) for group in groups)
    overlaid = any(has_paper_curve(group) for group in groups)
    if overlay_paper and overlaid and shortened:
        notes.append(
            "The paper's curves lie at the same part of the schedule, not at the same iteration."
        )
    notes.append(_spread(groups))
    unfinished = [run.name for group in groups for run in group.unfinished]
    if unfinished:
        notes.append(f"Unfinished, drawn as far as they got (open marker): {_listed(unfinished)}.")
    notes.append("Dotted: the learning rate drops.")
    return [note for note in notes if note]


def write_footnotes(figure, notes: Sequence[str]) -> None:
    """Writes the notes at the bottom of a figure and makes room for them; call it last."""
    width, height = figure.get_size_inches()
    text = textwrap.fill(" ".join(notes), int(width * CHARACTERS_AN_INCH))
    lines = text.count("\n") + 1
    room = (lines * FONT_SIZE * 1.35 + 8) / 72 / height
    figure.tight_layout(rect=(0, room, 1, figure_top(figure)))
    figure.text(0.012, 0.012, text, fontsize=FONT_SIZE, color="0.25", va="bottom", ha="left",
                linespacing=1.3, gid="footnotes", **LITERAL)  # fmt: skip


def figure_top(figure) -> float:
    """Returns where the axes may end, below the figure's own title if it has one."""
    height = figure.get_size_inches()[1]
    return 1 - 0.38 / height if figure._suptitle is not None else 1.0


def _schedule(groups):
    lengths = sorted({group.recipe.steps for group in groups})
    papers = {paper_steps(group.recipe) for group in groups}
    if set(lengths) == papers:
        return ""
    ours = " and ".join(f"{length:,}" for length in lengths)
    theirs = " and ".join(f"{length:,}" for length in sorted(papers))
    word = "Shortened schedule" if max(lengths) < max(papers) else "Schedule"
    return f"{word}: {ours} iterations; the paper's {theirs}."


def _spread(groups):
    counts = sorted({len(group.complete) for group in groups if group.complete})
    if not counts:
        return ""
    if counts == [1]:
        return "One seed each: differences may be chance."
    many = " or ".join(str(count) for count in counts if count > 1)
    words = f"Lines: mean over {many} seeds; bands: lowest to highest seed."
    return words + (f" Without a band: {seeds(1)}." if counts[0] == 1 else "")


def _listed(names, most=4):
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
