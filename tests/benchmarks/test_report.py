"""The table, the goals and the CSV files of a report."""

import csv
import json

import pytest

from benchmarks.contest import Contestant, ContestResult
from benchmarks.report import Comparison, Report

MACHINE = {"cpu": "a processor", "cores": 2, "bfloat16_hardware": ""}


@pytest.fixture
def result():
    """A contest with the contestant A, a failed contestant B, and a baseline C of speed 20."""
    result = ContestResult("a contest", [Contestant(name, "", {}, 10) for name in ("A", "B")])
    result.speeds = {"A": {0: 40.0, 1: 60.0}, "C": {0: 20.0, 1: 20.0}}
    result.facts = {"A": {"parameters": 7, "precision": "float32"}}
    result.failures = {"B": "it failed"}
    result.turns = [{"contestant": "A", "round": n, "peak_mb": 9.0 + n} for n in range(2)]
    return result


def test_csv_columns(result, tmp_path):
    report = Report("trial")
    report.add(result, [Comparison(("B", "A"), "C", 2.2), Comparison(("A",), "B")])
    paths = report.write(tmp_path / "results", MACHINE)
    tables = {}
    for path in paths[:-1]:
        with open(path, newline="") as file:
            tables[path.name] = list(csv.DictReader(file))
    assert list(tables) == ["trial.csv", "trial_summary.csv", "trial_ratios.csv"]
    first, second = tables["trial_summary.csv"]
    assert list(first) == [
        "contestant",
        "precision",
        "parameters",
        "images_per_second_median",
        "images_per_second_low",
        "images_per_second_high",
        "images_per_second_rounds",
        "peak_mb",
        "note",
        "cpu",
        "cores",
        "bfloat16_hardware",
    ]
    assert (first["images_per_second_median"], first["peak_mb"]) == ("50.0", "10.0")
    assert second["note"] == "it failed"
    (ratio,) = tables["trial_ratios.csv"]
    assert list(ratio)[:3] == ["contest", "contestant", "other"]
    assert (ratio["contestant"], ratio["other"]) == ("A", "C")
    assert (ratio["ratio_median"], ratio["ratio_low"], ratio["ratio_high"]) == ("2.5", "2.0", "3.0")
    assert json.loads(paths[-1].read_text()) == MACHINE


def test_goals_are_judged(result, capsys):
    Report("trial").add(result, [Comparison(("A",), "C", 2.2), Comparison(("A",), "C", 2.6)])
    printed = capsys.readouterr().out
    assert "goal ≥ 2.2: reached" in printed
    assert "goal ≥ 2.6: missed" in printed


def test_a_pair_with_a_goal_is_not_repeated_without_one(result, capsys):
    report = Report("trial")
    report.add(result, [Comparison(("A",), "C", 2.2), Comparison(("B", "A"), "C")])
    assert len(report.ratios) == 1
    assert capsys.readouterr().out.count("A / C") == 1
