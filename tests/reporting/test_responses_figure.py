"""Fig. 7 from csv files."""

import pytest

from resnet_keras.errors import UserError
from resnet_keras.reporting.responses_figure import draw_responses, read_responses, responses_figure

HEADER = "network,index,layer,std,images,split,recipe_steps\n"


def write(path, network, stds, steps=6400):
    rows = [f"{network},{i},conv{i},{std},2000,train,{steps}\n" for i, std in enumerate(stds, 1)]
    path.write_text(HEADER + "".join(rows))
    return path


def test_by_layer_and_sorted(tmp_path):
    path = write(tmp_path / "a.csv", "resnet20-A", [1.0, 3.0, 2.0])
    upper, lower = responses_figure([read_responses(path)]).axes
    assert list(upper.get_lines()[0].get_ydata()) == [1.0, 3.0, 2.0]
    assert list(lower.get_lines()[0].get_ydata()) == [3.0, 2.0, 1.0]
    (label,) = [text.get_text() for text in upper.get_legend().get_texts()]
    assert label == "resnet20-A: mean 2.00 (the paper's 1.63)"
    for axes in (upper, lower):  # there is no layer 1.5
        assert all(float(tick).is_integer() for tick in axes.get_xticks())


def test_says_on_which_images_and_schedules(tmp_path):
    figure = responses_figure([read_responses(write(tmp_path / "a.csv", "x", [1.0]))])
    text = " ".join(text.get_text() for text in figure.texts)
    assert "2,000 train images" in text
    assert "6,400 iterations; the paper's 64,000" in text


def test_draws_a_file(tmp_path):
    draw_responses([write(tmp_path / "a.csv", "x", [1.0])], tmp_path / "out" / "fig7.png")
    assert (tmp_path / "out" / "fig7.png").stat().st_size > 1000


@pytest.mark.parametrize("content", ["", HEADER, "a,b\n1,2\n"])
def test_files_of_another_kind(tmp_path, content):
    path = tmp_path / "x.csv"
    path.write_text(content)
    with pytest.raises(UserError, match=r"x\.csv"):
        read_responses(path)


def test_none(tmp_path):
    with pytest.raises(UserError, match="no responses"):
        draw_responses([], tmp_path / "x.png")
    with pytest.raises(UserError, match="cannot read"):
        read_responses(tmp_path / "none.csv")
