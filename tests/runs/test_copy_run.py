"""Copies of runs."""

import pytest

from resnet_keras.errors import UserError
from resnet_keras.runs.reading import copy_run, find_runs
from tests.made_up_runs import make_run


def test_copies_are_runs_too(tmp_path):
    folder = make_run(tmp_path / "runs")
    copy_run(folder, tmp_path / "results")
    copies, _ = find_runs(tmp_path / "results" / "runs")
    assert [(run.name, run.complete) for run in copies] == [(folder.name, True)]
    assert sorted(path.name for path in copies[0].path.iterdir()) == ["config.json", "metrics.csv"]
    with pytest.raises(UserError, match="cannot copy"):
        copy_run(tmp_path / "none", tmp_path / "results")
