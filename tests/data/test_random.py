"""The order of the images: a pure function of (seed, step), and a good shuffle."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from resnet_keras.data.random import index_batches

ROOT = Path(__file__).resolve().parents[2]


def batch_indices(seed, step, batch_size, examples):
    """The batch of one step, asked for alone."""
    return next(iter(index_batches(seed, batch_size, examples, step))).numpy()


def laid_out(seed, steps, batch_size, examples):
    """All batches of `steps` steps end to end."""
    batches = index_batches(seed, batch_size, examples).take(steps)
    return np.concatenate(list(batches.as_numpy_iterator()))


def order_of(seed, epoch, examples):
    return batch_indices(seed, epoch, examples, examples)


def test_any_step_can_be_asked_for_alone():
    whole = laid_out(2, 60, 7, 30).reshape(60, 7)
    for step in (0, 3, 4, 29, 59):
        np.testing.assert_array_equal(batch_indices(2, step, 7, 30), whole[step])


@pytest.mark.parametrize(
    "batch_size, examples",
    [(4, 12), (5, 12), (7, 7), (12, 5), (30, 7), (1, 3), (3, 1), (64, 100)],
)
def test_each_epoch_visits_every_image_once(batch_size, examples):
    epochs = 4
    steps = -(-epochs * examples // batch_size)
    indices = laid_out(0, steps, batch_size, examples)[: epochs * examples]
    assert indices.dtype == np.int64
    for epoch in indices.reshape(epochs, examples):
        assert sorted(epoch) == list(range(examples))


@pytest.mark.parametrize("batch_size", [5, 8, 40, 100])
def test_batch_size_does_not_change_the_order(batch_size):
    whole = np.concatenate([order_of(3, epoch, 40) for epoch in range(5)])
    np.testing.assert_array_equal(laid_out(3, 200 // batch_size, batch_size, 40), whole)


def test_epochs_and_seeds_differ():
    orders = [tuple(order_of(seed, epoch, 200)) for seed in range(4) for epoch in range(5)]
    assert len(set(orders)) == len(orders)
    assert tuple(range(200)) not in orders


@pytest.mark.parametrize("examples", [1437, 5000])
def test_consecutive_epochs_are_not_correlated(examples):
    for seed in (0, 1):
        places = []
        for epoch in range(6):
            order = order_of(seed, epoch, examples)
            place = np.empty(examples)
            place[order] = np.arange(examples)
            places.append(place)
        table = np.corrcoef(places)
        off = np.abs(table[~np.eye(len(places), dtype=bool)])
        # The standard deviation of a fair shuffle's is 1 / sqrt(N): 0.014 for 5,000.
        assert off.max() < max(0.05, 4 / np.sqrt(examples))
        # Nor is any epoch with the order the images are stored in.
        stored = [abs(np.corrcoef(place, np.arange(examples))[0, 1]) for place in places]
        assert max(stored) < max(0.05, 4 / np.sqrt(examples))


def test_every_image_comes_at_every_place():
    # Ten parts of the set against ten parts of the epoch, over 300 epochs. Chi-square has 81
    # degrees of freedom: 81 in the mean, and above 144 once in 100,000 fair shuffles.
    counts = np.zeros((10, 10))
    for epoch, order in enumerate(index_batches(0, 1437, 1437).take(300).as_numpy_iterator()):
        assert epoch < 300
        np.add.at(counts, (np.arange(1437) * 10 // 1437, order * 10 // 1437), 1)
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    assert ((counts - expected) ** 2 / expected).sum() < 144


def test_far_steps():
    # Step 64,000 of the paper's job, and one beyond 2^31 images.
    for step in (63_999, 2**31):
        indices = batch_indices(0, step, 128, 50_000)
        assert indices.min() >= 0 and indices.max() < 50_000
        assert len(set(indices)) >= 127  # two of different epochs may be the same image


@pytest.mark.landing
def test_same_in_another_process():
    script = (
        "from resnet_keras.data.random import index_batches\n"
        "print([next(iter(index_batches(5, 16, 50, s))).numpy().tolist() for s in (0, 3, 1000)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    here = [batch_indices(5, step, 16, 50).tolist() for step in (0, 3, 1000)]
    assert done.stdout.strip() == str(here)
