"""What the comparisons' lines, bands, marks and notes say."""

import subprocess
import sys

import pytest

from resnet_keras.errors import UserError
from resnet_keras.reporting.error_figures import figure_1, figure_6, one_panel, side_by_side
from resnet_keras.reporting.groups import group_runs
from resnet_keras.reporting.paper import paper_curve
from resnet_keras.runs.reading import read_run
from tests.made_up_runs import make_run


def groups(tmp_path, *specs):
    return group_runs(read_run(make_run(tmp_path, **spec)) for spec in specs)


def marked(axes, gid):
    return [artist for artist in axes.get_children() if (artist.get_gid() or "").startswith(gid)]


def notes(figure):
    (text,) = [text for text in figure.texts if text.get_gid() == "footnotes"]
    return " ".join(text.get_text().split())


def test_test_is_bold_and_training_lighter(tmp_path):
    axes = one_panel(groups(tmp_path, {}), "x").axes[0]
    (test,), (train,) = marked(axes, "test"), marked(axes, "train")
    assert test.get_linewidth() > 2 * train.get_linewidth()
    assert (test.get_linestyle(), train.get_linestyle()) == ("-", "--")
    assert test.get_color() == train.get_color()


def test_plain_beside_residual_with_depths_in_colour(tmp_path):
    names = ("plain20", "plain56", "resnet20", "resnet56")
    figure = side_by_side(groups(tmp_path, *({"arch": name} for name in names)))
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


def test_a_network_that_degrades_stays_in_sight_and_its_legend_off_it(tmp_path):
    # At a tenth of the schedule plain-56 ends above 50 %: that is what the figure is for.
    specs = ({"arch": "plain20"}, {"arch": "plain56", "final": 52.0}, {"arch": "resnet20"})
    figure = side_by_side(groups(tmp_path, *specs))
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


def test_a_legend_goes_below_where_curves_are_everywhere(tmp_path):
    specs = [{"name": f"{index}", "final": 10.0 + 8 * index, "decay": index} for index in range(6)]
    figure = one_panel(groups(tmp_path, *specs), "x")
    axes = figure.axes[0]
    figure.canvas.draw()
    legend, inside = axes.get_legend().get_window_extent(), axes.get_window_extent()
    below = axes.xaxis.label.get_window_extent()
    assert legend.y1 < below.y0 < inside.y0
    assert legend.y0 > 0 and legend.x1 < figure.bbox.x1
    assert inside.height > 2.5 * figure.dpi  # the figure grew; the axes did not shrink


def test_a_network_that_failed_is_told_and_not_drawn(tmp_path):
    # As the paper does with plain-110, "higher than 60 %".
    specs = ({"arch": "plain20"}, {"arch": "plain110", "final": 70.0}, {"arch": "resnet20"})
    left = side_by_side(groups(tmp_path, *specs)).axes[0]
    assert marked(left, "test plain110")[0].get_ydata()[-1] > left.get_ylim()[1]
    assert any("plain110: 7" in text.get_text() for text in left.get_legend().get_texts())


def test_an_empty_side_says_so(tmp_path):
    left, right = side_by_side(groups(tmp_path, {})).axes
    assert [text.get_text() for text in left.texts] == ["no run yet"]
    assert marked(right, "test")


def test_a_band_over_seeds(tmp_path):
    figure = one_panel(groups(tmp_path, {"seed": 0}, {"seed": 1}, {"arch": "plain20"}), "x")
    assert len(marked(figure.axes[0], "band test")) == 1
    assert "mean over 2 seeds; bands: lowest to highest seed. Without a band: 1 seed." in notes(
        figure
    )
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert any("n = 2" in label for label in labels)


def test_unfinished_runs_go_as_far_as_they_got(tmp_path):
    figure = one_panel(groups(tmp_path, {"until": 0.5}), "x")
    (line,) = marked(figure.axes[0], "unfinished test")
    assert line.get_xdata()[-1] == 3200
    assert "Unfinished" in notes(figure)
    assert "resnet20-A-seed0-x0.1" in notes(figure)
    label = figure.axes[0].get_legend().get_texts()[0].get_text()
    assert label == "resnet20-A, unfinished (3,200 of 6,400)"


def test_departures_from_the_paper_are_said(tmp_path):
    text = notes(one_panel(groups(tmp_path, {"dataset": "digits"}), "x"))
    assert "Shortened schedule: 6,400 iterations; the paper's 64,000." in text
    assert "mixed_bfloat16" in text
    assert "digits" in text
    full = notes(one_panel(groups(tmp_path, {"scale": 1, "precision": "float32"}), "x"))
    assert "chedule:" not in full
    assert "Arithmetic" not in full


def test_the_papers_curve_lies_at_the_same_part_of_the_schedule(tmp_path):
    figure = one_panel(groups(tmp_path, {}), "x", overlay_paper=True)
    (paper,) = marked(figure.axes[0], "paper")
    expected = paper_curve("resnet20-A", "test")
    assert paper.get_xdata().tolist() == pytest.approx((expected["iteration"] * 0.1).tolist())
    assert paper.get_zorder() < marked(figure.axes[0], "test")[0].get_zorder()
    assert "same part of the schedule" in notes(figure)


def test_no_paper_curve_for_other_data_or_networks(tmp_path):
    specs = [{"dataset": "digits"}, {"option": "B"}]
    for spec in specs:
        figure = one_panel(groups(tmp_path, spec), "x", overlay_paper=True)
        assert not marked(figure.axes[0], "paper")
        assert "same part" not in notes(figure)


def test_figure_1_has_a_panel_an_error(tmp_path):
    left, right = figure_1(groups(tmp_path, {"arch": "plain20"}, {"arch": "plain56"})).axes
    assert (left.get_ylabel(), right.get_ylabel()) == ("train error (%)", "test error (%)")
    assert not marked(left, "test")
    assert not marked(right, "train")


def test_figure_6_leaves_a_failed_network_off_the_scale(tmp_path):
    made = groups(
        tmp_path,
        {"arch": "plain20"},
        {"arch": "plain110", "final": 61},
        {"arch": "resnet110", "final": 6.6},
        {"arch": "resnet1202", "final": 7.9},
    )
    figure = figure_6(made)
    assert len(figure.axes) == 3
    assert figure.axes[0].get_ylim()[1] <= 40


def test_names_are_taken_literally(tmp_path):
    (group,) = groups(tmp_path, {})
    import dataclasses

    figure = one_panel([dataclasses.replace(group, label="a_$b^{$ {c}")], "$\\frac{")
    figure.savefig(tmp_path / "x.png")


def test_no_runs():
    with pytest.raises(UserError, match="no run"):
        one_panel([], "x")


def test_the_papers_curves():
    curve = paper_curve("plain20", "train")
    assert list(curve.columns) == ["iteration", "error_pct"]
    assert curve["iteration"].is_monotonic_increasing
    assert paper_curve("resnet20-B", "test") is None
    assert paper_curve("resnet20", "test") is None
    assert paper_curve("plain110", "test") is None
    assert paper_curve("resnet1202-A", "test") is not None


def test_drawing_imports_no_tensorflow(tmp_path):
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
