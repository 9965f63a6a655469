"""A killed run resumes and ends as if it had not been interrupted, bit for bit."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tensorflow.python.summary.summary_iterator import summary_iterator

from resnet_keras.training import checkpoint
from tests.training import driver

DRIVER = Path(__file__).with_name("driver.py")
STEPS, INTERVAL = 40, 4
TIMINGS = ("seconds", "images_per_second")


def start(folder, *flags):
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, DRIVER, folder, *map(str, flags)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(folder, *flags):
    process = start(folder, *flags)
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


def executed(folder):
    log = folder / "steps.log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def kill_after(folder, more_steps, number=signal.SIGKILL, delay=0.0):
    """Starts the run and sends it a signal after the given number of further steps."""
    wanted = executed(folder) + more_steps
    return kill_when(folder, lambda: executed(folder) >= wanted, number, delay)


def kill_when(folder, ready, number=signal.SIGKILL, delay=0.0):
    """Starts the run and sends it a signal once `ready()` returns true."""
    process = start(folder)
    deadline = time.monotonic() + 120
    while not ready() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    time.sleep(delay)
    process.send_signal(number)
    output, _ = process.communicate(timeout=120)
    return process.returncode, output


def rows(folder):
    lines = (folder / "runs/run/metrics.csv").read_text().splitlines()
    names = lines[0].split(",")
    return [
        [cell for name, cell in zip(names, line.split(","), strict=True) if name not in TIMINGS]
        for line in lines
    ]


def final_state(folder):
    return checkpoint.load(folder / f"runs/run/checkpoints/step-{STEPS:09d}.ckpt").arrays


def tensorboard_steps(folder):
    """Returns the steps with a test error in the TensorBoard logs, in their order."""
    files = (folder / "runs/run/tensorboard").glob("events*")
    events = [event for file in sorted(files) for event in summary_iterator(str(file))]
    return [e.step for e in events for value in e.summary.value if value.tag == "test_error"]


def below_80_at(folder):
    result = json.loads((folder / "runs/run/result.json").read_text())
    return result["train_error_below_80_at_step"]


def assert_same_end(folder, reference):
    mine, theirs = final_state(folder), final_state(reference)
    assert mine.keys() == theirs.keys()
    for name in mine:
        np.testing.assert_array_equal(mine[name], theirs[name], err_msg=name)
    assert rows(folder) == rows(reference)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    status, output = finish(folder)
    assert status == 0, output
    assert executed(folder) == STEPS
    return folder


@pytest.mark.landing
def test_a_run_killed_twice_with_a_damaged_checkpoint_ends_with_the_same_bits(tmp_path, reference):
    # The first kill is during the warm-up, the second between checkpoints after the first drop.
    kill_after(tmp_path, 5)
    kill_after(tmp_path, 19)
    newest = checkpoint.paths(tmp_path / "runs/run/checkpoints")[-1]
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 0x10
    newest.write_bytes(data)
    status, output = finish(tmp_path)
    assert status == 0, output
    assert "checksum does not match" in output
    assert "resuming after step" in output
    assert_same_end(tmp_path, reference)
    assert tensorboard_steps(tmp_path) == tensorboard_steps(reference)
    assert below_80_at(tmp_path) == below_80_at(reference)
    # Each kill repeats at most one interval between checkpoints, and so does the damage.
    assert executed(tmp_path) <= STEPS + 3 * INTERVAL


@pytest.mark.landing
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)],
)
def test_a_signal_ends_the_step_and_saves_a_checkpoint(tmp_path, reference, number, status):
    returned, output = kill_after(tmp_path, 14, number)
    assert returned == status, output
    assert "The same command resumes there" in output
    stopped = executed(tmp_path)
    assert f"step-{stopped:09d}.ckpt" in {
        path.name for path in checkpoint.paths(tmp_path / "runs/run/checkpoints")
    }
    if number == signal.SIGINT:
        assert finish(tmp_path)[0] == 0
        assert executed(tmp_path) == STEPS
        assert_same_end(tmp_path, reference)


@pytest.mark.slow
def test_a_run_killed_while_exporting_ends_with_the_same_rows(tmp_path, reference):
    # All steps are done and model.keras is written; the export and the last row are missing.
    kill_when(tmp_path, (tmp_path / "runs/run/model.keras").exists)
    assert executed(tmp_path) == STEPS
    assert not (tmp_path / "runs/run/result.json").exists()
    status, output = finish(tmp_path)
    assert status == 0, output
    assert executed(tmp_path) == STEPS
    assert_same_end(tmp_path, reference)


@pytest.mark.landing
def test_images_and_steps_are_counted_once(reference):
    arrays = final_state(reference)
    iterations = next(value for name, value in arrays.items() if "iteration" in name)
    assert iterations == STEPS
    # The last row covers the steps 37 to 40: 64 images, so its error is a multiple of 1/64.
    last = dict(zip(rows(reference)[0], rows(reference)[-1], strict=True))
    assert float(last["train_error"]) * 64 / 100 == pytest.approx(
        round(float(last["train_error"]) * 64 / 100), abs=1e-6
    )


def test_checkpoints_without_a_config_are_not_deleted(tmp_path, capsys):
    folder = tmp_path / "runs/run/checkpoints"
    checkpoint.save(folder, 3, {"a": np.zeros(2)}, {})
    assert driver.train(tmp_path) == 1
    assert "no config.json" in capsys.readouterr().err
    assert len(checkpoint.paths(folder)) == 1


@pytest.mark.slow
def test_two_devices_resume_with_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setenv("DEVICES", "2")
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    status, output = finish(whole)
    assert status == 0, output
    kill_after(cut, 22)
    status, output = finish(cut)
    assert status == 0, output
    assert_same_end(cut, whole)


@pytest.mark.landing
def test_a_run_exports_again_if_another_run_has_overwritten_its_export(tmp_path, reference, capsys):
    shutil.copytree(reference, tmp_path, dirs_exist_ok=True)
    result = tmp_path / "runs/run/result.json"
    result.write_text(result.read_text().replace(str(reference), str(tmp_path)))
    card = tmp_path / "exports/run/1/assets.extra/model_card.json"
    values = json.loads(card.read_text())
    values["recipe"]["decay"] = 0.5
    card.write_text(json.dumps(values))
    assert driver.train(tmp_path) == 0
    assert "now belongs to another run: exporting again" in capsys.readouterr().err
    assert Path(json.loads(result.read_text())["export"]) == tmp_path / "exports/run/2"
    assert rows(tmp_path) == rows(reference)


@pytest.mark.landing
def test_other_values_are_refused_by_name_and_change_nothing(reference, capsys):
    before = final_state(reference)
    assert driver.train(reference, "--momentum", "0.8", "--decay", "0.001") == 1
    error = capsys.readouterr().err
    assert "momentum: 0.8 here, 0.9 there" in error
    assert "decay: 0.001 here, 0.0001 there" in error
    after = final_state(reference)
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.landing
def test_a_complete_run_is_reported_and_executes_nothing(reference, capsys):
    before = {path: path.stat().st_mtime_ns for path in (reference / "runs/run").rglob("*")}
    assert driver.train(reference) == 0
    assert "is complete" in capsys.readouterr().err
    assert {p: p.stat().st_mtime_ns for p in before if p.name != ".lock"} == {
        p: time for p, time in before.items() if p.name != ".lock"
    }


def files_of(folder):
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(folder): path.read_bytes() for path in files}


@pytest.mark.landing
def test_a_finished_run_without_checkpoints_is_not_overwritten(tmp_path, reference, capsys):
    shutil.copytree(reference, tmp_path, dirs_exist_ok=True)
    result = tmp_path / "runs/run/result.json"
    result.write_text(result.read_text().replace(str(reference), str(tmp_path)))
    shutil.rmtree(tmp_path / "runs/run/checkpoints")
    before = files_of(tmp_path / "runs")
    assert driver.train(tmp_path) == 0
    assert "is complete" in capsys.readouterr().err
    # Without its export, it would have to start over, which was not asked for.
    shutil.rmtree(tmp_path / "exports")
    assert driver.train(tmp_path) == 1
    assert "result.json and model.keras) but no checkpoint" in capsys.readouterr().err
    assert files_of(tmp_path / "runs") == before


@pytest.mark.landing
@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (["--validation-size", "60000"], 2, "held out"),
        (["--train-from", "{folder}/runs/run/model.keras"], 1, "choose another --name"),
        (["--train-from", "{folder}/strange.keras"], 1, "strange"),
    ],
)
def test_starting_over_deletes_nothing_before_the_new_run_can_start(
    tmp_path, reference, capsys, flags, status, message
):
    shutil.copytree(reference / "runs", tmp_path / "runs")
    (tmp_path / "strange.keras").write_text("not a network")
    before = files_of(tmp_path)
    flags = [flag.format(folder=tmp_path) for flag in flags]
    assert driver.train(tmp_path, "--resume", "never", *flags) == status
    assert message in capsys.readouterr().err
    assert files_of(tmp_path) == before


def test_resume_must_fails_without_a_checkpoint(tmp_path, capsys):
    assert driver.train(tmp_path, "--resume", "must") == 1
    assert "there is no checkpoint" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_random_moments(tmp_path, reference, seed):
    rng = random.Random(seed)
    kills = 0
    while kills < 5:
        # This can be anywhere after the first step: in training, an evaluation or a save.
        kill_after(tmp_path, rng.randint(1, 9), delay=rng.uniform(0, 0.15))
        kills += 1
        checkpoints = checkpoint.paths(tmp_path / "runs/run/checkpoints")
        if kills == 3 and len(checkpoints) > 1:
            data = bytearray(checkpoints[-1].read_bytes())
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            checkpoints[-1].write_bytes(data)
    status, output = finish(tmp_path)
    assert status == 0, output
    assert_same_end(tmp_path, reference)
    assert executed(tmp_path) <= STEPS + (kills + 1) * INTERVAL
