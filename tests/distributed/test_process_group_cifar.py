"""ResNet-20 on CIFAR-10 in several processes, compared with one process.

Training is chaotic: rounding errors grow, so only short or slow trainings can be compared exactly.
"""

import os
import shutil

import numpy as np
import pytest

from resnet_keras.training import checkpoint
from tests.distributed.loopback import Run, assert_close

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "RESNET_KERAS_DATA" not in os.environ, reason="RESNET_KERAS_DATA, for CIFAR-10, is not set"
    ),
]
FLAGS = ("--arch", "resnet20", "--option", "A", "--precision", "float32")
PERTURBATIONS = 5
# XLA's convolutions are slow on CPUs: batches of 128 would take four times as long.
BATCH_SIZE = 32


def run_of(root, name, *flags):
    return Run(root / name, root / "cache", (*FLAGS, *flags))


def copy_of(run, name, step, seed=None):
    """Returns a copy of a run as it was after a step; with a seed, its weights change by 1e-7."""
    copy = Run(run.folder.parent / name, run.cache, run.flags)
    shutil.copytree(run.run(), copy.run(), ignore=shutil.ignore_patterns("result.json"))
    folder = copy.run() / "checkpoints"
    for path in checkpoint.paths(folder):
        if checkpoint.load(path).step != step:
            path.unlink()
    (start,) = map(checkpoint.load, checkpoint.paths(folder))
    if seed is not None:
        rng = np.random.default_rng(seed)
        arrays = {
            name: (values + 1e-7 * rng.standard_normal(values.shape)).astype(values.dtype)
            if name.startswith("model") and name.endswith("kernel") else values
            for name, values in start.arrays.items()
        }  # fmt: skip
        checkpoint.save(folder, step, arrays, start.extra)
    return copy


def largest_difference(mine, theirs):
    """The largest difference between the weights of two networks."""
    return max(
        np.abs(mine[name] - theirs[name]).max()
        for name in mine
        if name.startswith("model") and "moving" not in name
    )


def test_five_steps_of_a_new_network(tmp_path):
    flags = ("--learning-rate", "0.001", "--steps", "5", "--drops", "4")
    runs = {count: run_of(tmp_path, f"new-{count}", *flags) for count in (1, 2, 4)}
    for count, run in runs.items():
        run.train(count=count)
    gaps = {count: largest_difference(runs[count].arrays(5), runs[1].arrays(5)) for count in (2, 4)}
    print(f"\nrate 0.001, new network, after 5 steps: {gaps}")
    for count in (2, 4):
        assert_close(runs[count].arrays(5), runs[1].arrays(5))


def test_five_steps_of_a_trained_network(tmp_path):
    flags = ("--steps", "105", "--drops", "100", "--checkpoint-every", "100", "--eval-every", "105",
             "--batch-size", str(BATCH_SIZE))  # fmt: skip
    one = run_of(tmp_path, "trained-1", *flags)
    one.train()
    gaps = {}
    for count in (2, 4):
        several = copy_of(one, f"trained-{count}", 100)
        several.train(count=count)
        gaps[count] = largest_difference(several.arrays(105), one.arrays(105))
        print(f"\nrate 0.01 after 100 steps at 0.1, {count} processes: {gaps[count]}")
    assert max(gaps.values()) < 1e-5


def test_a_hundred_steps_at_a_low_learning_rate(tmp_path):
    flags = ("--learning-rate", "0.001", "--steps", "100", "--drops", "90", "--eval-every", "100",
             "--batch-size", str(BATCH_SIZE))  # fmt: skip
    one, four = run_of(tmp_path, "one", *flags), run_of(tmp_path, "four", *flags)
    one.train()
    four.train(count=4)
    gap = largest_difference(four.arrays(100), one.arrays(100))
    print(f"\nrate 0.001, after 100 steps, 4 processes: {gap}; losses {one.losses()[100]}")
    assert four.losses()[100] == pytest.approx(one.losses()[100], rel=1e-3)


def last_loss(run):
    """The mean loss of steps 81 to 100.

    `metrics.csv` contains the mean over all 100 steps, the checkpoint the sum over the first 80.
    """
    before = run.arrays(80)["metrics/0/loss/total"]
    return (run.losses()[100] * 100 * BATCH_SIZE - before) / (20 * BATCH_SIZE)


def test_the_loss_at_step_100_is_within_the_variation_of_one_process(tmp_path):
    flags = ("--steps", "100", "--drops", "100", "--checkpoint-every", "20", "--eval-every", "100",
             "--batch-size", str(BATCH_SIZE))  # fmt: skip
    start = run_of(tmp_path, "start", *flags)
    (process,) = start.start()
    start.wait_for_step(20)
    process.kill()
    process.communicate()
    first = checkpoint.load(checkpoint.paths(start.run() / "checkpoints")[0]).step
    assert first == 20
    perturbed = [copy_of(start, f"perturbed-{seed}", first, seed) for seed in range(PERTURBATIONS)]
    several = [copy_of(start, f"several-{count}", first) for count in (2, 4)]
    for run in perturbed:
        run.train()
    for count, run in zip((2, 4), several, strict=True):
        run.train(count=count)
    losses_of_one = np.array([last_loss(run) for run in perturbed])
    losses = [last_loss(run) for run in several]
    print(f"\nloss of steps 81 to 100, one process, perturbed: {losses_of_one}; 2 and 4: {losses}")
    assert losses_of_one.std() > 0
    for loss in losses:
        assert abs(loss - losses_of_one.mean()) < 4 * losses_of_one.std(ddof=1)
