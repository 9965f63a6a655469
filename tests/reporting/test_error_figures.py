"""The lines, bands, marks and notes of the figures that compare networks."""

import dataclasses
import subprocess
import sys

import pytest

from resnet_keras.errors import UserError
from resnet_keras.reporting.error_figures import (
    figure_1,
    figure_6,
    plain_residual_figure,
    single_panel_figure,
)
from resnet_keras.reporting.groups import group_runs
from resnet_keras.reporting.paper import paper_curve
from resnet_keras.runs.run import read_run
from tests.made_up_runs import make_run


def groups(tmp_path, *specs):
    return group_runs(read_run(make_run(tmp_path, **spec)) for spec in specs)


def marked(axes, gid):
    return [artist for artist in axes.get_children() if (artist.get_gid() or "").startswith(gid)]


def notes(figure):
    (text,) = [text for text in figure.texts if text.get_gid() == "footnotes"]
    return " ".join(text.get_text().split())


def legend_labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_the_test_error_is_bold_and_the_training_error_thin(tmp_path):
    axes = single_panel_figure(groups(tmp_path, {}), "x").axes[0]
    (test,), (train,) = marked(axes, "test"), marked(axes, "train")
    assert test.get_linewidth() > 2 * train.get_linewidth()
    assert (test.get_linestyle(), train.get_linestyle()) == ("-", "--")
    assert test.get_color() == train.get_color()


def test_plain_and_residual_panels_share_their_scale_and_colors(tmp_path):
    names = ("plain20", "plain56", "resnet20", "resnet56")
    figure = plain_residual_figure(groups(tmp_path, *({"arch": name} for name in names)))
    left, right = figure.axes
    assert left.get_ylim() == right.get_ylim()
    assert (
        marked(left, "test plain20")[0].get_color()
        == marked(right, "test resnet20-A")[0].get_color()
    )
    assert (
        marked(left, "test plain20")[0].get_color() != marked(left, "test plain56")[0].get_color()
    )
    assert [line.get_xdata()[0] for line in marked(left, "drop")] == [3200, 4800]


def test_a_network_that_degrades_is_visible_and_not_covered_by_the_legend(tmp_path):
    # With a tenth of the schedule, plain-56 ends above 50 %, which the figure is meant to show.
    specs = ({"arch": "plain20"}, {"arch": "plain56", "final_error": 52.0}, {"arch": "resnet20"})
    figure = plain_residual_figure(groups(tmp_path, *specs))
    left = figure.axes[0]
    (curve,) = marked(left, "test plain56")
    assert curve.get_ydata()[-1] < left.get_ylim()[1]
    figure.canvas.draw()
    box = left.get_legend().get_window_extent()
    points = [
        left.transData.transform(point)
        for name in ("test plain20", "test plain56", "train plain20", "train plain56")
        for point in marked(left, name)[0].get_xydata()
    ]
    assert not any(box.contains(*point) for point in points)


def test_the_legend_is_below_the_axes_if_curves_are_everywhere(tmp_path):
    specs = [
        {"name": f"{index}", "final_error": 10.0 + 8 * index, "decay": index} for index in range(6)
    ]
    figure = single_panel_figure(groups(tmp_path, *specs), "x")
    axes = figure.axes[0]
    figure.canvas.draw()
    legend, inside = axes.get_legend().get_window_extent(), axes.get_window_extent()
    below = axes.xaxis.label.get_window_extent()
    assert legend.y1 < below.y0 < inside.y0
    assert legend.y0 > 0 and legend.x1 < figure.bbox.x1
    assert inside.height > 2.5 * figure.dpi  # the figure grew; the axes did not shrink


def test_a_network_that_failed_to_train_is_in_the_legend_but_outside_the_axes(tmp_path):
    # As in the paper for plain-110, with an error "higher than 60 %".
    specs = ({"arch": "plain20"}, {"arch": "plain110", "final_error": 70.0}, {"arch": "resnet20"})
    left = plain_residual_figure(groups(tmp_path, *specs)).axes[0]
    assert marked(left, "test plain110")[0].get_ydata()[-1] > left.get_ylim()[1]
    assert any("Plain-110, 7" in label for label in legend_labels(left))


def test_an_empty_panel_says_that_there_is_no_run(tmp_path):
    left, right = plain_residual_figure(groups(tmp_path, {})).axes
    assert [text.get_text() for text in left.texts] == ["no run yet"]
    assert marked(right, "test")


def test_a_band_over_seeds(tmp_path):
    made = groups(tmp_path, {"seed": 0}, {"seed": 1}, {"arch": "plain20"})
    figure = single_panel_figure(made, "x")
    assert len(marked(figure.axes[0], "band test")) == 1
    assert (
        "Lines show the mean over 2 seeds; bands range from the lowest to the highest seed. "
        "Curves without a band have one seed."
    ) in notes(figure)
    labels = legend_labels(figure.axes[0])
    assert any(label.endswith(" %, 2 seeds") and " ± " in label for label in labels)
    assert any(label.endswith(" %, 1 seed") and " ± " not in label for label in labels)


