"""The undocumented behaviour of keras-tuner that this program uses is still as expected.

If one of these tests fails after an upgrade of keras-tuner, its message says where to look.
"""

import importlib.metadata
import json
import re
from pathlib import Path

import keras_tuner
import pytest
from keras_tuner.src.distribute import utils as distribute_utils

from resnet_keras.tuning import keras_tuner_private, workers
from resnet_keras.tuning.keras_tuner_private import (
    ResumableTuner,
    adapt_keras_tuner,
    recipe_values,
    schedule_fraction,
)
from resnet_keras.tuning.oracles import OBJECTIVE, make_oracle
from resnet_keras.tuning.space import Range

ROOT = Path(__file__).resolve().parents[2]
PINNED = re.search(r"^keras-tuner==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)[1]
HINT = (
    "resnet_keras/tuning/keras_tuner_private.py was written for keras-tuner "
    f"{PINNED} (requirements.txt), installed is keras-tuner "
    f"{importlib.metadata.version('keras-tuner')}. Compare the two versions of keras_tuner/src/"
)
FILES = f"{HINT}utils.py (save_json) and engine/stateful.py, and adapt `adapt_keras_tuner`"
TRACEBACKS = f"{HINT}config.py and engine/base_tuner.py, and adapt `adapt_keras_tuner`"
TUNER = f"{HINT}engine/base_tuner.py (__init__, save, reload), and adapt `ResumableTuner`"
ORACLE = f"{HINT}engine/oracle.py, and adapt `ResumableOracle`"
VALUES = (
    f"{HINT}tuners/hyperband.py and engine/hyperparameters/hp_types/choice_hp.py, and adapt "
    "`recipe_values` and `schedule_fraction`"
)
WORKERS = f"{HINT}distribute/utils.py, and adapt `workers`"

SPACE = (Range("learning_rate", low=0.01, high=0.1), Range("nesterov", choices=(False, True)))


class Tuner(ResumableTuner):
    """A search whose trials train nothing."""

    def run_trial(self, trial, *args, **kwargs):
        return {OBJECTIVE.name: trial.hyperparameters.values["learning_rate"]}


class FailingTuner(ResumableTuner):
    """A search whose trials fail."""

    def run_trial(self, trial, *args, **kwargs):
        raise keras_tuner.errors.FailedTrialError("no score")


def oracle(tuner="random", trials=2, failures=3):
    return make_oracle(tuner, SPACE, trials, seed=0, failures=failures)


def state_files(folder):
    project = folder / keras_tuner_private.PROJECT_NAME
    return {path.relative_to(project).as_posix(): path for path in project.rglob("*.json")}


def end(oracle, trial, status):
    trial.status = status
    oracle.end_trial(trial)


@pytest.fixture(autouse=True)
def adapted():
    adapt_keras_tuner()


def test_all_state_files_are_written_by_our_function(tmp_path, monkeypatch):
    written, save_json = [], keras_tuner_private._save_json

    def record(path, values):
        written.append(Path(path).resolve())
        return save_json(path, values)

    monkeypatch.setattr(keras_tuner_private.utils, "save_json", record)
    Tuner(oracle(), tmp_path).search(verbose=0)
    files = state_files(tmp_path)
    expected = {"oracle.json", "tuner0.json", "trial_0/trial.json", "trial_1/trial.json"}
    assert set(files) == expected, TUNER
    assert set(written) == {path.resolve() for path in files.values()}, FILES


def test_failed_trials_print_no_traceback_but_keep_their_message(tmp_path, capsys):
    tuner = FailingTuner(oracle(), tmp_path)
    tuner.search(verbose=0)
    outputs = capsys.readouterr()
    assert "Traceback" not in outputs.out + outputs.err, TRACEBACKS
    messages = [trial.message for trial in tuner.oracle.trials.values()]
    assert all(message.strip().endswith("no score") for message in messages), TRACEBACKS


def test_a_search_is_resumed_under_another_tuner_id(tmp_path, monkeypatch):
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "morning")
    Tuner(oracle(trials=1), tmp_path).search(verbose=0)
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "evening")
    resumed = Tuner(oracle(trials=2), tmp_path)
    assert [trial.status for trial in resumed.oracle.trials.values()] == ["COMPLETED"], TUNER


