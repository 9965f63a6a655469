"""What N devices compute under MirroredStrategy, compared with one device and with NumPy.

`replicas.py` computes the numbers: three steps of the program's own `fit` on logical CPU devices,
in one process per number of devices. Everything is float32, and 1e-5 is about thirty times its
rounding error.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.training import numpy_muon, replicas

PROGRAM = Path(__file__).with_name("replicas.py")
TOLERANCE = 1e-5
# By number of devices. The cases in SLOW complete the table.
FIRST = {1: ("A", "B"), 2: ("A", "B-sync")}
SLOW = {2: ("B", "A-sync", "files"), 4: ("A", "B", "A-sync", "B-sync", "files")}


def run_cases(folder, cases):
    """Runs the program for each number of devices, in parallel, and returns the saved arrays."""
    running = {
        count: subprocess.Popen(
            [sys.executable, PROGRAM, folder / str(count), str(count), *names],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        for count, names in cases.items()
    }
    try:
        for process in running.values():
            output, _ = process.communicate(timeout=900)
            assert process.returncode == 0, output[-3000:]
    finally:
        for process in running.values():
            process.kill()
    return {
        (count, name): dict(np.load(folder / str(count) / f"{name}.npz"))
        for count, names in cases.items()
        for name in names
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fast")


@pytest.fixture(scope="module")
def fast(folder):
    return run_cases(folder, FIRST)


@pytest.fixture(scope="module")
def slow_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("slow")


@pytest.fixture(scope="module")
def slow(slow_folder):
    return run_cases(slow_folder, SLOW)


def cases(synchronized):
    """Parametrizes a test with the fixture `pair` for all runs on several devices."""
    chosen = [
        pytest.param((count, name), id=f"{count}-{name}", marks=marks)
        for group, marks in ((FIRST, pytest.mark.landing), (SLOW, pytest.mark.slow))
        for count, names in group.items()
        for name in names
        if count > 1 and name != "files" and ("sync" in name) in synchronized
    ]
    return pytest.mark.parametrize("pair", chosen, indirect=True)


@pytest.fixture
def pair(request, fast):
    """The number of devices, the variant, and the arrays of one device and of that many."""
    count, name = request.param
    runs = fast if name in FIRST.get(count, ()) else request.getfixturevalue("slow")
    variant = name.split("-")[0]
    return count, variant, fast[1, variant], runs[count, name]


SYNC_BN, NO_SYNC_BN = cases([True]), cases([False])
ALL = cases([True, False])
STEPS = range(replicas.STEPS)


def group(run, prefix):
    """Returns the arrays of a run with a prefix, in the order of their numbers."""
    found = {name.removeprefix(prefix): run[name] for name in run if name.startswith(prefix)}
    assert found, prefix
    return dict(sorted(found.items(), key=lambda item: int(item[0].split("/")[0])))


def assert_close(actual, expected, tolerance=TOLERANCE):
    """Checks that elements, and arrays relative to their norms, differ by at most a tolerance."""
    assert actual.keys() == expected.keys()
    for name, array in actual.items():
        np.testing.assert_allclose(array, expected[name], rtol=0, atol=tolerance, err_msg=name)
        distance = np.linalg.norm(np.float64(array) - expected[name])
        assert distance <= tolerance * np.linalg.norm(expected[name]), name


def summed_gradients(run, step):
    """Returns the sum of the gradients of all replicas, float64."""
    return {
        name: gradient.sum(axis=0, dtype=np.float64)
        for name, gradient in group(run, f"step{step}/gradient/").items()
    }


def first_copy(run, prefix):
    """Returns the copies of the first device."""
    return {name: copies[0] for name, copies in group(run, prefix).items()}


@ALL
def test_devices_divide_the_batch_of_one_device(pair):
    count, _, one, several = pair
    for step in STEPS:
        for index in (0, 1):
            whole = one[f"step{step}/input/{index}"][0]
            parts = several[f"step{step}/input/{index}"]
            assert parts.shape == (count, len(whole) // count, *whole.shape[1:])
            # The same bits: crops, flips and lighting are drawn before images are distributed.
            np.testing.assert_array_equal(np.concatenate(parts), whole)
        assert several[f"step{step}/seen"] == replicas.BATCH
        assert several[f"step{step}/iterations"] == one[f"step{step}/iterations"] == step + 1


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_devices_divide_batches_of_images_in_files(slow, count):
    found = slow[count, "files"]
    for step in STEPS:
        for name in ("images", "labels"):
            whole, shared = found[f"whole{step}/{name}"], found[f"shared{step}/{name}"]
            np.testing.assert_array_equal(shared, whole)
    assert len(found["whole0/labels"]) == replicas.BATCH
    assert not np.array_equal(found["whole0/images"], found["whole1/images"])


@ALL
def test_all_devices_have_the_same_weights_averages_and_velocities(pair):
    count, variant, one, several = pair
    kinds = ("weights", "moving", "velocity", *(("average",) if variant == "B" else ()))
    for kind in kinds:
        for prefix in ("start", *(f"step{step}" for step in STEPS)):
            for name, copies in group(several, f"{prefix}/{kind}/").items():
                assert len(copies) == count
                assert all(np.array_equal(copies[0], other) for other in copies[1:]), name
        start, there = group(one, f"start/{kind}/"), first_copy(several, f"start/{kind}/")
        assert all(np.array_equal(start[name][0], there[name]) for name in start)


@SYNC_BN
def test_with_sync_bn_several_devices_compute_the_same_as_one(pair):
    _, _, one, several = pair
    for step in STEPS:
        assert_close(summed_gradients(several, step), summed_gradients(one, step))
        assert several[f"step{step}/loss"] == pytest.approx(one[f"step{step}/loss"], rel=TOLERANCE)
        for kind in ("weights", "moving"):
            prefix = f"step{step}/{kind}/"
            assert_close(first_copy(several, prefix), first_copy(one, prefix))
    # The weights have changed much more than the tolerance.
    start, end = (
        first_copy(one, "start/weights/"),
        first_copy(one, f"step{replicas.STEPS - 1}/weights/"),
    )
    for name, weights in start.items():
        assert np.abs(end[name] - weights).max() > 100 * TOLERANCE, name


@NO_SYNC_BN
def test_without_sync_bn_each_device_computes_the_same_as_one_on_its_slice(pair):
    count, _, one, several = pair
    found = group(several, "step0/gradient/")
    slices = [group(one, f"slice{number}of{count}/gradient/") for number in range(count)]
    for number, alone in enumerate(slices):
        # The loss of a replica is divided by the number of replicas, so that the sum is the mean.
        whole = {name: count * gradients[number] for name, gradients in found.items()}
        assert_close(whole, {name: gradient[0] for name, gradient in alone.items()})
    mean = {name: np.mean([part[name][0] for part in slices], axis=0) for name in found}
    assert_close(summed_gradients(several, 0), mean)
    # The gradients of the slices differ from each other and from that of the whole batch.
    for name, whole in summed_gradients(one, 0).items():
        gradients = [part[name][0] for part in slices]
        assert np.abs(gradients[0] - gradients[1]).max() > 100 * TOLERANCE
        assert np.abs(mean[name] - whole).max() > TOLERANCE or "logits" in name


@NO_SYNC_BN
def test_without_sync_bn_the_moving_averages_are_the_mean_over_devices(pair):
    count, _, one, several = pair
    slices = [first_copy(one, f"slice{number}of{count}/moving/") for number in range(count)]
    mean = {name: np.mean([part[name] for part in slices], axis=0) for name in slices[0]}
    assert_close(first_copy(several, "step0/moving/"), mean)
    assert any(np.abs(slices[0][name] - slices[1][name]).max() > 1e-3 for name in mean)


@ALL
def test_each_step_applies_the_mean_gradient_and_the_decay_once(pair):
    _, variant, one, several = pair
    for run in (one, several):
        recipe = replicas.recipe_of(variant)
        weights, average = first_copy(run, "start/weights/"), None
        velocity = dict.fromkeys(weights, 0.0)
        for step in STEPS:
            rate = recipe.learning_rate * (0.1 if step >= recipe.drops[0] else 1.0)
            gradients = summed_gradients(run, step).values()
            moved = {}
            for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
                if recipe.muon and weight.ndim == 4:
                    velocity[name] = recipe.momentum * velocity[name] + gradient
                    nesterov = gradient + recipe.momentum * velocity[name]
                    direction = numpy_muon.direction(nesterov)
                    moved[name] = numpy_muon.step(
                        weight, direction, rate, recipe.muon, recipe.decay
                    )
                    continue
                if recipe.decay_on == "all" or name.endswith("kernel"):
                    gradient = gradient + recipe.decay * np.float64(weight)
                velocity[name] = recipe.momentum * velocity[name] - rate * gradient
                ahead = recipe.momentum * velocity[name] - rate * gradient
                moved[name] = weight + (ahead if recipe.nesterov else velocity[name])
            weights = moved
            if recipe.ema:
                before = weights if average is None else average
                average = {
                    n: recipe.ema * before[n] + (1 - recipe.ema) * weights[n] for n in before
                }
            # At the end, the weights are replaced with their average.
            is_averaged = recipe.ema and step == replicas.STEPS - 1
            # The effect of the decay alone is a thousand times this tolerance.
            found = first_copy(run, f"step{step}/weights/")
            assert_close(found, average if is_averaged else weights, tolerance=1e-6)


@ALL
def test_each_test_image_counts_once(pair):
    _, _, one, several = pair
    labels = replicas.test_images().labels
    for run in (one, several):
        confusion = run["measured/confusion"]
        # The last batch contains one image, which cannot be divided.
        assert confusion.sum() == replicas.TEST == 251
        np.testing.assert_array_equal(confusion.sum(axis=1), np.bincount(labels))
    assert confusion.max() < replicas.TEST / 4  # not all in one class


@SYNC_BN
def test_an_evaluation_after_training_on_several_devices_is_the_same(pair):
    _, _, one, several = pair
    for name in ("confusion", "top5_correct"):
        np.testing.assert_array_equal(several[f"measured/{name}"], one[f"measured/{name}"])
    assert several["measured/loss"] == pytest.approx(float(one["measured/loss"]), rel=TOLERANCE)


@pytest.mark.parametrize(
    "count",
    [pytest.param(2, marks=pytest.mark.landing), pytest.param(4, marks=pytest.mark.slow)],
)
def test_a_batch_that_cannot_be_divided_is_refused(request, count):
    request.getfixturevalue("fast" if count in FIRST else "slow")
    where = request.getfixturevalue("folder" if count in FIRST else "slow_folder")
    messages = json.loads((where / str(count) / "refused.json").read_text())
    assert messages["1"] == (
        f"a batch cannot be divided evenly among {count} devices. Received: --batch-size 1; "
        f"{count} would work"
    )
    assert messages["18"] == (
        None
        if count == 2
        else "a batch cannot be divided evenly among 4 devices. Received: --batch-size 18; "
        "16 or 20 would work"
    )
    assert messages["more"].startswith(f"only {count} CPU device(s) are visible (")
    assert messages["more"].endswith(f"Received: --devices {count + 1}")


@pytest.mark.landing
def test_one_device_accepts_any_batch(folder, fast):
    messages = json.loads((folder / "1/refused.json").read_text())
    assert messages["18"] is messages["1"] is None
