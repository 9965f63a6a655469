"""The commands `compare` and `report`."""

import argparse

import pytest

from resnet_keras.cli import compare, report
from resnet_keras.errors import UsageError, UserError
from tests.made_up_runs import make_run


def run(command, *flags):
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args([str(flag) for flag in flags]))


def test_runs_appear_in_one_figure_and_one_table(tmp_path, capsys):
    paths = [make_run(tmp_path / "a", scale=0.1), make_run(tmp_path / "b", scale=1)]
    assert run(compare, *paths, "--out", tmp_path / "out" / "x.png") == 0
    out = capsys.readouterr().out
    assert "resnet20-A (6,400 steps)" in out
    assert "resnet20-A (64,000 steps)" in out
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"x.png", "x.csv", "x.md", "x.tex"}


def test_a_repeated_run_and_its_copy_count_as_one_seed(tmp_path, capsys, monkeypatch):
    path = make_run(tmp_path)
    copy = make_run(tmp_path, name="copy")
    monkeypatch.chdir(tmp_path)
    assert run(compare, path, path.name, copy, "--out", tmp_path / "x.png") == 0
    captured = capsys.readouterr()
    assert "(1)" in captured.out
    assert (
        captured.err.startswith("left out: ")
        and "copy, which repeats another run's recipe and seed" in captured.err
    )


def test_wrong_arguments_of_compare(tmp_path):
    with pytest.raises(UserError, match="not a run folder"):
        run(compare, tmp_path, "--out", tmp_path / "x.png")
    with pytest.raises(UsageError, match=r"a \.png or \.svg file"):
        run(compare, make_run(tmp_path), "--out", tmp_path / "x.doc")


def test_report_draws_readable_runs_and_names_the_others(tmp_path, capsys):
    make_run(tmp_path / "results" / "runs", "plain20")
    broken = make_run(tmp_path / "results" / "runs", "resnet20")
    (broken / "metrics.csv").write_text("")
    assert run(report, "--results-dir", tmp_path / "results") == 0
    captured = capsys.readouterr()
    assert "is empty" in captured.err
    assert "report.html" in captured.out
    assert "is empty" in (tmp_path / "results" / "report.html").read_text()


def test_report_without_runs(tmp_path):
    with pytest.raises(UserError, match="reproduce plain-vs-residual"):
        run(report, "--results-dir", tmp_path)