def test_unfinished_runs_are_drawn_as_far_as_they_got(tmp_path):
    figure = single_panel_figure(groups(tmp_path, {"fraction_done": 0.5}), "x")
    (line,) = marked(figure.axes[0], "unfinished test")
    assert line.get_xdata()[-1] == 3200
    assert "Unfinished" in notes(figure)
    assert "resnet20-A-seed0-x0.1" in notes(figure)
    label = legend_labels(figure.axes[0])[0]
    assert label == "ResNet-20 (A), unfinished (3,200 of 6,400 iterations)"


def test_notes_name_the_departures_from_the_paper(tmp_path):
    text = notes(single_panel_figure(groups(tmp_path, {"dataset": "digits"}), "x"))
    assert "The schedule is shortened to 6,400 iterations (64,000 in the paper)." in text
    assert "mixed_bfloat16" in text
    assert "digits" in text
    made = groups(tmp_path, {"scale": 1, "precision": "float32"})
    text = notes(single_panel_figure(made, "x"))
    assert "chedule" not in text
    assert "float32" not in text
    assert "data set" not in text


def test_notes_about_schedules_of_several_lengths(tmp_path):
    specs = [{"scale": scale} for scale in (0.1, 0.2, 0.3)]
    made = groups(tmp_path, *specs)
    assert "The schedules have 6,400 to 19,200 iterations" in notes(single_panel_figure(made, "x"))
    text = notes(single_panel_figure(made[1:], "x"))
    assert "The schedules have 6,400 and 12,800 iterations" in text


def test_the_paper_curve_is_rescaled_to_the_same_fraction_of_the_schedule(tmp_path):
    figure = single_panel_figure(groups(tmp_path, {}), "x", overlay_paper=True)
    (paper,) = marked(figure.axes[0], "paper")
    expected = paper_curve("resnet20-A", "test")
    assert paper.get_xdata().tolist() == pytest.approx((expected["iteration"] * 0.1).tolist())
    assert paper.get_zorder() < marked(figure.axes[0], "test")[0].get_zorder()
    assert "same fraction of the schedule" in notes(figure)


def test_other_data_sets_and_networks_have_no_paper_curve(tmp_path):
    specs = [{"dataset": "digits"}, {"option": "B"}]
    for spec in specs:
        figure = single_panel_figure(groups(tmp_path, spec), "x", overlay_paper=True)
        assert not marked(figure.axes[0], "paper")
        assert "same fraction" not in notes(figure)


def test_figure_1_has_one_panel_per_error(tmp_path):
    left, right = figure_1(groups(tmp_path, {"arch": "plain20"}, {"arch": "plain56"})).axes
    assert (left.get_ylabel(), right.get_ylabel()) == ("training error (%)", "test error (%)")
    assert not marked(left, "test")
    assert not marked(right, "train")


def test_the_axes_of_figure_6_ignore_a_network_that_failed_to_train(tmp_path):
    made = groups(
        tmp_path,
        {"arch": "plain20"},
        {"arch": "plain110", "final_error": 61},
        {"arch": "resnet110", "final_error": 6.6},
        {"arch": "resnet1202", "final_error": 7.9},
    )
    figure = figure_6(made)
    assert len(figure.axes) == 3
    assert figure.axes[0].get_ylim()[1] <= 40


def test_footnotes_lie_inside_the_figure(tmp_path):
    specs = [{"seed": 0, "dataset": "digits"}, {"seed": 1, "dataset": "digits"}, {"scale": 0.2}]
    figure = single_panel_figure(groups(tmp_path, *specs), "x", overlay_paper=True)
    (text,) = [text for text in figure.texts if text.get_gid() == "footnotes"]
    box = text.get_window_extent()
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1


def test_names_are_taken_literally(tmp_path):
    (group,) = groups(tmp_path, {})
    group = dataclasses.replace(group, distinctions=("a_$b^{$ {c}",))
    figure = single_panel_figure([group], "$\\frac{")
    figure.savefig(tmp_path / "x.png")


def test_no_runs():
    for draw in (plain_residual_figure, figure_1, figure_6):
        with pytest.raises(UserError, match="no run"):
            draw([])
    with pytest.raises(UserError, match="no run"):
        single_panel_figure([], "x")


def test_drawing_does_not_import_tensorflow(tmp_path):
    make_run(tmp_path / "runs")
    program = (
        "import sys; from pathlib import Path; "
        "from resnet_keras.cli import report, reproduce, compare, responses; import argparse; "
        "p = argparse.ArgumentParser(); report.configure(p); "
        f"report.run(p.parse_args(['--runs-dir', {str(tmp_path / 'runs')!r}, "
        f"'--results-dir', {str(tmp_path / 'out')!r}])); "
        "from resnet_keras.reporting import responses_figure; "
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'tensorflow', 'keras', 'jax'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr
