"""Training on the JAX backend, in one process or several: real processes on this machine."""

import os
import signal
import subprocess

import numpy as np
import pytest

from resnet_keras.evaluation.predictors import open_predictor
from resnet_keras.training import checkpoint
from tests.distributed.loopback import Run, assert_close, exit_statuses

# The rounding errors of float32 differ with the number of processes. At this learning rate they do
# not grow; at the paper's 0.1, a new network multiplies them by forty at every step.
TINY = ("--arch", "resnet8", "--dataset", "digits", "--batch-size", "16", "--steps", "12",
        "--drops", "9", "--eval-every", "5", "--learning-rate", "0.001", "--precision",
        "float32", "--checkpoint-every", "3")  # fmt: skip


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    root = tmp_path_factory.mktemp("processes")
    return lambda name: Run(root / name, root / "cache", TINY)


@pytest.fixture(scope="module")
def one(make):
    run = make("one")
    run.printed = run.train()
    return run


@pytest.fixture(scope="module")
def two(make):
    run = make("two")
    run.printed = run.train(count=2)
    return run


@pytest.mark.slow
def test_one_process_trains_saves_and_exports(one):
    predicted = []
    images = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8)
    for path in (one.folder / "0/exports/run", one.run() / "model.keras"):
        predicted.append(open_predictor(path).probabilities(images))
    np.testing.assert_allclose(*predicted, atol=1e-5)
    assert one.printed[0].startswith("test error: ")
    assert list(one.losses()) == [5, 10, 12]


@pytest.mark.landing
def test_two_processes_compute_the_same_as_one(one, two):
    for step in (9, 12):
        assert_close(two.arrays(step), one.arrays(step))
    assert two.losses() == pytest.approx(one.losses(), rel=1e-5)
    moved = [
        np.abs(two.arrays(12)[name] - value).max() for name, value in one.arrays(9).items()
        if name.startswith("model") and name.endswith("kernel")
    ]  # fmt: skip
    assert min(moved) > 1e-4  # otherwise the comparison above would prove nothing


@pytest.mark.landing
def test_only_process_0_writes_and_all_report_the_result(two):
    assert not (two.folder / "1/runs").exists() and not (two.folder / "1/exports").exists()
    assert two.printed[0] == two.printed[1] and "test error" in two.printed[0]
    assert "process 0 of 2: all processes are connected" in two.stderr(0)


@pytest.mark.slow
def test_after_a_kill_at_the_end_the_same_commands_export(make):
    run = make("killed-at-the-end")
    started = run.start("--ema", "0.9", count=2)
    run.wait_for("model.keras")
    for process in started:
        process.kill()
        process.communicate()
    assert not (run.run() / "result.json").exists()
    printed = run.train("--ema", "0.9", count=2)
    assert printed[0] == printed[1] and "test error" in printed[0]


@pytest.mark.slow
def test_all_processes_report_that_a_run_is_complete(two):
    printed = two.train(count=2)
    assert printed == two.printed
    assert "is complete" in two.stderr(0)


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 1])
def test_when_one_process_dies_the_other_reports_it_and_ends(make, index):
    run = make(f"dies-{index}")
    started = run.start("--steps", "2000", "--checkpoint-every", "1", count=2)
    run.wait_for_step(5)
    started[index].kill()
    assert exit_statuses(started)[1 - index] == 1
    stderr = run.stderr(1 - index)
    assert f"process {index} of 2 died" in stderr.splitlines()[-1]
    assert "resume from its last checkpoint" in stderr.splitlines()[-1]
    assert "Terminating process" not in stderr  # JAX aborted the process, with a stack trace


@pytest.mark.slow
def test_an_error_in_process_0_is_reported_by_all(make, tmp_path):
    run = make("diverges")
    started = run.start("--learning-rate", "1e30", count=2)
    assert exit_statuses(started, 120) == [1, 1]
    assert "the loss at step" in run.stderr(0).splitlines()[-1]
    assert "process 0 of 2" not in run.stderr(0).splitlines()[-1]
    assert "process 0 of 2 failed: the loss at step" in run.stderr(1).splitlines()[-1]
    assert "same commands resume" not in run.stderr(1)
    run = make("unwritable")
    started = run.start("--export-dir", "/dev/null/x", count=2)
    assert exit_statuses(started, 120) == [1, 1]
    assert "process 0 of 2 failed: cannot" in run.stderr(1).splitlines()[-1]
    assert "Terminating process" not in run.stderr(1)


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 1])
def test_a_signal_after_the_last_common_check_stops_all_alike(make, index):
    run = make(f"late-{index}")
    started = run.start("--steps", "15", "--checkpoint-every", "1", count=2)
    run.wait_for_step(9)
    started[index].send_signal(signal.SIGTERM)
    statuses = {process.wait(120) for process in started}
    printed = [process.communicate()[0] for process in started]
    assert statuses in ({143}, {0})  # 0 if it arrived after the last step
    assert (statuses == {0}) == all("test error" in output for output in printed)
    assert "Traceback" not in run.stderr(0) + run.stderr(1)


