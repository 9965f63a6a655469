"""Contests and workers. The contestants are fakes that report a fixed speed; nothing is timed."""

import json

import pytest

from benchmarks.contest import (
    Contestant,
    ContestResult,
    Spread,
    run_contest,
    speed_ratio,
    turns,
)
from benchmarks.worker import Worker, WorkerFailed


@pytest.fixture
def contestants(tmp_path, monkeypatch):
    """Creates contestants that log their turns, and that die in a given turn if asked to."""
    log = tmp_path / "log"
    (tmp_path / "logging_contestant.py").write_text(
        "import json\n"
        "def make(name, seconds, log, dies_in_turn=None):\n"
        "    turns = []\n"
        "    def run_steps(n):\n"
        "        turns.append(n)\n"
        "        if len(turns) == dies_in_turn:\n"
        "            raise RuntimeError('out of memory')\n"
        "        with open(log, 'a') as file: file.write(json.dumps([name, n]) + chr(10))\n"
        "        print('a line on standard output')\n"
        "        return n * seconds\n"
        "    return run_steps, {'parameters': 7, 'precision': 'float32'}\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    # `run_contest` looks in `benchmarks.contestants`, but this module is not in that package.
    monkeypatch.setattr(
        "benchmarks.contest.Worker",
        lambda module, arguments, **options: Worker(module.split(".")[-1], arguments, **options),
    )

    def contestant(name, seconds, **options):
        arguments = {"name": name, "seconds": seconds, "log": str(log), **options}
        return Contestant(name, "logging_contestant", arguments, 10, labels={"network": "none"})

    contestant.log = lambda: [tuple(json.loads(line)) for line in log.read_text().splitlines()]
    return contestant


def test_every_round_has_all_contestants_in_the_same_order():
    assert list(turns("ABC", 2)) == [(0, "A"), (0, "B"), (0, "C"), (1, "A"), (1, "B"), (1, "C")]


def test_spread():
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0, 3)
    with pytest.raises(ValueError):
        Spread.of([])


def test_ratios_are_taken_within_a_round():
    # By hand: 100/50 = 2, 300/100 = 3, 80/20 = 4. The ratio of the medians would be 100/50 = 2.
    ours, theirs = {0: 100.0, 1: 300.0, 2: 80.0}, {0: 50.0, 1: 100.0, 2: 20.0}
    assert speed_ratio(ours, theirs) == Spread(3.0, 2.0, 4.0, 3)


def test_rounds_that_one_contestant_missed_are_ignored():
    assert speed_ratio({0: 10.0, 1: 20.0}, {1: 10.0}) == Spread(2.0, 2.0, 2.0, 1)
    assert speed_ratio({0: 10.0}, {}) is None


def test_contestants_alternate(contestants):
    result = run_contest("a contest", [contestants("A", 0.5), contestants("B", 2.0)], 2, 4)
    warm_up = [("A", 2), ("B", 2)]
    assert contestants.log() == warm_up + [("A", 4), ("B", 4)] * 2
    assert result.speeds == {"A": {0: 20.0, 1: 20.0}, "B": {0: 5.0, 1: 5.0}}
    assert result.ratio("A", "B") == Spread(4.0, 4.0, 4.0, 2)
    assert not result.failures
    assert all(turn["idle_cpu_seconds"] < 1.0 for turn in result.turns)


def test_the_number_of_steps_may_differ_by_contestant(contestants):
    run_contest("a contest", [contestants("A", 0.5), contestants("B", 2.0)], 1, {"A": 3, "B": 5})
    assert contestants.log()[2:] == [("A", 3), ("B", 5)]


def test_a_contestant_that_dies_is_reported_and_the_others_continue(contestants, capsys):
    entered = [contestants("A", 1.0, dies_in_turn=3), contestants("B", 1.0)]
    result = run_contest("a contest", entered, 3, 1)
    assert "out of memory" in result.failures["A"]
    assert "out of memory" in capsys.readouterr().out
    assert result.speeds == {"A": {0: 10.0}, "B": {0: 10.0, 1: 10.0, 2: 10.0}}
    assert result.ratio("A", "B").rounds == 1


def test_a_contestant_that_cannot_be_built_is_reported(contestants):
    wrong = Contestant("A", "logging_contestant", {"nonsense": 1}, 10)
    result = run_contest("a contest", [wrong, contestants("B", 1.0)], 1, 1)
    assert "nonsense" in result.failures["A"]
    assert list(result.speeds) == ["B"]


def test_a_contestant_whose_package_is_missing_is_skipped(contestants):
    missing = Contestant("A", "logging_contestant", {}, 10, needs="no_such_package")
    result = run_contest("a contest", [missing, contestants("B", 1.0)], 1, 1)
    assert result.failures == {"A": "no_such_package is not installed"}


def test_different_networks_are_rejected():
    result = ContestResult(
        "a contest", [], facts={"one": {"parameters": 5}, "two": {"parameters": 5}}
    )
    result.check_same_network()
    result.facts["two"]["parameters"] = 6
    with pytest.raises(RuntimeError, match=r"do not train the same network.*6"):
        result.check_same_network()


def test_a_worker_that_does_not_reply_in_time_fails(tmp_path, monkeypatch):
    (tmp_path / "sleeping_contestant.py").write_text("import time\ndef make(): time.sleep(60)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    worker = Worker("sleeping_contestant", {}, timeout=0.5)
    try:
        with pytest.raises(WorkerFailed, match="no reply"):
            worker.build()
    finally:
        worker.close()
