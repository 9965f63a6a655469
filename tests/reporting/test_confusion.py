"""The cells, colors and names of confusion matrices."""

import warnings

import numpy
import pytest

from resnet_keras.errors import UsageError, UserError
from resnet_keras.reporting.confusion import confusion_figure, draw_confusion, short_name

MATRIX = numpy.array([[8, 2, 0], [1, 3, 0], [0, 0, 0]])
NAMES = ["cat", "dog", "frog"]


def cells(figure):
    return {tuple(map(int, t.get_position())): t.get_text() for t in figure.axes[0].texts}


def test_rows_are_true_classes_and_columns_predicted_ones():
    figure = confusion_figure(MATRIX, NAMES, "run")
    axes = figure.axes[0]
    assert cells(figure)[1, 0] == "2" and cells(figure)[0, 1] == "1"  # (x, y)
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("true class", "predicted class")
    assert [label.get_text() for label in axes.get_yticklabels()] == NAMES
    assert [label.get_text() for label in axes.get_xticklabels()] == NAMES


def test_colors_are_percentages_of_the_true_class():
    image = confusion_figure(MATRIX, NAMES, "run").axes[0].images[0]
    expected = [[80, 20, 0], [25, 75, 0], [0, 0, 0]]
    numpy.testing.assert_allclose(image.get_array(), expected)
    assert image.get_clim() == (0, 100)


@pytest.mark.parametrize("count, numbered", [(20, True), (21, False), (100, False)])
def test_matrices_of_many_classes_have_no_counts(count, numbered):
    figure = confusion_figure(numpy.eye(count, dtype=int), ["name"] * count, "run")
    assert bool(figure.axes[0].texts) is numbered
    assert len(figure.axes[0].get_yticklabels()) == count


def test_one_class_and_a_thousand_classes(tmp_path):
    for count in (1, 1000):
        names = [f"class {i}" for i in range(count)]
        draw_confusion(numpy.eye(count, dtype=int), names, tmp_path / f"{count}.png", "run")
        assert (tmp_path / f"{count}.png").read_bytes().startswith(b"\x89PNG")


def test_unusual_names_are_drawn_without_warnings(tmp_path):
    names = [r"$\broken{", "price: $5 $6", "猫 🐈\n\x07" + "very " * 20]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_confusion(MATRIX, names, tmp_path / "c.png", r"100 $\% of $")
    labels = confusion_figure(MATRIX, names, "").axes[0].get_yticklabels()
    assert [label.get_text() for label in labels][:2] == names[:2]


def test_long_names_are_shortened_to_one_line():
    assert short_name("a b\n c") == "a b c"
    assert short_name("x" * 24) == "x" * 24
    assert short_name("x" * 25) == "x" * 23 + "…"
    assert short_name("a\x07b\udcffc") == "a\ufffdb\ufffdc"


@pytest.mark.parametrize(
    "matrix, names, message",
    [
        (numpy.ones((2, 3), int), NAMES, "square"),
        (numpy.ones((0, 0), int), [], "square"),
        (numpy.ones((3, 3)), NAMES, "counts"),
        (-numpy.ones((3, 3), int), NAMES, "counts"),
        (MATRIX, NAMES[:2], "3 classes need 3 names. Received: 2"),
    ],
)
def test_other_matrices_are_usage_errors(matrix, names, message):
    with pytest.raises(UsageError, match=message):
        confusion_figure(matrix, names, "run")


def test_an_error_while_writing_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "c.png"
    path.write_bytes(b"old")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    with pytest.raises(UserError, match="No space left"):
        draw_confusion(MATRIX, NAMES, path, "run")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["c.png"]
