"""The lines, limits and marks of training curves."""

import math

import numpy
import pandas
import pytest

from resnet_keras.errors import UserError
from resnet_keras.reporting.curve import curve_figure, draw_curve, learning_rate_drops
from resnet_keras.runs.metrics import COLUMNS

NAN = math.nan


def metrics(steps, train, test=NAN, validation=NAN, rate=0.1):
    count = len(steps)

    def column(value):
        return numpy.broadcast_to(numpy.asarray(value, float), count).copy()

    return pandas.DataFrame(
        {
            "step": steps,
            "learning_rate": column(rate),
            "loss": 1.0,
            "train_error": column(train),
            "validation_error": column(validation),
            "test_error": column(test),
            "seconds": 1.0,
            "images_per_second": 1.0,
        }
    )


def marked(figure, gid):
    return [artist for artist in figure.axes[0].get_children() if artist.get_gid() == gid]


def line(figure, gid):
    (found,) = marked(figure, gid)
    return found


def test_lines_are_the_measurements():
    figure = curve_figure(metrics([100, 200, 300], [50, 40, 30], [NAN, 45, 35]), "run")
    assert line(figure, "train").get_xdata().tolist() == [100, 200, 300]
    assert line(figure, "train").get_ydata().tolist() == [50, 40, 30]
    assert line(figure, "test").get_xdata().tolist() == [200, 300]
    assert line(figure, "test").get_ydata().tolist() == [45, 35]


def test_the_test_error_is_bold_and_the_training_error_thin_and_dashed():
    figure = curve_figure(metrics([1, 2], [50, 40], [50, 45]), "run")
    assert line(figure, "test").get_linewidth() > 2 * line(figure, "train").get_linewidth()
    assert line(figure, "test").get_linestyle() == "-"
    assert line(figure, "train").get_linestyle() == "--"


def test_the_validation_error_replaces_a_missing_test_error():
    figure = curve_figure(metrics([1, 2], [50, 40], validation=[50, 45]), "run")
    assert line(figure, "validation").get_ydata().tolist() == [50, 45]
    assert not marked(figure, "test")


def test_a_test_error_measured_once_is_a_point():
    figure = curve_figure(
        metrics([1, 2, 3], [5, 4, 3], [NAN, NAN, 8.75], validation=[9, 8, 7]), "run"
    )
    assert line(figure, "validation").get_linewidth() > 2
    assert line(figure, "test").get_ydata().tolist() == [8.75]
    assert line(figure, "test").get_marker() == "s"


def test_the_axis_of_long_runs_is_in_ten_thousands():
    figure = curve_figure(metrics([32_000, 64_000], [5, 4], [9, 8]), "run")
    assert line(figure, "test").get_xdata().tolist() == [3.2, 6.4]
    assert figure.axes[0].get_xlabel() == "iterations (1e4)"
    short = curve_figure(metrics([10, 20], [5, 4], [9, 8]), "run")
    assert short.axes[0].get_xlabel() == "iterations"


def test_the_last_error_is_annotated_not_the_lowest():
    figure = curve_figure(metrics([1, 2, 3], [5, 4, 3], [9, 8.1, 8.756]), "run")
    (note,) = marked(figure, "last")
    assert note.get_text() == "8.76 %" and note.xy == (3, 8.756)


def test_a_start_outside_the_axes_is_annotated():
    steps = list(range(1, 101))
    train = [90.0] * 10 + [8.0] * 90
    figure = curve_figure(metrics(steps, train, train), "run")
    assert figure.axes[0].get_ylim() == (0, 10)
    (note,) = marked(figure, "cut")
    assert "90 %" in note.get_text()


@pytest.mark.parametrize(
    "late, top", [(9.0, 10), (18.0, 20), (65.0, 80), (95.0, 100), (100.0, 102), (0.5, 1)]
)
def test_later_values_are_always_inside_the_axes(late, top):
    figure = curve_figure(metrics([25, 50, 75, 100], [late, 0.1, 0.1, 0.1], 0.1), "run")
    assert figure.axes[0].get_ylim() == (0, top)
    assert not marked(figure, "cut")


def test_learning_rate_drops_are_marked():
    run = metrics([100, 200, 300, 400], 5, 6, rate=[0.01, 0.1, 0.1, 0.01])
    assert learning_rate_drops(run) == [300]
    (mark,) = marked(curve_figure(run, "run"), "drop")
    assert mark.get_xdata() == [300, 300]


def test_a_smooth_learning_rate_has_no_drops():
    run = metrics([1, 2, 3, 4], 5, 6, rate=[0.1, 0.08, 0.05, 0.03])
    assert learning_rate_drops(run) == []


def test_an_unfinished_run_is_marked():
    run = metrics([100, 200], [5, 4], [9, 8])
    texts = [m.get_text() for m in marked(curve_figure(run, "run", 1000), "unfinished")[:] if
             hasattr(m, "get_text")]  # fmt: skip
    assert texts == ["unfinished: 200 of 1,000 iterations"]
    assert curve_figure(run, "run", 1000).axes[0].get_xlim()[1] >= 1000
    assert not marked(curve_figure(run, "run", 200), "unfinished")
    assert not marked(curve_figure(run, "run"), "unfinished")


def test_a_single_row_is_a_visible_point():
    figure = curve_figure(metrics([391], [60], [55]), "run")
    assert line(figure, "test").get_marker() == "o"
    assert line(figure, "test").get_ydata().tolist() == [55]


def test_the_title_is_taken_literally(tmp_path):
    figure = curve_figure(metrics([1, 2], [5, 4], [9, 8]), r"cost $\undefined{ 5$")
    figure.canvas.draw()
    assert figure.axes[0].get_title() == r"cost $\undefined{ 5$"


def write(tmp_path, rows):
    path = tmp_path / "metrics.csv"
    path.write_text(",".join(COLUMNS) + "\n" + rows)
    return path


def test_an_existing_file_is_replaced(tmp_path):
    path = write(tmp_path, "100,0.1,2.1,80.5,,75.25,12.5,1024\n200,0.1,1")
    out = tmp_path / "figures" / "curve.png"
    draw_curve(path, out, "run")
    out.write_bytes(b"old")
    draw_curve(path, out, "run", total_steps=64_000)
    assert out.read_bytes().startswith(b"\x89PNG")
    assert [file.name for file in out.parent.iterdir()] == ["curve.png"]


def test_a_run_without_errors_is_a_user_error(tmp_path):
    path = write(tmp_path, "100,0.1,2.1,,,,12.5,1024\n")
    with pytest.raises(UserError, match="no error measured"):
        draw_curve(path, tmp_path / "curve.png", "run")
    assert not (tmp_path / "curve.png").exists()


def test_pyplot_is_not_used():
    import sys

    curve_figure(metrics([1, 2], [5, 4], [9, 8]), "run")
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_known_drops_are_marked_at_their_steps():
    run = metrics([100, 200, 300], [50, 40, 30], [NAN, 45, 35])
    marks = marked(curve_figure(run, "run", dropped_at=[150, 250, 400]), "drop")
    assert [mark.get_xdata()[0] for mark in marks] == [150, 250]
