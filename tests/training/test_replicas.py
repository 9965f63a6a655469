"""What N devices compute under MirroredStrategy, against one device and against NumPy.

`replicas.py` makes the numbers: three steps of the program's own `fit` on logical CPU devices, in
a process for each number of them. All is float32, and 1e-5 is some thirty times its rounding.
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
# By number of devices. Those of SLOW complete the table.
FIRST = {1: ("A", "B"), 2: ("A", "B-sync")}
SLOW = {2: ("B", "A-sync", "files"), 4: ("A", "B", "A-sync", "B-sync", "files")}


def made(folder, cases):
    """Runs the program for each number of devices, side by side."""
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
    return made(folder, FIRST)


@pytest.fixture(scope="module")
def slow_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("slow")


@pytest.fixture(scope="module")
def slow(slow_folder):
    return made(slow_folder, SLOW)


def cases(synchronized):
    """Marks a test that takes `count`, `one` and `several` to run on each pair of runs."""
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
    """The number of devices, the variant, and what one and what so many devices made of it."""
    count, name = request.param
    runs = fast if name in FIRST[count] else request.getfixturevalue("slow")
    variant = name.split("-")[0]
    return count, variant, fast[1, variant], runs[count, name]


SYNCHRONIZED, APART = cases([True]), cases([False])
ALL = cases([True, False])
STEPS = range(replicas.STEPS)


def group(run, prefix):
    """The arrays of a run under a prefix, in the order of their numbers."""
    found = {name.removeprefix(prefix): run[name] for name in run if name.startswith(prefix)}
    assert found, prefix
    return dict(sorted(found.items(), key=lambda item: int(item[0].split("/")[0])))


def assert_close(mine, theirs, tolerance=TOLERANCE):
    """Each array as a whole: the distance between the two is small beside their length."""
    assert mine.keys() == theirs.keys()
    for name, array in mine.items():
        np.testing.assert_allclose(array, theirs[name], rtol=0, atol=tolerance, err_msg=name)
        apart = np.linalg.norm(np.float64(array) - theirs[name])
        assert apart <= tolerance * np.linalg.norm(theirs[name]), name


def applied(run, step):
    """The gradient that the replicas' own add up to, float64."""
    return {
        name: gradient.sum(axis=0, dtype=np.float64)
        for name, gradient in group(run, f"step{step}/gradient/").items()
    }


def copy(run, prefix):
    """The first device's copy of what the devices hold."""
    return {name: copies[0] for name, copies in group(run, prefix).items()}


