"""Which runs belong into which figures and tables."""

from resnet_keras.reporting.gallery import TABLES, draw_figures, write_tables
from resnet_keras.reporting.groups import group_runs
from resnet_keras.runs.run import read_run
from tests.made_up_runs import make_run

# Figures.


def test_figures_without_runs_are_not_drawn(tmp_path):
    runs = [read_run(make_run(tmp_path / "runs", arch)) for arch in ("plain20", "resnet20")]
    items = draw_figures(runs, tmp_path / "results", ("plain_vs_residual", "fig4"))
    assert [item.path.name for item in items] == ["plain_vs_residual.png"]
    assert items[0].networks == ("plain20", "resnet20-A")
    assert items[0].path.read_bytes().startswith(b"\x89PNG")


def test_schedules_and_data_sets_are_never_mixed_in_one_figure(tmp_path):
    specs = [{"arch": "plain20"}, {}, {"scale": 1}, {"dataset": "digits"}]
    runs = [read_run(make_run(tmp_path / "runs", **spec)) for spec in specs]
    items = draw_figures(runs, tmp_path / "results", ("fig6", "side_by_side"))
    assert [(item.path.name, item.networks) for item in items] == [
        ("fig6.png", ("plain20", "resnet20-A")),
        ("fig6-64000steps.png", ("resnet20-A",)),
        ("fig6-digits-6400steps.png", ("resnet20-A",)),
        ("side_by_side.png", ("plain20", "resnet20-A")),
    ]


def test_sets_of_the_same_length_have_different_files(tmp_path):
    sets = {}, {"scale": 1}, {"decay": 5e-4}
    specs = [
        {"arch": arch, "name": f"{arch}{number}", **values}
        for number, values in enumerate(sets)
        for arch in ("plain20", "resnet20")
    ]
    runs = [read_run(make_run(tmp_path / "runs", **spec)) for spec in specs]
    items = draw_figures(runs, tmp_path / "results", ("plain_vs_residual",))
    assert len({item.path for item in items}) == 3
    assert all(item.path.exists() for item in items)


def test_a_single_network_on_own_images_is_not_in_the_figures_of_the_paper(tmp_path):
    own = {"dataset": "folder", "augmentation": "scale", "image_size": 64}
    alone = read_run(make_run(tmp_path / "runs", "resnet18", **own))
    tuned = read_run(
        make_run(tmp_path / "runs", "resnet20", name="tuned", train_from="a.keras", **own)
    )
    results = tmp_path / "results"
    assert draw_figures([alone, tuned], results) == []
    assert [item.path.stem for item in write_tables([alone, tuned], results)] == ["all"]
    # Two networks on the same images are a comparison that the user wanted.
    other = read_run(make_run(tmp_path / "runs", "plain18", **own))
    assert [item.path.stem for item in draw_figures([alone, other, tuned], results)] == ["fig4"]


# Tables.


def test_tables_are_written_and_some_are_drawn(tmp_path):
    runs = [read_run(make_run(tmp_path / "runs", arch)) for arch in ("plain20", "resnet20")]
    items = write_tables(runs, tmp_path / "results")
    names = {item.path.relative_to(tmp_path / "results").as_posix() for item in items}
    assert {"tables/plain_vs_residual.csv", "tables/depth.csv", "tables/all.csv"} <= names
    assert "tables/imagenet_table2.csv" not in names
    assert (tmp_path / "results" / "plain_vs_residual_table.png").exists()


def test_labels_distinguish_only_the_rows_of_the_same_table(tmp_path):
    specs = {}, {"arch": "plain20"}, {"schedule": "one_cycle", "drops": (), "name": "fast"}
    runs = [read_run(make_run(tmp_path / "runs", **spec)) for spec in specs]
    networks = {item.path.stem: item.networks for item in write_tables(runs, tmp_path / "results")}
    assert networks["plain_vs_residual"] == ("plain20", "resnet20-A")
    assert networks["fast"] == ("resnet20-A",)
    assert "resnet20-A (one cycle)" in networks["all"]


def test_a_note_says_that_one_view_and_ten_crops_are_not_comparable(tmp_path):
    imagenet = {"arch": "resnet18", "dataset": "imagenet2012", "augmentation": "scale"}
    groups = group_runs([read_run(make_run(tmp_path, **imagenet))])
    assert "ten crops" in " ".join(TABLES["imagenet_table2"].notes(groups))
    groups = group_runs([read_run(make_run(tmp_path))])
    assert "ten crops" not in " ".join(TABLES["all"].notes(groups))


def test_a_note_says_that_there_is_one_seed(tmp_path):
    runs = [read_run(make_run(tmp_path, seed=seed)) for seed in (0, 1)]
    notes = TABLES["all"].notes
    assert "one seed per network" in " ".join(notes(group_runs(runs[:1])))
    assert "one seed per network" not in " ".join(notes(group_runs(runs)))


def test_precisions_are_compared_if_nothing_else_differs(tmp_path):
    specs = {"precision": "float32", "name": "a"}, {"scale": 1}
    runs = [read_run(make_run(tmp_path / "runs", **spec)) for spec in specs]
    assert TABLES["precision"].select_groups(group_runs(runs)) == []
    runs.append(read_run(make_run(tmp_path / "runs")))
    members = TABLES["precision"].select_groups(group_runs(runs))
    assert sorted(group.recipe.precision for group in members) == ["float32", "mixed_bfloat16"]
