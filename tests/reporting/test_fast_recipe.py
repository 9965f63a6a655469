"""Error against epochs."""

import json

import pytest

from resnet_keras import recipes
from resnet_keras.reporting.fast_recipe import epochs_figure
from resnet_keras.reporting.gallery import draw_figures
from resnet_keras.reporting.groups import group_runs
from resnet_keras.runs.reading import read_run
from tests.made_up_runs import make_run


def run(folder, epochs, error, seed=0, done=True, examples=50_000, **changes):
    """A run of the recipe fast with that test error at its end."""
    steps = round(epochs * 50_000 / 128)
    given = recipes.RECIPES["fast"]("resnet20") | {"steps": steps, "eval_every": steps} | changes
    name = f"{epochs}-{seed}-{len(list(folder.glob('*')))}"
    path = make_run(folder, scale=1.0, seed=seed, until=1.0 if done else 0.5, name=name, **given)
    lines = (path / "metrics.csv").read_text().splitlines()
    columns, row = lines[0].split(","), lines[-1].split(",")
    row[columns.index("test_error")] = str(error)
    (path / "metrics.csv").write_text("\n".join([*lines[:-1], ",".join(row)]) + "\n")
    config = json.loads((path / "config.json").read_text()) | {"train_examples": examples}
    (path / "config.json").write_text(json.dumps(config))
    return read_run(path)


def texts(figure):
    return " ".join(" ".join(text.get_text() for text in figure.texts).split())


def series(axes):
    """A recipe's label -> its points."""
    found = {c.get_label(): c.lines[0].get_xydata().tolist() for c in axes.containers}
    return {label: [tuple(point) for point in points] for label, points in found.items()}


def test_a_point_a_length_and_a_line_a_recipe(tmp_path):
    runs = [
        run(tmp_path, 20, 9.0),
        run(tmp_path, 20, 9.5, seed=1),
        run(tmp_path, 5, 15.0),
        run(tmp_path, 20, 10.25, muon=0.0),
    ]
    figure = epochs_figure(group_runs(runs))
    (axes,) = figure.axes
    assert series(axes) == {
        "muon 0.15": [(5.0, 15.0), (20.0, 9.25)],
        "SGD": [(20.0, 10.25)],
    }
    assert [text.get_text() for text in axes.get_xticklabels()] == ["5", "20"]
    assert {text.get_text() for text in axes.texts} == {"15.00", "9.25", "10.25"}
    # Numbers of one length do not lie on each other.
    sides = {text.get_text(): text.get_va() for text in axes.texts}
    assert sides == {"15.00": "bottom", "9.25": "top", "10.25": "bottom"}
    assert "lowest to highest seed, of 2 seeds at most" in texts(figure)


@pytest.mark.parametrize("batch_size", [128, 256])
def test_the_papers_error_and_its_epochs(tmp_path, batch_size):
    runs = [run(tmp_path, epochs, 12.0, batch_size=batch_size) for epochs in (5, 10)]
    figure = epochs_figure(group_runs(runs))
    (axes,) = figure.axes
    (line,) = [line for line in axes.get_lines() if line.get_gid() == "paper"]
    assert set(line.get_ydata()) == {8.75}
    # 64,000 steps of 128 of 50,000 images.
    assert line.get_label() == "the paper's 8.75, 164 epochs"
    assert "One seed each" in texts(figure)
    assert list(series(axes)) == ["test error"]


def test_more_recipes_than_colours(tmp_path):
    runs = [run(tmp_path, 5, 15.0 - n, pad=n) for n in range(9)]
    assert len(series(epochs_figure(group_runs(runs)).axes[0])) == 9


def test_unfinished_runs_are_named_and_have_no_point(tmp_path):
    runs = [
        run(tmp_path, 5, 15.0),
        run(tmp_path, 10, 30.0, done=False),
        run(tmp_path, 5, 30.0, done=False, muon=0.0),
    ]
    figure = epochs_figure(group_runs(runs))
    assert series(figure.axes[0]) == {"muon 0.15": [(5.0, 15.0)]}
    assert f"Unfinished, left out: {runs[1].name}, {runs[2].name}." in texts(figure)


@pytest.mark.parametrize(
    "changes",
    [
        {"done": False},
        {"dataset": "cifar100"},
        {"validation_size": 5_000},
        {"schedule": "drops", "drops": (10, 20)},
        {"train_from": "a.keras"},
        {"examples": None},
    ],
)
def test_the_gallery_draws_it_of_several_cycles_alone(tmp_path, changes):
    runs = [run(tmp_path / "runs", 5, 15.0), run(tmp_path / "runs", 10, 12.0, **changes)]
    assert draw_figures(runs, tmp_path / "results", ("fast",)) == []
    runs.append(run(tmp_path / "runs", 20, 11.0))
    (shown,) = draw_figures(runs, tmp_path / "results", ("fast",))
    assert shown.path.name == "fast.png" and shown.path.stat().st_size > 1000