@ALL
def test_devices_share_the_batch_that_one_device_gets(pair):
    count, _, one, several = pair
    for step in STEPS:
        for place in (0, 1):
            whole = one[f"step{step}/input/{place}"][0]
            parts = several[f"step{step}/input/{place}"]
            assert parts.shape == (count, len(whole) // count, *whole.shape[1:])
            # Bit by bit: crops, mirror images and light are decided before images are shared out.
            np.testing.assert_array_equal(np.concatenate(parts), whole)
        assert several[f"step{step}/seen"] == replicas.BATCH
        assert several[f"step{step}/iterations"] == one[f"step{step}/iterations"] == step + 1


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_devices_share_batches_of_images_in_files_too(slow, count):
    found = slow[count, "files"]
    for step in STEPS:
        for name in ("images", "labels"):
            whole, shared = found[f"whole{step}/{name}"], found[f"shared{step}/{name}"]
            np.testing.assert_array_equal(shared, whole)
    assert len(found["whole0/labels"]) == replicas.BATCH
    assert not np.array_equal(found["whole0/images"], found["whole1/images"])


@ALL
def test_every_device_holds_the_same_weights_averages_and_velocities(pair):
    count, variant, one, several = pair
    kinds = ("weights", "moving", "velocity", *(("average",) if variant == "B" else ()))
    for kind in kinds:
        for prefix in ("start", *(f"step{step}" for step in STEPS)):
            for name, copies in group(several, f"{prefix}/{kind}/").items():
                assert len(copies) == count
                assert all(np.array_equal(copies[0], other) for other in copies[1:]), name
        start, there = group(one, f"start/{kind}/"), copy(several, f"start/{kind}/")
        assert all(np.array_equal(start[name][0], there[name]) for name in start)


@SYNCHRONIZED
def test_with_synchronized_norms_several_devices_compute_what_one_does(pair):
    _, _, one, several = pair
    for step in STEPS:
        assert_close(applied(several, step), applied(one, step))
        assert several[f"step{step}/loss"] == pytest.approx(one[f"step{step}/loss"], rel=TOLERANCE)
        for kind in ("weights", "moving"):
            prefix = f"step{step}/{kind}/"
            assert_close(copy(several, prefix), copy(one, prefix))
    # Much more has happened than the tolerance would pass over.
    start, end = copy(one, "start/weights/"), copy(one, f"step{replicas.STEPS - 1}/weights/")
    for name, weights in start.items():
        assert np.abs(end[name] - weights).max() > 100 * TOLERANCE, name


@APART
def test_without_them_each_device_computes_what_one_does_on_its_slice(pair):
    count, _, one, several = pair
    found = group(several, "step0/gradient/")
    slices = [group(one, f"slice{number}of{count}/gradient/") for number in range(count)]
    for number, by_itself in enumerate(slices):
        # The loss of a replica is divided by their number, so that a sum becomes the mean.
        whole = {name: count * gradients[number] for name, gradients in found.items()}
        assert_close(whole, {name: gradient[0] for name, gradient in by_itself.items()})
    mean = {name: np.mean([part[name][0] for part in slices], axis=0) for name in found}
    assert_close(applied(several, 0), mean)
    # What is compared differs from slice to slice, and from the whole batch's gradient.
    for name, whole in applied(one, 0).items():
        spread = [part[name][0] for part in slices]
        assert np.abs(spread[0] - spread[1]).max() > 100 * TOLERANCE
        assert np.abs(mean[name] - whole).max() > TOLERANCE or "logits" in name


@APART
def test_without_them_the_moving_averages_take_the_mean_of_the_devices(pair):
    count, _, one, several = pair
    slices = [copy(one, f"slice{number}of{count}/moving/") for number in range(count)]
    mean = {name: np.mean([part[name] for part in slices], axis=0) for name in slices[0]}
    assert_close(copy(several, "step0/moving/"), mean)
    assert any(np.abs(slices[0][name] - slices[1][name]).max() > 1e-3 for name in mean)


@ALL
def test_each_step_applies_the_mean_gradient_and_decay_once(pair):
    _, variant, one, several = pair
    for run in (one, several):
        recipe = replicas.recipe_of(variant)
        weights, average = copy(run, "start/weights/"), None
        velocity = dict.fromkeys(weights, 0.0)
        for step in STEPS:
            rate = recipe.learning_rate * (0.1 if step >= recipe.drops[0] else 1.0)
            gradients = applied(run, step).values()
            moved = {}
            for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
                if recipe.muon and weight.ndim == 4:
                    velocity[name] = recipe.momentum * velocity[name] + gradient
                    along = numpy_muon.direction(gradient + recipe.momentum * velocity[name])
                    moved[name] = numpy_muon.step(weight, along, rate, recipe.muon, recipe.decay)
                    continue
                if recipe.decay_on == "all" or name.endswith("kernel"):
                    gradient = gradient + recipe.decay * np.float64(weight)
                velocity[name] = recipe.momentum * velocity[name] - rate * gradient
                ahead = recipe.momentum * velocity[name] - rate * gradient
                moved[name] = weight + (ahead if recipe.nesterov else velocity[name])
            weights = moved
            if recipe.ema:
                began = weights if average is None else average
                average = {n: recipe.ema * began[n] + (1 - recipe.ema) * weights[n] for n in began}
            # An averaged network ends with its average.
            ends = recipe.ema and step == replicas.STEPS - 1
            # Decay alone, of weights of a tenth to one, is a thousand times this tolerance.
            found = copy(run, f"step{step}/weights/")
            assert_close(found, average if ends else weights, tolerance=1e-6)


@ALL
def test_each_test_image_counts_once(pair):
    _, _, one, several = pair
    labels = replicas.test_images().labels
    for run in (one, several):
        confusion = run["measured/confusion"]
        # A last batch of one image, which could not be shared out.
        assert confusion.sum() == replicas.TEST == 251
        np.testing.assert_array_equal(confusion.sum(axis=1), np.bincount(labels))
    assert confusion.max() < replicas.TEST / 4  # not all in one column


@SYNCHRONIZED
def test_an_evaluation_after_training_on_several_devices_says_the_same(pair):
    _, _, one, several = pair
    for name in ("confusion", "top5_right"):
        np.testing.assert_array_equal(several[f"measured/{name}"], one[f"measured/{name}"])
    assert several["measured/loss"] == pytest.approx(float(one["measured/loss"]), rel=TOLERANCE)


@pytest.mark.parametrize(
    "count",
    [pytest.param(2, marks=pytest.mark.landing), pytest.param(4, marks=pytest.mark.slow)],
)
def test_a_batch_that_does_not_divide_is_refused(request, count):
    request.getfixturevalue("fast" if count in FIRST else "slow")
    where = request.getfixturevalue("folder" if count in FIRST else "slow_folder")
    said = json.loads((where / str(count) / "refused.json").read_text())
    assert said["1"] == f"a batch of 1 images does not divide among {count} devices; {count} would"
    refused = "a batch of 18 images does not divide among 4 devices; 16 or 20 would"
    assert said["18"] == (None if count == 2 else refused)
    wanted = f"{count + 1} devices were asked for, {count} CPU device(s) are visible: "
    assert said["more"].startswith(wanted)


@pytest.mark.landing
def test_one_device_takes_any_batch(folder, fast):
    said = json.loads((folder / "1/refused.json").read_text())
    assert said["18"] is said["1"] is None
