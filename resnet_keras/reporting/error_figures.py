"""The comparisons, a figure each: plain against residual, side by side, Figs. 1, 4 and 6, any."""

from collections.abc import Sequence

from resnet_keras.errors import UserError
from resnet_keras.reporting.figures import (
    BLACK,
    BLUE,
    GREEN,
    LITERAL,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    footnotes,
    new_figure,
    write_footnotes,
)
from resnet_keras.reporting.groups import Group, mean_and_std, paper_steps
from resnet_keras.reporting.paper import has_paper_curve, paper_curve

# A colour and, for print in grey, a marker.
STYLES = (
    (BLUE, "o"),
    (VERMILION, "s"),
    (GREEN, "^"),
    (ORANGE, "D"),
    (PURPLE, "v"),
    (SKY, "P"),
    (BLACK, "X"),
)
DEPTH_STYLES = {
    20: (BLUE, "o"), 32: (GREEN, "^"), 44: (ORANGE, "D"), 56: (VERMILION, "s"),
    110: (PURPLE, "v"), 1202: (BLACK, "X"),
    18: (BLUE, "o"), 34: (VERMILION, "s"), 50: (GREEN, "^"), 101: (ORANGE, "D"), 152: (PURPLE, "v"),
}  # fmt: skip
SPLITS = ("train", "test")
# From this part of the schedule on, everything measured lies inside the axes; what comes before
# may start at 90 % and would press the rest flat. The paper cuts at 20 %.
ALWAYS_SHOWN_FROM = 0.25
# Inches that the numbers and the name of the lower axis take.
BELOW_AXES = 0.48
TOPS = (1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100)


def depth_styles(groups: Sequence[Group]) -> list[tuple[str, str]]:
    """Returns a colour and marker a group, by the depth of its network where that tells apart."""
    depths = [group.recipe.architecture.depth for group in groups]
    known = all(depth in DEPTH_STYLES for depth in depths)
    if known and len(set(depths)) == len(depths):
        return [DEPTH_STYLES[depth] for depth in depths]
    return [STYLES[index % len(STYLES)] for index in range(len(groups))]


def draw_errors(
    axes,
    groups: Sequence[Group],
    styles: Sequence[tuple[str, str]],
    title: str,
    splits: Sequence[str] = SPLITS,
    overlay_paper: bool = False,
    top: float | None = None,
) -> None:
    """Draws groups of runs into matplotlib axes.

    Args:
        axes: where.
        groups: one at least.
        styles: a colour and marker each.
        title: taken literally.
        splits: `"train"`, `"test"` or both.
        overlay_paper: puts the paper's test curves behind ours, at the same part of the schedule.
        top: upper end of the axis in percent; `None` takes what fits.
    """
    length = max(group.recipe.steps for group in groups)
    scale, unit = (1e4, " (1e4)") if length >= 10_000 else (1, "")
    for index, (group, style) in enumerate(zip(groups, styles, strict=True)):
        for split in splits:
            bold = split == splits[-1]
            _draw_group(axes, group, split, style, scale, bold, offset=index / len(groups))
    if len(splits) > 1:
        axes.plot([], [], label="training error", **_look("0.4", bold=False))
    if overlay_paper and "test" in splits:
        for group, style in zip(groups, styles, strict=True):
            _draw_paper(axes, group, style, scale)
    _draw_drops(axes, groups, styles, scale)
    top = top_limit(groups, splits) if top is None else top
    axes.set_xlim(0, 1.02 * length / scale)
    axes.set_ylim(0, top)
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel(f"iterations{unit}")
    axes.set_ylabel(f"{splits[0]} error (%)" if len(splits) == 1 else "error (%)")
    axes.locator_params(axis="y", steps=[1, 2, 5, 10])
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_title(title, fontsize=11, **LITERAL)
    _draw_legend(axes, f"{splits[-1]} error, the last iterate's")


def _draw_legend(axes, title):
    """Draws it where no curve is, or below the axes if they are everywhere."""
    from matplotlib.transforms import ScaledTranslation

    look = {
        "fontsize": 8, "framealpha": 0.9, "handlelength": 2.6, "title": title,
        "title_fontsize": 8, "alignment": "left",
    }  # fmt: skip
    legend = _literal(axes.legend(loc="best", **look))
    if _covers_a_curve(axes, legend):
        figure = axes.figure
        height = legend.get_window_extent().height / figure.dpi
        figure.set_figheight(figure.get_figheight() + height)
        below = ScaledTranslation(0, -BELOW_AXES, figure.dpi_scale_trans)
        place = {"bbox_to_anchor": (0, 0), "bbox_transform": axes.transAxes + below}
        _literal(axes.legend(loc="upper left", borderaxespad=0, **place, **look))


