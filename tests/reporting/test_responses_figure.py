"""The figure of layer responses, drawn from CSV files."""

import pytest

from resnet_keras.errors import UserError
from resnet_keras.reporting import responses_figure as responses_figure_module
from resnet_keras.reporting.responses_figure import draw_responses, read_responses, responses_figure

HEADER = "network,index,layer,std,images,split,recipe_steps\n"


def write(path, network, stds, steps=6400):
    rows = [f"{network},{i},conv{i},{std},2000,train,{steps}\n" for i, std in enumerate(stds, 1)]
    path.write_text(HEADER + "".join(rows))
    return path


def test_responses_in_order_and_sorted(tmp_path):
    path = write(tmp_path / "a.csv", "resnet20-A", [1.0, 3.0, 2.0])
    upper, lower = responses_figure([read_responses(path)]).axes
    assert list(upper.get_lines()[0].get_ydata()) == [1.0, 3.0, 2.0]
    assert list(lower.get_lines()[0].get_ydata()) == [3.0, 2.0, 1.0]
    (label,) = [text.get_text() for text in upper.get_legend().get_texts()]
    assert label == "ResNet-20 (A), mean 2.00 (1.63 in the paper)"
    for axes in (upper, lower):  # layer numbers are integers
        assert all(float(tick).is_integer() for tick in axes.get_xticks())


def test_notes_name_the_images_and_schedules(tmp_path):
    figure = responses_figure([read_responses(write(tmp_path / "a.csv", "x", [1.0]))])
    text = " ".join(" ".join(text.get_text() for text in figure.texts).split())
    assert "2,000 train images" in text
    assert "6,400 iterations (64,000 in the paper)" in text


def test_all_files_are_drawn_plain_and_shallow_networks_first(tmp_path, monkeypatch):
    (tmp_path / "responses").mkdir()
    for network in ("resnet110-A", "resnet20-A", "plain20"):
        write(tmp_path / "responses" / f"{network}.csv", network, [1.0])
    (tmp_path / "responses" / "bad.csv").write_text("a,b\n")
    drawn = []
    monkeypatch.setattr(
        responses_figure_module, "responses_figure",
        lambda tables: drawn.extend(tables) or responses_figure(tables),
    )  # fmt: skip
    path, errors = draw_responses(tmp_path)
    assert path == tmp_path / "fig7.png" and path.stat().st_size > 1000
    assert [t["network"].iloc[0] for t in drawn] == ["plain20", "resnet20-A", "resnet110-A"]
    assert len(errors) == 1 and "bad.csv" in errors[0]


@pytest.mark.parametrize("content", ["", HEADER, "a,b\n1,2\n"])
def test_other_files_are_user_errors(tmp_path, content):
    path = tmp_path / "x.csv"
    path.write_text(content)
    with pytest.raises(UserError, match=r"x\.csv"):
        read_responses(path)


def test_no_responses(tmp_path):
    assert draw_responses(tmp_path) == (None, [])
    with pytest.raises(UserError, match="no layer responses"):
        responses_figure([])
    with pytest.raises(UserError, match="cannot read"):
        read_responses(tmp_path / "none.csv")
