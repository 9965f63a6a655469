"""Figures that compare the errors of several networks during training, after Figs. 1, 4 and 6."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from resnet_keras.errors import UserError
from resnet_keras.reporting.figures import (
    ALWAYS_SHOWN_FROM,
    BLACK,
    BLUE,
    GREEN,
    LITERAL,
    ORANGE,
    PURPLE,
    STYLES,
    VERMILION,
    draw_grid,
    draw_legend,
    error_limit,
    footnotes,
    new_figure,
    write_footnotes,
)
from resnet_keras.reporting.groups import Group, format_seeds, mean_and_std, paper_steps
from resnet_keras.reporting.paper import has_paper_curve, paper_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

Style = tuple[str, str]  # a color and a marker

_DEPTH_STYLES = {
    20: (BLUE, "o"), 32: (GREEN, "^"), 44: (ORANGE, "D"), 56: (VERMILION, "s"),
    110: (PURPLE, "v"), 1202: (BLACK, "X"),
    18: (BLUE, "o"), 34: (VERMILION, "s"), 50: (GREEN, "^"), 101: (ORANGE, "D"), 152: (PURPLE, "v"),
}  # fmt: skip
_SPLITS = ("train", "test")
_SPLIT_NAMES = {"train": "training", "test": "test"}

# In inches.
_PANEL_WIDTH, _PANEL_HEIGHT = 6.6, 4.7
_BELOW_AXES = 0.48  # the numbers and the label of the lower axis


def single_panel_figure(groups: Sequence[Group], title: str, overlay_paper: bool = False) -> Figure:
    """Returns a figure with all groups in one panel.

    Args:
        groups: at least one group of runs.
        title: the title of the panel, taken literally.
        overlay_paper: whether to draw the test curves of Fig. 6 behind ours.

    Raises:
        UserError: if there are no groups.

    Example:

    >>> import pandas as pd
    >>> from pathlib import Path
    >>> from resnet_keras.recipe import Recipe
    >>> from resnet_keras.runs.run import Run
    >>> metrics = pd.DataFrame({"step": [64_000], "train_error": [0.2], "test_error": [8.5]})
    >>> run = Run("my-run", Path("runs/my-run"), Recipe("resnet20"), metrics)
    >>> figure = single_panel_figure([Group(run.recipe, (run,))], "20 layers")
    >>> figure.axes[0].get_legend().get_texts()[0].get_text()
    'ResNet-20 (A), 8.50 %, 1 seed'
    """
    groups = _at_least_one(groups)
    figure = new_figure(_PANEL_WIDTH + 0.6, _PANEL_HEIGHT + 0.3)
    _draw_panel(figure.add_subplot(), groups, _cycle_styles(groups), title, overlay_paper)
    write_footnotes(figure, footnotes(groups, overlay_paper))
    return figure


def plain_residual_figure(groups: Sequence[Group], overlay_paper: bool = False) -> Figure:
    """Returns a figure with plain networks on the left and residual networks on the right.

    Both panels have the same scale, and networks of the same depth have the same color.

    Args:
        groups: at least one group of runs.
        overlay_paper: whether to draw the test curves of Fig. 6 behind ours.

    Raises:
        UserError: if there are no groups.

    Example:

    >>> import pandas as pd
    >>> from pathlib import Path
    >>> from resnet_keras.recipe import Recipe
    >>> from resnet_keras.runs.run import Run
    >>> metrics = pd.DataFrame({"step": [64_000], "train_error": [0.2], "test_error": [8.5]})
    >>> run = Run("my-run", Path("runs/my-run"), Recipe("plain20"), metrics)
    >>> figure = plain_residual_figure([Group(run.recipe, (run,))])
    >>> [axes.get_title() for axes in figure.axes]
    ['plain networks', 'residual networks']
    """
    groups = _at_least_one(groups)
    plain = [group for group in groups if not group.recipe.architecture.residual]
    residual = [group for group in groups if group.recipe.architecture.residual]
    panels = [(plain, "plain networks"), (residual, "residual networks")]
    return _panels_figure(panels, groups, overlay_paper)


def figure_1(groups: Sequence[Group], overlay_paper: bool = False) -> Figure:
    """Returns a figure like Fig. 1: training error on the left, test error on the right.

    Args:
        groups: at least one group of runs, such as plain networks of two depths.
        overlay_paper: whether to draw the test curves of Fig. 6 behind ours.

    Raises:
        UserError: if there are no groups.

    Example:

    >>> import pandas as pd
    >>> from pathlib import Path
    >>> from resnet_keras.recipe import Recipe
    >>> from resnet_keras.runs.run import Run
    >>> metrics = pd.DataFrame({"step": [64_000], "train_error": [0.2], "test_error": [8.5]})
    >>> run = Run("my-run", Path("runs/my-run"), Recipe("plain20"), metrics)
    >>> figure = figure_1([Group(run.recipe, (run,))])
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['training error (%)', 'test error (%)']
    """
    groups = _at_least_one(groups)
    figure = new_figure(2 * _PANEL_WIDTH * 0.8, _PANEL_HEIGHT)
    styles = _depth_styles(groups)
    for index, split in enumerate(_SPLITS, 1):
        _draw_panel(
            figure.add_subplot(1, 2, index),
            groups,
            styles,
            f"{_SPLIT_NAMES[split]} error",
            overlay_paper and split == "test",
            splits=(split,),
            top=_top_limit(groups),
        )
    write_footnotes(figure, footnotes(groups, overlay_paper))
    return figure


def figure_6(groups: Sequence[Group], overlay_paper: bool = False) -> Figure:
    """Returns a figure like Fig. 6: plain networks, residual networks, and the deepest networks.

    The panel of the deepest networks is left out if none has more than 110 layers.

    Args:
        groups: at least one group of runs.
        overlay_paper: whether to draw the test curves of Fig. 6 behind ours.

    Raises:
        UserError: if there are no groups.

    Example:

    >>> import pandas as pd
    >>> from pathlib import Path
    >>> from resnet_keras.recipe import Recipe
    >>> from resnet_keras.runs.run import Run
    >>> metrics = pd.DataFrame({"step": [64_000], "train_error": [0.2], "test_error": [8.5]})
    >>> run = Run("my-run", Path("runs/my-run"), Recipe("resnet20"), metrics)
    >>> figure = figure_6([Group(run.recipe, (run,))])
    >>> [axes.get_title() for axes in figure.axes]
    ['residual networks']
    """
    groups = _at_least_one(groups)
    plain = [group for group in groups if not group.recipe.architecture.residual]
    residual = [group for group in groups if group.recipe.architecture.residual]
    # As in the paper, networks with 110 layers are in the middle panel and in the right one.
    deep = [group for group in residual if group.recipe.architecture.depth >= 110]
    if not any(group.recipe.architecture.depth > 110 for group in deep):
        deep = []
    middle = [group for group in residual if group.recipe.architecture.depth <= 110]
    panels = [
        (plain, "plain networks"),
        (middle, "residual networks"),
        (deep, "residual networks with 110 layers or more"),
    ]
    return _panels_figure([panel for panel in panels if panel[0]], groups, overlay_paper)


def _at_least_one(groups: Sequence[Group]) -> list[Group]:
    if not groups:
        raise UserError("there is no run to draw. Name run folders, such as runs/NAME")
    return list(groups)


def _panels_figure(
    panels: Sequence[tuple[Sequence[Group], str]], groups: Sequence[Group], overlay_paper: bool
) -> Figure:
    figure = new_figure(_PANEL_WIDTH * 0.8 * max(len(panels), 1.25), _PANEL_HEIGHT)
    top = _top_limit(groups)
    first = None
    for index, (members, title) in enumerate(panels, 1):
        axes = figure.add_subplot(1, len(panels), index, sharey=first)
        first = first or axes
        if members:
            _draw_panel(axes, members, _depth_styles(members), title, overlay_paper, top=top)
        else:
            axes.set_title(title, fontsize=11)
            axes.text(0.5, 0.5, "no run yet", transform=axes.transAxes, ha="center", color="0.4")
            axes.set_xticks([])
    write_footnotes(figure, footnotes(groups, overlay_paper))
    return figure


def _cycle_styles(groups: Sequence[Group]) -> list[Style]:
    return [STYLES[index % len(STYLES)] for index in range(len(groups))]


def _depth_styles(groups: Sequence[Group]) -> list[Style]:
    """Returns the styles of the depths if these are known and all different."""
    depths = [group.recipe.architecture.depth for group in groups]
    if set(depths) <= set(_DEPTH_STYLES) and len(set(depths)) == len(depths):
        return [_DEPTH_STYLES[depth] for depth in depths]
    return _cycle_styles(groups)


def _draw_panel(
    axes: Axes,
    groups: Sequence[Group],
    styles: Sequence[Style],
    title: str,
    overlay_paper: bool,
    splits: Sequence[str] = _SPLITS,
    top: float | None = None,
) -> None:
    """Draws groups of runs into axes.

    Args:
        axes: the axes to draw into.
        groups: at least one group.
        styles: the color and the marker of each group.
        title: the title, taken literally.
        overlay_paper: whether to draw the paper's test curves behind ours, at the same fraction of
            the schedule.
        splits: `"train"`, `"test"` or both. The last one is drawn bold and has a legend.
        top: the upper end of the error axis in percent; `None` chooses it from the curves.
    """
    length = max(group.recipe.steps for group in groups)
    scale, unit = (1e4, " (1e4)") if length >= 10_000 else (1.0, "")
    for index, (group, style) in enumerate(zip(groups, styles, strict=True)):
        for split in splits:
            bold = split == splits[-1]
            _draw_group(axes, group, split, style, scale, bold, offset=index / len(groups))
    if len(splits) > 1:
        axes.plot([], [], label="training error", **_line_style("0.4", bold=False))
    if overlay_paper and "test" in splits:
        for group, style in zip(groups, styles, strict=True):
            _draw_paper_curve(axes, group, style, scale)
    _draw_learning_rate_drops(axes, groups, styles, scale)
    axes.set_xlim(0, 1.02 * length / scale)
    axes.set_ylim(0, _top_limit(groups, splits) if top is None else top)
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel(f"iterations{unit}")
    axes.set_ylabel(f"{_SPLIT_NAMES[splits[0]]} error (%)" if len(splits) == 1 else "error (%)")
    axes.locator_params(axis="y", steps=[1, 2, 5, 10])
    draw_grid(axes)
    axes.set_title(title, fontsize=11, **LITERAL)
    _place_legend(axes, f"{_SPLIT_NAMES[splits[-1]]} error after the last iteration")


def _draw_group(
    axes: Axes, group: Group, split: str, style: Style, scale: float, bold: bool, offset: float
) -> None:
    """Draws one error of a group, either bold with a legend and markers, or thin without."""
    color, marker = style
    line_style = _line_style(color, bold)
    label = _legend_label(group, split) if bold else None
    envelope = group.envelope(split)
    if len(envelope):
        x = envelope["step"].to_numpy() / scale
        if bold:
            # The offset keeps the markers of different networks from hiding one another.
            every = (offset / 8, 0.125) if len(x) > 1 else None
            line_style |= {
                "marker": marker, "markersize": 5.5, "markevery": every,
                "markeredgecolor": "white", "markeredgewidth": 0.5,
            }  # fmt: skip
        axes.plot(x, envelope["mean"], label=label, gid=f"{split} {group.label}", **line_style)
        label = None
        if len(group.complete) > 1:
            axes.fill_between(
                x, envelope["low"], envelope["high"], color=color, alpha=0.18, linewidth=0,
                zorder=2, gid=f"band {split} {group.label}",
            )  # fmt: skip
    for run in group.unfinished:
        rows = run.metrics[run.metrics[f"{split}_error"].notna()]
        if rows.empty:
            continue
        x, y = rows["step"].to_numpy() / scale, rows[f"{split}_error"].to_numpy()
        gid = f"unfinished {split} {group.label}"
        axes.plot(x, y, label=label, gid=gid, **_line_style(color, bold))
        label = None
        if bold:
            axes.plot(
                x[-1], y[-1], marker, color=color, markersize=9, fillstyle="none",
                markeredgewidth=1.5, zorder=5, gid="unfinished",
            )  # fmt: skip


def _line_style(color: str, bold: bool) -> dict[str, Any]:
    if bold:
        return {"color": color, "linewidth": 2.0, "zorder": 4}
    dashes = (0, (4, 1.5))
    return {"color": color, "linewidth": 0.9, "linestyle": dashes, "zorder": 3, "alpha": 0.8}


def _legend_label(group: Group, split: str) -> str:
    errors = group.last_errors(split)
    if not errors:
        run = max(group.runs, key=lambda run: run.step)
        return f"{group.title}, unfinished ({run.step:,} of {run.recipe.steps:,} iterations)"
    mean, std = mean_and_std(errors)
    spread = f" ± {std:.2f}" if len(errors) > 1 else ""
    return f"{group.title}, {mean:.2f}{spread} %, {format_seeds(len(errors))}"


def _draw_paper_curve(axes: Axes, group: Group, style: Style, scale: float) -> None:
    curve = paper_curve(group.network, "test") if has_paper_curve(group) else None
    if curve is None:
        return
    color, marker = style
    stretch = group.recipe.steps / paper_steps(group.recipe) / scale
    has_label = any(line.get_gid() == "paper" for line in axes.get_lines())
    axes.plot(
        curve["iteration"] * stretch, curve["error_pct"], color=color, alpha=0.3, linewidth=4,
        zorder=1, gid="paper", label=None if has_label else "test error in the paper (pale)",
        # Hollow markers of the same shape show which curves belong together, also in grey.
        marker=marker, markevery=max(1, len(curve) // 5), markersize=6.5, markerfacecolor="none",
        markeredgewidth=1.2,
    )  # fmt: skip


def _draw_learning_rate_drops(
    axes: Axes, groups: Sequence[Group], styles: Sequence[Style], scale: float
) -> None:
    """Marks drops of the learning rate: in grey if all groups share them, else in color."""
    shared = len({group.recipe.drops for group in groups}) == 1
    for group, (color, _) in zip(groups[:1] if shared else groups, styles, strict=False):
        for step in group.recipe.drops:
            if step < group.recipe.steps:
                axes.axvline(
                    step / scale, color="0.55" if shared else color, linewidth=0.9,
                    linestyle=":", zorder=0, gid="drop",
                )  # fmt: skip


def _top_limit(groups: Sequence[Group], splits: Sequence[str] = _SPLITS) -> float:
    """Returns the upper end of the error axis in percent.

    It lies above the curves from `ALWAYS_SHOWN_FROM` on, except for single spikes and for networks
    that failed to train.
    """
    highest = 0.0
    for group in _without_failed(groups):
        for run in group.runs:
            start = ALWAYS_SHOWN_FROM * min(run.recipe.steps, 2 * run.step)
            late = run.metrics[run.metrics["step"] >= start]
            for split in splits:
                # A single evaluation at a high learning rate can be an outlier.
                values = late[f"{split}_error"].dropna()
                if len(values):
                    highest = max(highest, float(values.quantile(0.95)), float(values.iloc[-1]))
    return error_limit(highest)


def _without_failed(groups: Sequence[Group]) -> list[Group]:
    """Leaves out networks that failed to train if others did not.

    The plain network with 110 layers ends above 60 % in the paper, which does not draw it. The
    legend still contains its error.
    """
    means = [mean_and_std(group.last_errors("test"))[0] for group in groups]
    if min((mean for mean in means if mean == mean), default=100) > 25:
        return list(groups)
    return [group for group, mean in zip(groups, means, strict=True) if not mean > 60]


def _place_legend(axes: Axes, title: str) -> None:
    """Draws the legend where it covers no curve, or below the axes if there is no such place."""
    from matplotlib.transforms import ScaledTranslation

    options: dict[str, Any] = {
        "handlelength": 2.6, "title": title, "title_fontsize": 8, "alignment": "left",
    }  # fmt: skip
    legend = draw_legend(axes, loc="best", **options)
    figure = cast("Figure", axes.figure)  # panels are never in subfigures
    if _covers_a_curve(axes, figure, legend):
        height = legend.get_window_extent().height / figure.dpi
        figure.set_figheight(figure.get_figheight() + height)
        below = ScaledTranslation(0, -_BELOW_AXES, figure.dpi_scale_trans)
        anchor = {"bbox_to_anchor": (0, 0), "bbox_transform": axes.transAxes + below}
        draw_legend(axes, loc="upper left", borderaxespad=0, **anchor, **options)


def _covers_a_curve(axes: Axes, figure: Figure, legend: Legend) -> bool:
    figure.draw_without_rendering()
    box = legend.get_window_extent()
    return any(
        box.contains(*point)
        for line in axes.get_lines()
        if (line.get_gid() or "").startswith(("test", "train", "unfinished"))
        for point in axes.transData.transform(line.get_xydata())
    )