def _literal(legend):
    for text in legend.get_texts():
        text.set_parse_math(False)
    return legend


def _covers_a_curve(axes, legend):
    axes.figure.draw_without_rendering()
    box = legend.get_window_extent()
    return any(
        box.contains(*point)
        for line in axes.get_lines()
        if (line.get_gid() or "").startswith(("test", "train", "unfinished"))
        for point in axes.transData.transform(line.get_xydata())
    )


def top_limit(groups: Sequence[Group], splits: Sequence[str] = SPLITS) -> float:
    """Returns the lowest round percentage above what the curves are from a quarter of the schedule
    on; single spikes and networks that failed to train are left out of it."""
    highest = 0.0
    for group in _on_scale(groups):
        for run in group.runs:
            begin = min(ALWAYS_SHOWN_FROM * run.recipe.steps, ALWAYS_SHOWN_FROM * 2 * run.step)
            late = run.metrics[run.metrics["step"] >= begin]
            for split in splits:
                # A single evaluation can spike at the high rate; the figure is not for that one.
                values = late[f"{split}_error"].dropna()
                if len(values):
                    highest = max(highest, float(values.quantile(0.95)), float(values.iloc[-1]))
    return next((top for top in TOPS if highest <= 0.97 * top), 102)


def _on_scale(groups):
    """Leaves out networks that failed to train, where others did not: the paper's plain-110 ends
    above 60 %, and it does not draw it. The legend tells its error all the same."""
    finals = [mean_and_std(group.last_errors("test"))[0] for group in groups]
    if min((final for final in finals if final == final), default=100) > 25:
        return groups
    return [group for group, final in zip(groups, finals, strict=True) if not final > 60]


def legend_label(group: Group, split: str = "test") -> str:
    """Returns a legend's words: the label, and the last iterate's error where there is one."""
    errors = group.last_errors(split)
    if not errors:
        run = max(group.runs, key=lambda run: run.step)
        return f"{group.label}, unfinished ({run.step:,} of {run.recipe.steps:,})"
    mean, std = mean_and_std(errors)
    spread = f" ± {std:.2f} (n = {len(errors)})" if len(errors) > 1 else ""
    return f"{group.label}: {mean:.2f}{spread} %"


def _look(colour, bold):
    if bold:
        return {"color": colour, "linewidth": 2.0, "zorder": 4}
    dashes = (0, (4, 1.5))
    return {"color": colour, "linewidth": 0.9, "linestyle": dashes, "zorder": 3, "alpha": 0.8}


def _draw_group(axes, group, split, style, scale, bold, offset):
    """Draws one error of a group: `bold`, with a legend and markers, or as company."""
    colour, marker = style
    look = _look(colour, bold)
    label = legend_label(group, split) if bold else None
    envelope = group.envelope(split)
    if len(envelope):
        x = envelope["step"].to_numpy() / scale
        if bold:
            # Markers of different networks do not hide one another.
            every = (offset / 8, 0.125) if len(x) > 1 else None
            look |= {"marker": marker, "markersize": 5.5, "markevery": every}
            look |= {"markeredgecolor": "white", "markeredgewidth": 0.5}
        axes.plot(x, envelope["mean"], label=label, gid=f"{split} {group.label}", **look)
        label = None
        if len(group.complete) > 1:
            axes.fill_between(
                x, envelope["low"], envelope["high"], color=colour, alpha=0.18, linewidth=0,
                zorder=2, gid=f"band {split} {group.label}",
            )  # fmt: skip
    for run in group.unfinished:
        rows = run.metrics[run.metrics[f"{split}_error"].notna()]
        if rows.empty:
            continue
        x, y = rows["step"].to_numpy() / scale, rows[f"{split}_error"].to_numpy()
        gid = f"unfinished {split} {group.label}"
        axes.plot(x, y, label=label, gid=gid, **_look(colour, bold))
        label = None
        if bold:
            # An open end: the curve has not come to its own.
            axes.plot(x[-1], y[-1], marker, color=colour, markersize=9, fillstyle="none",
                      markeredgewidth=1.5, zorder=5, gid="unfinished")  # fmt: skip


