"""The command `tune`: what happens before a search starts."""

import pytest

from resnet_keras.cli.main import main
from resnet_keras.tuning.space import read_space


def test_the_printed_space_can_be_read(capsys, tmp_path):
    assert main(["tune", "--print-space"]) == 0
    path = tmp_path / "space.toml"
    path.write_text(capsys.readouterr().out)
    assert read_space(path)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--tuner", "hyperbnd"], "unknown tuner 'hyperbnd'; known: hyperband"),
        (["--validation-size", "0"], "held-out"),
        (["--name", "a/b"], "path component"),
        (["--trials", "0"], "positive integer"),
    ],
)
def test_wrong_flags_are_rejected_before_the_search(flags, message, capsys):
    try:
        status = main(["tune", "--arch", "resnet8", *flags])
    except SystemExit as exit:
        status = exit.code
    assert status == 2 and message in capsys.readouterr().err


def test_a_worker_without_a_port_is_reported(capsys, monkeypatch):
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "chief")
    monkeypatch.delenv("KERASTUNER_ORACLE_PORT", raising=False)
    assert main(["tune", "--arch", "resnet8"]) == 2
    assert "KERASTUNER_ORACLE_PORT is not" in capsys.readouterr().err


@pytest.mark.parametrize("tuner", ["hyperband", "bayesian", "random"])
def test_the_flags_select_the_tuner_and_the_number_of_trials(tuner, monkeypatch, tmp_path):
    from resnet_keras.tuning import search

    configs = []

    def searched(config, *args):
        configs.append(config)
        return search.SearchResult(tmp_path, {"id": "0", "score": 1.0})

    monkeypatch.setattr(search, "search", searched)
    assert main(["tune", "--arch", "resnet8", "--tuner", tuner, "--trials", "7"]) == 0
    assert [(config.tuner, config.trials) for config in configs] == [(tuner, 7)]


def test_a_value_that_only_some_trials_use_is_accepted(monkeypatch, tmp_path, capsys):
    from resnet_keras.tuning import search

    result = search.SearchResult(tmp_path, {"id": "0", "score": 1.0})
    monkeypatch.setattr(search, "search", lambda *args: result)
    # The default search space contains the schedule.
    assert main(["tune", "--arch", "resnet8", "--peak-at", "0.4"]) == 0
    path = tmp_path / "space.toml"
    path.write_text("[recipe]\nmomentum = {low = 0.8, high = 0.98}\n")
    assert main(["tune", "--arch", "resnet8", "--peak-at", "0.4", "--space", str(path)]) == 2
    assert "--peak-at has no effect" in capsys.readouterr().err
