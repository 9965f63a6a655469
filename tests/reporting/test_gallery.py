"""Which figures are drawn of which runs."""

from resnet_keras.reporting.gallery import draw_figures, write_tables
from resnet_keras.runs.reading import read_run
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


def test_somebodys_own_images_are_no_evidence_of_the_papers(tmp_path):
    own = {"dataset": "folder", "augmentation": "scale", "image_size": 64}
    alone = read_run(make_run(tmp_path / "runs", "resnet18", **own))
    tuned = read_run(
        make_run(tmp_path / "runs", "resnet20", name="tuned", train_from="a.keras", **own)
    )
    results = tmp_path / "results"
    assert draw_figures([alone, tuned], results) == []
    assert [one.path.stem for one in write_tables([alone, tuned], results)] == ["all"]
    # Two networks on the same images are the comparison that somebody made.
    other = read_run(make_run(tmp_path / "runs", "plain18", **own))
    assert [one.path.stem for one in draw_figures([alone, other, tuned], results)] == ["fig4"]