def test_too_many_failures_end_the_search_without_an_exception(tmp_path):
    chosen = oracle(trials=5, failures=2)
    chosen._set_project_dir(str(tmp_path), "project")
    end(chosen, chosen.create_trial("worker0"), "FAILED")
    assert not chosen.too_many_failed, ORACLE
    end(chosen, chosen.create_trial("worker0"), "FAILED")
    assert chosen.too_many_failed, ORACLE
    assert chosen.create_trial("worker0").status == "STOPPED", ORACLE


def test_keras_tuner_itself_would_raise_after_too_many_failures(tmp_path):
    # If this changes, `ResumableOracle._check_consecutive_failures` may not be needed any more.
    original = keras_tuner.oracles.RandomSearchOracle(
        OBJECTIVE, 5, hyperparameters=keras_tuner.HyperParameters(), max_consecutive_failed_trials=1
    )
    original._set_project_dir(str(tmp_path), "project")
    assert hasattr(original, "_check_consecutive_failures"), ORACLE
    trial = original.create_trial("worker0")
    with pytest.raises(RuntimeError):
        end(original, trial, "FAILED")


def test_a_trial_that_is_not_in_the_state_is_dropped_and_created_again(tmp_path):
    before = oracle()
    before._set_project_dir(str(tmp_path), "project")
    before.create_trial("worker0")
    state = (tmp_path / "project" / "oracle.json").read_text()
    lost = before.create_trial("worker1")
    # As after a kill between writing the file of the trial and the state.
    (tmp_path / "project" / "oracle.json").write_text(state)
    resumed = oracle()
    resumed._set_project_dir(str(tmp_path), "project")
    resumed.reload()
    assert list(resumed.trials) == ["0"], ORACLE
    # First the trial that was in progress, then the lost one.
    assert resumed.create_trial("worker0").trial_id == "0", ORACLE
    assert resumed.create_trial("worker1").trial_id == lost.trial_id, ORACLE


def test_the_end_of_a_trial_that_was_given_out_twice_is_recorded_once(tmp_path):
    chosen, ended = oracle(trials=5), []
    chosen._set_project_dir(str(tmp_path), "project")
    chosen.after_end = lambda: ended.append(list(chosen.end_order))
    trial = chosen.create_trial("worker0")
    # As in a restarted chief, which puts the trials in progress into the queue.
    chosen.ongoing_trials.clear()
    chosen._retry_queue.append(trial.trial_id)
    again = chosen.create_trial("worker1")
    assert again.trial_id == trial.trial_id, ORACLE
    chosen.update_trial(trial.trial_id, {OBJECTIVE.name: 1.0})
    end(chosen, trial, "COMPLETED")
    end(chosen, again, "COMPLETED")
    assert ended == [["0"]], ORACLE


@pytest.mark.parametrize("tuner", ["random", "bayesian", "hyperband"])
def test_trials_have_the_values_of_the_space_and_those_of_hyperband(tuner, tmp_path):
    chosen = oracle(tuner)
    chosen._set_project_dir(str(tmp_path), "project")
    values = chosen.create_trial("worker0").hyperparameters.values
    found = recipe_values(values)
    assert set(found) == {"learning_rate", "nesterov"}, VALUES
    assert isinstance(found["nesterov"], bool), VALUES
    assert schedule_fraction(values) == (1 / 9 if tuner == "hyperband" else 1), VALUES


def test_the_state_contains_what_a_search_resumes_from(tmp_path):
    chosen = oracle()
    chosen._set_project_dir(str(tmp_path), "project")
    end(chosen, chosen.create_trial("worker0"), "FAILED")
    state = json.loads((tmp_path / "project" / "oracle.json").read_text())
    assert (state["start_order"], state["end_order"]) == (["0"], ["0"]), ORACLE


@pytest.mark.parametrize("tuner_id", ["chief", "worker0", None])
def test_the_roles_of_processes_are_those_of_keras_tuner(tuner_id, monkeypatch):
    if tuner_id:
        monkeypatch.setenv(workers.TUNER_ID, tuner_id)
        monkeypatch.setenv(workers.ORACLE_IP, "127.0.0.1")
        monkeypatch.setenv(workers.ORACLE_PORT, "1")
    is_chief, has_chief = distribute_utils.is_chief_oracle(), distribute_utils.has_chief_oracle()
    assert workers.is_chief() == is_chief, WORKERS
    assert workers.is_worker() == (has_chief and not is_chief), WORKERS
