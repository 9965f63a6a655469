"""Which tables are made of which runs, and what stands below them."""

from resnet_keras.reporting.gallery import TABLES, write_tables
from resnet_keras.reporting.groups import group_runs
from resnet_keras.runs.reading import read_run
from tests.made_up_runs import make_run


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
