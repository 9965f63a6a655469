"""The benchmarks' own arithmetic and bookkeeping. Nothing here is timed."""

import csv
import importlib.util
import json

import pytest

from benchmarks import __main__ as command
from benchmarks import machine
from benchmarks.alternation import Spread, speed_ratio, spread, turns
from benchmarks.contest import Contestant, Outcome, hold
from benchmarks.options import Options
from benchmarks.process import Worker, WorkerFailed
from benchmarks.report import Goal, Report
from benchmarks.suites import depth, inference, training

MACHINE = {"cpu": "a processor", "cores": 2, "bfloat16_hardware": ""}

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None,
    reason="PyTorch is not installed: pip install -r benchmarks/requirements.txt",
)


@pytest.fixture
def contestants(tmp_path, monkeypatch):
    """Contestants that write down when they work, and one that dies in its second round."""
    log = tmp_path / "log"
    (tmp_path / "diary.py").write_text(
        "import json, os\n"
        "def make(name, seconds, log, turns_to_live=None):\n"
        "    taken = []\n"
        "    def steps(n):\n"
        "        taken.append(n)\n"
        "        if len(taken) == turns_to_live:\n"
        "            raise RuntimeError('out of breath')\n"
        "        with open(log, 'a') as file: file.write(json.dumps([name, n]) + chr(10))\n"
        "        print('chatter on standard output')\n"
        "        return n * seconds\n"
        "    return steps, {'parameters': 7, 'precision': 'float32'}\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    # `hold` looks in the package of contestants; these are beside it.
    monkeypatch.setattr(
        "benchmarks.contest.Worker",
        lambda module, values, **more: Worker(module.split(".")[-1], values, **more),
    )

    def contestant(name, seconds, **more):
        arguments = {"name": name, "seconds": seconds, "log": str(log), **more}
        return Contestant(name, "diary", arguments, 10, labels={"network": "none"})

    contestant.log = lambda: [tuple(json.loads(line)) for line in log.read_text().splitlines()]
    return contestant


def test_every_round_has_everyone_in_the_same_order():
    assert list(turns("ABC", 2)) == [(0, "A"), (0, "B"), (0, "C"), (1, "A"), (1, "B"), (1, "C")]


def test_spread():
    assert spread([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0, 3)
    with pytest.raises(ValueError):
        spread([])


def test_ratios_are_taken_within_a_round():
    # By hand: 100/50 = 2, 300/100 = 3, 80/20 = 4. The ratio of the medians would be 100/50 = 2.
    ours, theirs = {0: 100.0, 1: 300.0, 2: 80.0}, {0: 50.0, 1: 100.0, 2: 20.0}
    assert speed_ratio(ours, theirs) == Spread(3.0, 2.0, 4.0, 3)


def test_a_round_that_one_missed_is_no_ratio():
    assert speed_ratio({0: 10.0, 1: 20.0}, {1: 10.0}) == Spread(2.0, 2.0, 2.0, 1)
    assert speed_ratio({0: 10.0}, {}) is None


def test_contestants_alternate(contestants):
    outcome = hold("a contest", [contestants("A", 0.5), contestants("B", 2.0)], 2, 4)
    warm_up = [("A", 2), ("B", 2)]
    assert contestants.log() == warm_up + [("A", 4), ("B", 4)] * 2
    assert outcome.speeds == {"A": {0: 20.0, 1: 20.0}, "B": {0: 5.0, 1: 5.0}}
    assert outcome.ratio("A", "B") == Spread(4.0, 4.0, 4.0, 2)
    assert not outcome.failures
    assert all(turn["idle_cpu_seconds"] < 1.0 for turn in outcome.turns)


def test_steps_may_differ(contestants):
    hold("a contest", [contestants("A", 0.5), contestants("B", 2.0)], 1, {"A": 3, "B": 5})
    assert contestants.log()[2:] == [("A", 3), ("B", 5)]


def test_one_that_dies_is_reported_and_the_others_go_on(contestants, capsys):
    entered = [contestants("A", 1.0, turns_to_live=3), contestants("B", 1.0)]
    outcome = hold("a contest", entered, 3, 1)
    assert "out of breath" in outcome.failures["A"]
    assert "out of breath" in capsys.readouterr().out
    assert outcome.speeds == {"A": {0: 10.0}, "B": {0: 10.0, 1: 10.0, 2: 10.0}}
    assert outcome.ratio("A", "B").rounds == 1


def test_one_that_cannot_be_built_is_reported(contestants):
    wrong = Contestant("A", "diary", {"nonsense": 1}, 10)
    outcome = hold("a contest", [wrong, contestants("B", 1.0)], 1, 1)
    assert "nonsense" in outcome.failures["A"]
    assert list(outcome.speeds) == ["B"]


def test_one_whose_package_is_missing_is_skipped(contestants):
    missing = Contestant("A", "diary", {}, 10, needs="no_such_package")
    outcome = hold("a contest", [missing, contestants("B", 1.0)], 1, 1)
    assert outcome.failures == {"A": "no_such_package is not installed"}


def test_a_worker_that_does_not_answer_is_given_up(tmp_path, monkeypatch):
    (tmp_path / "sleeper.py").write_text("import time\ndef make(): time.sleep(60)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    worker = Worker("sleeper", {}, seconds_allowed=0.5)
    try:
        with pytest.raises(WorkerFailed, match="no answer"):
            worker.build()
    finally:
        worker.close()


def _outcome():
    outcome = Outcome("a contest", [Contestant(name, "", {}, 10) for name in ("A", "B")])
    outcome.speeds = {"A": {0: 40.0, 1: 60.0}}
    outcome.facts = {"A": {"parameters": 7, "precision": "float32"}}
    outcome.failures = {"B": "it was ill"}
    outcome.turns = [{"contestant": "A", "round": n, "peak_mb": 9.0 + n} for n in range(2)]
    return outcome


def test_csv_columns(tmp_path):
    report = Report("trial")
    outcome = _outcome()
    outcome.speeds["C"] = {0: 20.0, 1: 20.0}
    report.add(outcome, [Goal(("B", "A"), "C", 2.2), Goal(("A",), "B")])
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
    assert second["note"] == "it was ill"
    (ratio,) = tables["trial_ratios.csv"]
    assert (ratio["contestant"], ratio["other"]) == ("A", "C")
    assert (ratio["ratio_median"], ratio["ratio_low"], ratio["ratio_high"]) == ("2.5", "2.0", "3.0")
    assert json.loads(paths[-1].read_text()) == MACHINE


def test_goals_are_judged(capsys):
    outcome = _outcome()
    outcome.speeds["C"] = {0: 20.0, 1: 20.0}
    Report("trial").add(outcome, [Goal(("A",), "C", 2.2), Goal(("A",), "C", 2.6)])
    printed = capsys.readouterr().out
    assert "goal ≥ 2.2: reached" in printed
    assert "goal ≥ 2.6: missed" in printed


def test_the_machine_is_described_but_not_named():
    described = machine.describe()
    assert described["cpu"]
    assert described["cores"] >= 1
    assert {"memory_gb", "flags", "bfloat16_hardware", "tensorflow", "keras"} <= described.keys()
    assert not any("/" in str(value) for key, value in described.items() if "family" not in key)


def test_auto_takes_bfloat16_where_the_processor_has_it(monkeypatch):
    monkeypatch.setattr(machine, "has_bfloat16", lambda: False)
    assert Options().precisions == ("float32",)
    assert Options(precision="both").precisions == ("float32", "mixed_bfloat16")
    monkeypatch.setattr(machine, "has_bfloat16", lambda: True)
    assert Options().precisions == ("float32", "mixed_bfloat16")
    assert Options(precision="float32").precisions == ("float32",)


def test_who_is_entered(tmp_path):
    both = training.contestants("resnet20", 32, 128, ("float32", "mixed_bfloat16"))
    names = [one.name for one in both]
    assert len(names) == len(set(names)) == 6
    for goal in training.GOALS + training.TOLD:
        assert {*goal.ours, goal.other} <= set(names)
    for batch in inference.BATCHES:
        names = [one.name for one in inference.contestants(tmp_path, batch, True)]
        for goal in inference.goals(batch, True):
            assert {*goal.ours, goal.other} <= set(names)
    assert len(depth.contestants("float32", False)) == 7


def test_the_command_refuses_nonsense(capsys):
    for words in (["sleeping"], ["training", "--rounds", "0"], ["--precision", "float8"]):
        with pytest.raises(SystemExit) as end:
            command.main(words)
        assert end.value.code == 2


@pytest.mark.parametrize("who", ["ours", "stock"])
def test_keras_contestants_take_steps(who):
    from benchmarks.contestants import keras_training

    steps, facts = keras_training.make(who, "resnet8", 32, 2, "float32")
    assert steps(1) > 0
    assert facts["precision"] == "float32"
    assert not facts["jit_compile"]


@needs_torch
@pytest.mark.parametrize(("network", "size"), [("resnet20", 32), ("resnet50", 64)])
def test_the_pytorch_networks_are_ours(network, size):
    from benchmarks.contestants import keras_networks, torch_networks

    theirs = torch_networks.parameters(torch_networks.build(network))
    assert theirs == keras_networks.parameters(keras_networks.ours(network, size))


@needs_torch
@pytest.mark.parametrize("training_step", [True, False])
def test_pytorch_contestants_take_steps(training_step):
    from benchmarks.contestants import torch_both

    steps, facts = torch_both.make("resnet8", 32, 2, training_step, bfloat16=True)
    assert steps(1) > 0
    assert facts["precision"] == "bfloat16"


@needs_torch
def test_the_first_steps_are_pytorchs():
    from benchmarks import against_torch
    from resnet_keras.recipe import Recipe

    # At a low rate: at 0.1 a fresh network would multiply rounding a hundredfold a step. With a
    # large decay: of 1e-4 five steps would show nothing.
    recipe = Recipe(
        arch="resnet8", dataset="digits", learning_rate=0.001, decay=1.0, precision="float32"
    )
    ours, theirs = against_torch.losses(recipe, steps=5)
    assert len(set(ours)) == 5
    assert ours == pytest.approx(theirs, rel=2e-5)
