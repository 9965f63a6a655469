"""Which figures and tables are made of which runs."""

import pytest

from resnet_keras.errors import UserError
from resnet_keras.reporting.gallery import TABLES, copy_run, draw_figures, write_tables
from resnet_keras.reporting.groups import group_runs
from resnet_keras.reporting.runs import find_runs, read_run
from tests.made_up_runs import make_run


def test_the_figures_for_which_there_are_runs(tmp_path):
    runs = [read_run(make_run(tmp_path / "runs", arch)) for arch in ("plain20", "resnet20")]
    shown = draw_figures(runs, tmp_path / "results", ("plain_vs_residual", "fig4"))
    assert [one.path.name for one in shown] == ["plain_vs_residual.png"]
    assert shown[0].networks == ("plain20", "resnet20-A")
    assert shown[0].path.read_bytes().startswith(b"\x89PNG")


def test_schedules_are_never_mixed_in_one_figure(tmp_path):
    specs = [{"arch": "plain20"}, {}, {"scale": 1}, {"dataset": "digits"}]
    runs = [read_run(make_run(tmp_path / "runs", **spec)) for spec in specs]
    shown = draw_figures(runs, tmp_path / "results", ("fig6", "side_by_side"))
    assert [(one.path.name, one.networks) for one in shown] == [
        ("fig6.png", ("plain20", "resnet20-A")),
        ("fig6-64000steps.png", ("resnet20-A",)),
        ("fig6-digits-6400steps.png", ("resnet20-A",)),
        ("side_by_side.png", ("plain20", "resnet20-A")),
    ]


def test_two_sets_of_one_length_are_two_files(tmp_path):
    sets = {}, {"scale": 1}, {"decay": 5e-4}
    specs = [
        {"arch": arch, "name": f"{arch}{number}", **one}
        for number, one in enumerate(sets)
        for arch in ("plain20", "resnet20")
    ]
    runs = [read_run(make_run(tmp_path / "runs", **spec)) for spec in specs]
    shown = draw_figures(runs, tmp_path / "results", ("plain_vs_residual",))
    assert len({one.path for one in shown}) == 3
    assert all(one.path.exists() for one in shown)


def test_tables_and_the_picture(tmp_path):
    runs = [read_run(make_run(tmp_path / "runs", arch)) for arch in ("plain20", "resnet20")]
    shown = write_tables(runs, tmp_path / "results")
    names = {one.path.relative_to(tmp_path / "results").as_posix() for one in shown}
    assert {"tables/plain_vs_residual.csv", "tables/depth.csv", "tables/all.csv"} <= names
    assert "tables/imagenet_table2.csv" not in names
    assert (tmp_path / "results" / "plain_vs_residual_table.png").exists()


def test_a_table_tells_its_own_rows_apart_and_no_others(tmp_path):
    specs = {}, {"arch": "plain20"}, {"schedule": "one_cycle", "drops": (), "name": "fast"}
    runs = [read_run(make_run(tmp_path / "runs", **spec)) for spec in specs]
    shown = {one.path.stem: one.networks for one in write_tables(runs, tmp_path / "results")}
    assert shown["plain_vs_residual"] == ("plain20", "resnet20-A")
    assert shown["fast"] == ("resnet20-A",)
    assert "resnet20-A (one cycle)" in shown["all"]


def test_one_view_is_not_set_beside_ten_crops_in_silence(tmp_path):
    imagenet = {"arch": "resnet18", "dataset": "imagenet2012", "augmentation": "scale"}
    groups = group_runs([read_run(make_run(tmp_path, **imagenet))])
    assert "ten crops" in " ".join(TABLES["imagenet_table2"].notes(groups))
    groups = group_runs([read_run(make_run(tmp_path))])
    assert "ten crops" not in " ".join(TABLES["all"].notes(groups))


def test_precisions_are_compared_where_nothing_else_differs(tmp_path):
    specs = {"precision": "float32", "name": "a"}, {"scale": 1}
    runs = [read_run(make_run(tmp_path / "runs", **spec)) for spec in specs]
    assert TABLES["precision"].rows(group_runs(runs)) == []
    runs.append(read_run(make_run(tmp_path / "runs")))
    rows = TABLES["precision"].rows(group_runs(runs))
    assert sorted(group.recipe.precision for group in rows) == ["float32", "mixed_bfloat16"]


def test_copies_are_runs_too(tmp_path):
    folder = make_run(tmp_path / "runs")
    copy_run(folder, tmp_path / "results")
    copies, _ = find_runs(tmp_path / "results" / "runs")
    assert [(run.name, run.complete) for run in copies] == [(folder.name, True)]
    assert sorted(path.name for path in copies[0].path.iterdir()) == ["config.json", "metrics.csv"]
    with pytest.raises(UserError, match="cannot copy"):
        copy_run(tmp_path / "none", tmp_path / "results")