@pytest.mark.slow
def test_a_worker_may_end_once_training_is_over(make):
    run = make("ends-early")
    started = run.start(count=2)
    run.wait_for("model.keras")
    started[1].send_signal(signal.SIGTERM)
    assert started[1].wait(30) == 143
    assert started[0].wait(120) == 0
    assert "test error" in started[0].communicate()[0]
    started[1].communicate()


@pytest.mark.slow
def test_an_interrupted_run_ends_with_the_same_result(make, two):
    run = make("resumed")
    started = run.start(count=2)
    run.wait_for_step(3)
    for process in reversed(started):
        process.kill()
        process.communicate()
    paths = checkpoint.paths(run.run() / "checkpoints")
    steps = [checkpoint.load(path).step for path in paths]
    run.train(count=2)
    if max(steps) < 12:
        assert f"resuming after step {max(steps)} of 12" in run.stderr(0)
    assert_close(run.arrays(12), two.arrays(12), atol=1e-7)
    assert run.losses() == pytest.approx(two.losses(), rel=1e-6)


@pytest.mark.slow
def test_checkpoints_move_between_backends_and_numbers_of_processes(make, one):
    run = make("moved")
    flags = ("--steps", "12")
    stopped = run.start(*flags, backend="tensorflow")
    run.wait_for_step(3)
    stopped[0].send_signal(signal.SIGTERM)
    stopped[0].communicate()
    step = max(checkpoint.load(path).step for path in checkpoint.paths(run.run() / "checkpoints"))
    before = run.arrays(step)
    shape = {name: values.shape for name, values in one.arrays(12).items()}
    assert {name: values.shape for name, values in before.items()} == shape
    run.train(*flags, count=2)
    other = make("moved-tf")
    other.train(*flags, backend="tensorflow")  # the same steps from the same initial weights
    assert_close(run.arrays(12), other.arrays(12), atol=1e-4)


@pytest.mark.slow
def test_processes_with_different_recipes_do_not_train_together(make):
    run = make("different")
    started = run.start(count=2, wait=30)
    started[1].kill()
    started[1].communicate()
    address = started[0].args[started[0].args.index("--coordinator") + 1]
    command = [*map(str, started[1].args), "--seed", "1"]
    other = subprocess.run(
        command, env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert other.returncode == 1
    assert f"process 0 of 2 at {address} rejected this process" in other.stderr
    assert "--seed is 0 in process 0 but 1 in this process" in other.stderr
    started[0].communicate(timeout=60)
    assert started[0].returncode == 1
    assert "process 1 of 2 did not connect" in run.stderr(0)
    assert not run.run().exists()


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all_after_the_same_step(make):
    run = make("stopped")
    started = run.start("--steps", "3000", count=2)
    run.wait_for_step(9)
    started[1].send_signal(signal.SIGTERM)
    assert exit_statuses(started) == [143, 143]
    assert "stopped after step" in run.stderr(0)


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 3])
def test_any_of_four_processes_may_die(make, index):
    run = make(f"four-{index}")
    started = run.start("--steps", "3000", count=4)
    run.wait_for_step(3)
    started[index].kill()
    assert exit_statuses(started) == [1 if i != index else -9 for i in range(4)]
    for i in range(4):
        if i != index:
            assert f"process {index} of 4 died" in run.stderr(i).splitlines()[-1]


@pytest.mark.slow
def test_a_process_that_hangs_ends_the_others_within_a_minute(make):
    run = make("hangs")
    started = run.start("--steps", "3000", count=2)
    run.wait_for_step(3)
    os.kill(started[1].pid, signal.SIGSTOP)
    try:
        assert started[0].wait(60) == 1
    finally:
        started[1].kill()
    for process in started:
        process.communicate()
    assert "process 1 of 2 has sent nothing" in run.stderr(0)


@pytest.mark.slow
def test_four_processes_compute_the_same_as_one(make, one):
    run = make("four")
    run.train(count=4)
    assert_close(run.arrays(12), one.arrays(12))
