"""The command `reproduce`."""

import argparse
import dataclasses
import json
import shlex
import subprocess
import sys

import pytest

from resnet_keras.cli import evaluate, reproduce
from resnet_keras.errors import UsageError, UserError
from resnet_keras.experiments import runner
from resnet_keras.experiments.catalogue import get_experiment
from resnet_keras.experiments.plan import plan
from tests.made_up_runs import make_run


def run(tmp_path, *flags):
    parser = argparse.ArgumentParser()
    reproduce.configure(parser)
    folders = ["--runs-dir", str(tmp_path / "runs"), "--results-dir", str(tmp_path / "results")]
    return reproduce.run(parser.parse_args([*flags, *folders]))


def test_a_dry_run_lists_states_and_times(tmp_path, capsys):
    make_run(tmp_path / "runs", "plain20")
    make_run(tmp_path / "runs", "resnet20", fraction_done=0.5)
    assert run(tmp_path, "plain-vs-residual", "--steps-scale", "0.1", "--dry-run") == 0
    out = capsys.readouterr().out
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert lines["plain20-seed0-x0.1"].endswith("done")
    assert "at step 3,200" in lines["resnet20-A-seed0-x0.1"]
    assert "not started" in lines["resnet20-B-average-seed0-x0.1"]
    assert "640 images/s" in out
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("table, views", [("table2", "10crop"), ("table5", "multiscale")])
def test_the_commands_that_measure_as_in_the_paper_are_printed(tmp_path, capsys, table, views):
    imagenet = {"dataset": "imagenet2012", "devices": 1, "scale": 1}
    for one in plan(get_experiment(f"imagenet-{table}")):
        given = {**dataclasses.asdict(one.recipe), **imagenet, "precision": "float32"}
        make_run(tmp_path / "runs", name=one.name, **given)
    assert run(tmp_path, f"imagenet-{table}", "--data-dir", "my data") == 0
    lines = capsys.readouterr().out.splitlines()
    commands = [shlex.split(line) for line in lines if line.startswith("python evaluate.py ")]
    assert len(commands) == {"table2": 4, "table5": 1}[table]
    parser = argparse.ArgumentParser()
    evaluate.configure(parser)
    for words in commands:
        args = parser.parse_args(words[2:])
        assert args.views == views and args.data_dir == "my data"
        assert len(args.ensemble) == (6 if table == "table5" else 0)


def test_a_run_of_another_recipe_is_reported_and_not_published(tmp_path, capsys, monkeypatch):
    make_run(tmp_path / "runs", "plain20", name="plain20-seed0", scale=400 / 64_000)
    make_run(tmp_path / "runs", "resnet20", name="resnet20-A-seed0", scale=1)
    assert run(tmp_path, "plain-vs-residual", "--only", "plain20", "--dry-run") == 0
    out = capsys.readouterr().out
    assert "other recipe" in out.splitlines()[0]
    assert "Rename it" in out
    monkeypatch.setattr(runner, "command", lambda one, options: [sys.executable, "-c", "exit(1)"])
    assert run(tmp_path, "plain-vs-residual", "--only", "plain20,resnet20-A") == 1
    published = [folder.name for folder in (tmp_path / "results" / "runs").iterdir()]
    assert published == ["resnet20-A-seed0"]


def test_a_dry_run_without_measurements(tmp_path, capsys):
    assert run(tmp_path, "imagenet-table5", "--dry-run") == 0
    out = capsys.readouterr().out
    assert "no run has been measured yet" in out
    assert "600,000 steps" in out
    assert not (tmp_path / "runs").exists()


def test_a_depth_selects_all_networks_of_that_depth(tmp_path, capsys):
    run(tmp_path, "depth", "--depths", "20,56", "--dry-run", "--steps-scale", "0.1")
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()[:4]]
    assert names == [
        "plain20-seed0-x0.1",
        "resnet20-A-seed0-x0.1",
        "plain56-seed0-x0.1",
        "resnet56-A-seed0-x0.1",
    ]


@pytest.mark.parametrize(
    "flags, message",
    [
        (["plain-vs-residul"], "known: plain-vs-residual,"),
        (["options", "--only", "plain20"], "unknown network of options"),
        (["options", "--only", ","], "--only needs the names"),
        (["options", "--steps-scale", "0"], "positive"),
        (["options", "--precision", "float16"], "float32"),
        (["precision", "--precision", "float32"], "omit --precision"),
    ],
)
def test_usage_errors(tmp_path, flags, message):
    with pytest.raises(UsageError, match=message):
        run(tmp_path, *flags)


def test_the_help_lists_the_experiments():
    parser = argparse.ArgumentParser()
    reproduce.configure(parser)
    text = parser.format_help()
    assert all(name in text for name in reproduce.EXPERIMENTS)


def test_complete_runs_are_published_and_failed_ones_reported(tmp_path, capsys, monkeypatch):
    make_run(tmp_path / "runs", "plain20")
    fails = [sys.executable, "-c", "raise SystemExit('no space left')"]
    monkeypatch.setattr(runner, "command", lambda one, options: fails)
    flags = ["--steps-scale", "0.1", "--only", "plain20,resnet20-A"]
    assert run(tmp_path, "plain-vs-residual", *flags) == 1
    captured = capsys.readouterr()
    assert "resnet20-A-seed0-x0.1 failed: no space left" in captured.err
    results = tmp_path / "results"
    assert (results / "plain_vs_residual.png").exists()
    assert (results / "plain_vs_residual_table.png").exists()
    assert (results / "tables" / "plain_vs_residual.md").exists()
    published = results / "runs" / "plain20-seed0-x0.1"
    assert json.loads((published / "config.json").read_text())["recipe"]["arch"] == "plain20"
    assert len(list((results / "runs").iterdir())) == 1


@pytest.mark.slow
def test_end_to_end_on_digits(tmp_path):
    """Two real runs of a few steps, then the figures and the layer responses of Fig. 7."""
    flags = ["--only", "plain20,resnet20-B-average", "--dataset", "digits", "--steps-scale"]
    flags += ["0.0001", "--eval-every", "3", "--precision", "float32"]
    assert run(tmp_path, "plain-vs-residual", *flags) == 0
    names = [
        "plain20-digits-seed0-x0.0001-float32",
        "resnet20-B-average-digits-seed0-x0.0001-float32",
    ]
    for name in names:
        assert (tmp_path / "runs" / name / "result.json").exists()
        assert (tmp_path / "results" / "runs" / name / "metrics.csv").exists()
    assert (tmp_path / "results" / "plain_vs_residual.png").exists()
    program = (
        "import argparse, sys; from resnet_keras.cli import responses as c; "
        "p = argparse.ArgumentParser(); c.configure(p); sys.exit(c.run(p.parse_args(sys.argv[1:])))"
    )
    folders = [str(tmp_path / "runs" / name) for name in names]
    done = subprocess.run(
        [sys.executable, "-c", program, *folders, "--images", "50", "--out", str(tmp_path / "out")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name in names:
        rows = (tmp_path / "out" / "responses" / f"{name}.csv").read_text().splitlines()
        assert len(rows) == 1 + 19
    assert (tmp_path / "out" / "fig7.png").exists()
    # All runs are complete now, so nothing is trained again.
    assert run(tmp_path, "plain-vs-residual", *flags) == 0


def test_a_results_folder_that_cannot_be_created_is_reported_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "launch", lambda *_: pytest.fail("training started"))
    (tmp_path / "results").touch()
    with pytest.raises(UserError, match=r"cannot create the folder .*results"):
        run(tmp_path, "plain-vs-residual")
