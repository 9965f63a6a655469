"""`tune`: what is said before a search begins."""

import pytest

from resnet_keras.cli.main import main
from resnet_keras.tuning.space import read_space


def test_the_printed_space_can_be_given_back(capsys, tmp_path):
    assert main(["tune", "--print-space"]) == 0
    path = tmp_path / "space.toml"
    path.write_text(capsys.readouterr().out)
    assert read_space(path)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--tuner", "hyperbnd"], "unknown tuner 'hyperbnd'; known: hyperband"),
        (["--validation-size", "0"], "held-out"),
        (["--name", "a/b"], "path component"),
        (["--trials", "0"], "from 1 on"),
    ],
)
def test_what_cannot_work_is_said_at_once(flags, said, capsys):
    try:
        status = main(["tune", "--arch", "resnet8", *flags])
    except SystemExit as exit:
        status = exit.code
    assert status == 2 and said in capsys.readouterr().err


def test_a_worker_without_a_port_is_told_so(capsys, monkeypatch):
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "chief")
    monkeypatch.delenv("KERASTUNER_ORACLE_PORT", raising=False)
    assert main(["tune", "--arch", "resnet8"]) == 2
    assert "KERASTUNER_ORACLE_PORT is not" in capsys.readouterr().err


@pytest.mark.parametrize("tuner", ["hyperband", "bayesian", "random"])
def test_the_search_is_the_one_asked_for(tuner, monkeypatch, tmp_path):
    from resnet_keras.tuning import search

    plans = []

    def searched(plan, *args):
        plans.append(plan)
        return search.Outcome(tmp_path, {"id": "0", "score": 1.0})

    monkeypatch.setattr(search, "search", searched)
    assert main(["tune", "--arch", "resnet8", "--tuner", tuner, "--trials", "7"]) == 0
    assert [(plan.tuner, plan.trials) for plan in plans] == [(tuner, 7)]