def _draw_paper(axes, group, style, scale):
    if not has_paper_curve(group):
        return
    colour, marker = style
    curve = paper_curve(group.network, "test")
    stretch = group.recipe.steps / paper_steps(group.recipe) / scale
    shown = any(line.get_gid() == "paper" for line in axes.get_lines())
    axes.plot(
        curve["iteration"] * stretch, curve["error_pct"], color=colour, alpha=0.3, linewidth=4,
        zorder=1, gid="paper", label=None if shown else "pale: the paper's test error",
        # Which is whose must also be seen in grey: our curve's marker, hollow, now and then.
        marker=marker, markevery=max(1, len(curve) // 5), markersize=6.5, markerfacecolor="none",
        markeredgewidth=1.2,
    )  # fmt: skip


def _draw_drops(axes, groups, styles, scale):
    """Marks where the learning rate drops: in grey what all networks share, else in colour."""
    shared = len({group.recipe.drops for group in groups}) == 1
    for group, (colour, _) in zip(groups[:1] if shared else groups, styles, strict=False):
        for step in group.recipe.drops:
            if step < group.recipe.steps:
                axes.axvline(step / scale, color="0.55" if shared else colour, linewidth=0.9,
                             linestyle=":", zorder=0, gid="drop")  # fmt: skip


WIDTH, HEIGHT = 6.6, 4.7


def one_panel(groups: Sequence[Group], title: str, overlay_paper: bool = False):
    """Returns a `Figure` with all groups in one pair of axes."""
    groups = _needed(groups)
    figure = new_figure(WIDTH + 0.6, HEIGHT + 0.3)
    styles = [STYLES[index % len(STYLES)] for index in range(len(groups))]
    draw_errors(figure.add_subplot(), groups, styles, title, overlay_paper=overlay_paper)
    write_footnotes(figure, footnotes(groups, overlay_paper))
    return figure


def side_by_side(groups: Sequence[Group], overlay_paper: bool = False):
    """Returns a `Figure` of plain networks at the left and residual ones at the right, depths in
    colour, both to one scale."""
    groups = _needed(groups)
    plain = [group for group in groups if not group.recipe.architecture.residual]
    residual = [group for group in groups if group.recipe.architecture.residual]
    panels = [(plain, "plain networks"), (residual, "residual networks")]
    return _panels(panels, groups, overlay_paper)


def figure_1(groups: Sequence[Group], overlay_paper: bool = False):
    """Returns the paper's Fig. 1: training error at the left, test error at the right, of plain
    networks of two depths."""
    groups = _needed(groups)
    figure = new_figure(2 * WIDTH * 0.8, HEIGHT)
    styles = depth_styles(groups)
    for index, split in enumerate(("train", "test"), 1):
        draw_errors(
            figure.add_subplot(1, 2, index), groups, styles, f"{split} error",
            splits=(split,), overlay_paper=overlay_paper and split == "test",
            top=top_limit(groups),
        )  # fmt: skip
    write_footnotes(figure, footnotes(groups, overlay_paper))
    return figure


def figure_6(groups: Sequence[Group], overlay_paper: bool = False):
    """Returns the paper's Fig. 6: plain networks, residual networks, and those of 110 layers and
    more."""
    groups = _needed(groups)
    plain = [group for group in groups if not group.recipe.architecture.residual]
    residual = [group for group in groups if group.recipe.architecture.residual]
    deep = [group for group in residual if group.recipe.architecture.depth >= 110]
    # As in the paper, 110 layers stand among the residual networks and beside those of more.
    if not any(group.recipe.architecture.depth > 110 for group in deep):
        deep = []
    middle = [group for group in residual if group.recipe.architecture.depth <= 110]
    panels = [(plain, "plain"), (middle, "ResNet"), (deep, "ResNet, 110 layers and more")]
    return _panels([panel for panel in panels if panel[0]], groups, overlay_paper)


def _panels(panels, groups, overlay_paper):
    figure = new_figure(WIDTH * 0.8 * max(len(panels), 1.25), HEIGHT)
    top = top_limit(groups)
    first = None
    for index, (members, title) in enumerate(panels, 1):
        axes = figure.add_subplot(1, len(panels), index, sharey=first)
        first = first or axes
        if members:
            draw_errors(
                axes, members, _styles(members), title, overlay_paper=overlay_paper, top=top
            )
        else:
            axes.set_title(title, fontsize=11)
            axes.text(0.5, 0.5, "no run yet", transform=axes.transAxes, ha="center", color="0.4")
            axes.set_xticks([])
    write_footnotes(figure, footnotes(groups, overlay_paper))
    return figure


def _styles(groups):
    depths = {group.recipe.architecture.depth for group in groups}
    if depths <= set(DEPTH_STYLES):
        return depth_styles(groups)
    return [STYLES[index % len(STYLES)] for index in range(len(groups))]


def _needed(groups):
    if not groups:
        raise UserError("there is no run to draw; name folders of runs, such as runs/NAME")
    return list(groups)
