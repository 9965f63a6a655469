"""The random numbers: pure functions of (seed, step), and a good shuffle."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from resnet_keras.data.random import (
    RandomStream,
    index_batches,
    random_bits,
    random_key,
    random_normal,
)

ROOT = Path(__file__).resolve().parents[2]


def test_streams_are_unique_and_never_change():
    # The values decide what a run computes: other values would change every published result.
    assert {stream.name: stream.value for stream in RandomStream} == {
        "ORDER": 1,
        "FLIP_AND_CROP": 2,
        "FIRST_FLIP": 3,
        "SCALE_AND_CROP": 4,
        "LIGHTING": 5,
    }
    # An enum would list two names of the same value only once.
    assert len(RandomStream.__members__) == len(set(map(int, RandomStream))) == 5


def test_no_module_has_a_key_of_its_own():
    # Stateless operations appear only in random.py, so that no two uses share a stream.
    for path in (ROOT / "resnet_keras" / "data").glob("*.py"):
        assert path.name == "random.py" or "stateless_" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("stream", RandomStream)
def test_keys_of_different_draws_differ(stream):
    largest = 2**31 - 1  # the largest seed of a recipe
    keys = {
        tuple(random_key(other, seed, counter).numpy().tolist())
        for other in RandomStream
        for seed in (0, 1, largest)
        for counter in (0, 1, 2**40)
    }
    assert len(keys) == 5 * 3 * 3
    assert random_key(stream, largest, 7).numpy().tolist() == [stream * 2**32 + largest, 7]


def test_draws_depend_on_stream_seed_and_counter_alone():
    step = tf.constant(5, tf.int64)
    for draw in (
        lambda *key: random_bits(*key, (2, 3)),
        lambda *key: random_normal(*key, (2, 3), 0.1),
    ):
        first = draw(RandomStream.LIGHTING, 1, step)
        tf.random.set_seed(1)
        np.testing.assert_array_equal(first, draw(RandomStream.LIGHTING, 1, 5))
        for other in (
            (RandomStream.ORDER, 1, 5),
            (RandomStream.LIGHTING, 2, 5),
            (RandomStream.LIGHTING, 1, 6),
        ):
            assert not np.array_equal(first, draw(*other))


def test_random_bits_are_uniform():
    bits = random_bits(RandomStream.FLIP_AND_CROP, 0, 0, (100_000,)).numpy()
    assert bits.dtype == np.int64 and bits.min() >= 0 and 2**31 < bits.max() < 2**32
    counts = np.bincount(bits % 9, minlength=9)
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 30  # 8 degrees of freedom


def batch_indices(seed, step, batch_size, examples):
    """The batch of a single step."""
    return next(iter(index_batches(seed, batch_size, examples, step))).numpy()


def concatenated_batches(seed, steps, batch_size, examples):
    """All batches of the first `steps` steps, one after the other."""
    batches = index_batches(seed, batch_size, examples).take(steps)
    return np.concatenate(list(batches.as_numpy_iterator()))


def order_of(seed, epoch, examples):
    return batch_indices(seed, epoch, examples, examples)


def test_any_step_can_be_computed_alone():
    everything = concatenated_batches(2, 60, 7, 30).reshape(60, 7)
    for step in (0, 3, 4, 29, 59):
        np.testing.assert_array_equal(batch_indices(2, step, 7, 30), everything[step])


@pytest.mark.parametrize(
    "batch_size, examples",
    [(4, 12), (5, 12), (7, 7), (12, 5), (30, 7), (1, 3), (3, 1), (64, 100)],
)
def test_each_epoch_visits_every_image_once(batch_size, examples):
    epochs = 4
    steps = -(-epochs * examples // batch_size)
    indices = concatenated_batches(0, steps, batch_size, examples)[: epochs * examples]
    assert indices.dtype == np.int64
    for epoch in indices.reshape(epochs, examples):
        assert sorted(epoch) == list(range(examples))


@pytest.mark.parametrize("batch_size", [5, 8, 40, 100])
def test_batch_size_does_not_change_the_order(batch_size):
    expected = np.concatenate([order_of(3, epoch, 40) for epoch in range(5)])
    found = concatenated_batches(3, 200 // batch_size, batch_size, 40)
    np.testing.assert_array_equal(found, expected)


def test_epochs_and_seeds_differ():
    orders = [tuple(order_of(seed, epoch, 200)) for seed in range(4) for epoch in range(5)]
    assert len(set(orders)) == len(orders)
    assert tuple(range(200)) not in orders


@pytest.mark.parametrize("examples", [1437, 5000])
def test_consecutive_epochs_are_not_correlated(examples):
    for seed in (0, 1):
        positions = []
        for epoch in range(6):
            order = order_of(seed, epoch, examples)
            position = np.empty(examples)
            position[order] = np.arange(examples)
            positions.append(position)
        table = np.corrcoef(positions)
        off_diagonal = np.abs(table[~np.eye(len(positions), dtype=bool)])
        # For a fair shuffle the standard deviation is 1 / sqrt(N): 0.014 for 5,000.
        assert off_diagonal.max() < max(0.05, 4 / np.sqrt(examples))
        # No epoch is correlated with the order in which the images are stored either.
        stored = [abs(np.corrcoef(position, np.arange(examples))[0, 1]) for position in positions]
        assert max(stored) < max(0.05, 4 / np.sqrt(examples))


def test_every_image_appears_at_every_position():
    # Ten parts of the data set against ten parts of the epoch, over 300 epochs. Chi-square has 81
    # degrees of freedom: its mean is 81, and one in 100,000 fair shuffles exceeds 144.
    counts = np.zeros((10, 10))
    for epoch, order in enumerate(index_batches(0, 1437, 1437).take(300).as_numpy_iterator()):
        assert epoch < 300
        np.add.at(counts, (np.arange(1437) * 10 // 1437, order * 10 // 1437), 1)
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    assert ((counts - expected) ** 2 / expected).sum() < 144


def test_late_steps():
    # The last step of the paper's training, and one beyond 2**31 images.
    for step in (63_999, 2**31):
        indices = batch_indices(0, step, 128, 50_000)
        assert indices.min() >= 0 and indices.max() < 50_000
        assert len(set(indices)) >= 127  # Two images of different epochs may be the same.


@pytest.mark.landing
def test_another_process_computes_the_same():
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
