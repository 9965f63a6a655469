"""ResNet-20 on CIFAR-10: several processes against one, as far as chaos lets them be compared."""

import os
import shutil

import numpy as np
import pytest

from resnet_keras.training import checkpoint
from tests.distributed.loopback import Run, assert_close

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("RESNET_KERAS_DATA" not in os.environ, reason="CIFAR-10 is not there"),
]
PAPER = ("--arch", "resnet20", "--option", "A", "--precision", "float32")
NUDGES = 5
# XLA's convolutions are slow on processors: batches of 128 would take four times as long.
BATCH = 32


def run_of(root, name, *flags):
    return Run(root / name, root / "cache", (*PAPER, *flags))


def copied(run, name, step, nudge=None):
    """Returns a copy of a run as it was after a step, its weights nudged by 1e-7 if asked for."""
    twin = Run(run.folder.parent / name, run.cache, run.flags)
    shutil.copytree(run.run(), twin.run(), ignore=shutil.ignore_patterns("result.json"))
    folder = twin.run() / "checkpoints"
    for path in checkpoint.paths(folder):
        if checkpoint.load(path).step != step:
            path.unlink()
    (start,) = map(checkpoint.load, checkpoint.paths(folder))
    if nudge is not None:
        rng = np.random.default_rng(nudge)
        arrays = {
            name: (values + 1e-7 * rng.standard_normal(values.shape)).astype(values.dtype)
            if name.startswith("model") and name.endswith("kernel") else values
            for name, values in start.arrays.items()
        }  # fmt: skip
        checkpoint.save(folder, step, arrays, start.extra)
    return twin


def worst(mine, theirs):
    """The largest difference between two networks' weights."""
    return max(
        np.abs(mine[name] - theirs[name]).max()
        for name in mine
        if name.startswith("model") and "moving" not in name
    )


def test_five_steps_of_a_fresh_network(tmp_path):
    flags = ("--learning-rate", "0.001", "--steps", "5", "--drops", "4")
    runs = {count: run_of(tmp_path, f"fresh-{count}", *flags) for count in (1, 2, 4)}
    for count, run in runs.items():
        run.train(count=count)
    gaps = {count: worst(runs[count].arrays(5), runs[1].arrays(5)) for count in (2, 4)}
    print(f"\nrate 0.001, fresh, after 5 steps: {gaps}")
    for count in (2, 4):
        assert_close(runs[count].arrays(5), runs[1].arrays(5))


def test_five_steps_of_a_network_that_has_trained(tmp_path):
    flags = ("--steps", "105", "--drops", "100", "--checkpoint-every", "100", "--eval-every", "105",
             "--batch-size", str(BATCH))  # fmt: skip
    one = run_of(tmp_path, "trained-1", *flags)
    one.train()
    gaps = {}
    for count in (2, 4):
        several = copied(one, f"trained-{count}", 100)
        several.train(count=count)
        gaps[count] = worst(several.arrays(105), one.arrays(105))
        print(f"\nrate 0.01 after 100 steps at 0.1, {count} processes: {gaps[count]}")
    assert max(gaps.values()) < 1e-5


def test_a_hundred_steps_at_a_rate_at_which_rounding_hardly_grows(tmp_path):
    flags = ("--learning-rate", "0.001", "--steps", "100", "--drops", "90", "--eval-every", "100",
             "--batch-size", str(BATCH))  # fmt: skip
    one, four = run_of(tmp_path, "one", *flags), run_of(tmp_path, "four", *flags)
    one.train()
    four.train(count=4)
    gap = worst(four.arrays(100), one.arrays(100))
    print(f"\nrate 0.001, after 100 steps, 4 processes: {gap}; losses {one.losses()[100]}")
    assert four.losses()[100] == pytest.approx(one.losses()[100], rel=1e-3)


def last_loss(run):
    """The mean loss of steps 81 to 100: the row's, of all steps, less that of the first 80."""
    before = run.arrays(80)["metrics/0/loss/total"]
    return (run.losses()[100] * 100 * BATCH - before) / (20 * BATCH)


def test_the_loss_at_step_100_lies_within_the_spread_of_one_process(tmp_path):
    flags = ("--steps", "100", "--drops", "100", "--checkpoint-every", "20", "--eval-every", "100",
             "--batch-size", str(BATCH))  # fmt: skip
    start = run_of(tmp_path, "start", *flags)
    (process,) = start.start()
    start.wait_for_step(20)
    process.kill()
    process.communicate()
    first = checkpoint.load(checkpoint.paths(start.run() / "checkpoints")[0]).step
    assert first == 20
    nudged = [copied(start, f"nudged-{seed}", first, seed) for seed in range(NUDGES)]
    several = [copied(start, f"several-{count}", first) for count in (2, 4)]
    for run in nudged:
        run.train()
    for count, run in zip((2, 4), several, strict=True):
        run.train(count=count)
    spread, losses = np.array([last_loss(run) for run in nudged]), list(map(last_loss, several))
    print(f"\nloss of steps 81 to 100, one process, nudged: {spread}; 2 and 4: {losses}")
    assert spread.std() > 0
    for loss in losses:
        assert abs(loss - spread.mean()) < 4 * spread.std(ddof=1)
