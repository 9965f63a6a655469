"""A run on two devices, which two logical processors stand in for."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from resnet_keras.artefact import Description
from resnet_keras.models.build import build
from resnet_keras.models.keras_file import load_keras_file, save_keras_file
from resnet_keras.preprocessing import Preprocessing

DRIVER = Path(__file__).with_name("driver.py")


def losses(folder, devices, *flags):
    done = subprocess.run(
        [sys.executable, DRIVER, folder, "--steps", "4", "--drops", "3", *flags],
        env={**os.environ, "DEVICES": str(devices)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    lines = (folder / "runs/run/metrics.csv").read_text().splitlines()
    return [float(line.split(",")[2]) for line in lines[1:]]


def folder(tmp_path, name):
    path = tmp_path / name
    path.mkdir()
    return path


STEPS = ("--warmup-steps", "0", "--eval-every", "2", "--learning-rate", "0.01")


def test_with_synchronized_norms_two_devices_compute_what_one_does(tmp_path):
    one = losses(folder(tmp_path, "one"), 1, *STEPS)
    two = losses(folder(tmp_path, "two"), 2, *STEPS, "--sync-bn")
    # Training drifts apart exponentially; over four steps at a low rate, not far.
    assert two == pytest.approx(one, rel=1e-3)


def test_without_them_each_device_normalizes_its_own_part(tmp_path):
    two = losses(folder(tmp_path, "two"), 2, *STEPS)
    assert len(two) == 2 and all(0.5 < loss < 10 for loss in two)


@pytest.mark.slow
def test_fine_tuning_on_two_devices_computes_what_it_does_on_one(tmp_path):
    path = tmp_path / "backbone.keras"
    keras.utils.set_random_seed(0)
    model = build("resnet8", classes=3, input_shape=(None, None, 3))
    preprocessing = Preprocessing(
        (32, 32), "stretch", 1 / 255, (0.5,) * 3, (0.5,) * 3, tuple("abc")
    )
    card = {"name": "b", "arch": "resnet8", "option": "A"}
    save_keras_file(model, path, Description(preprocessing, card))
    flags = ("--warmup-steps", "0", "--eval-every", "2", "--learning-rate", "0.05")
    flags = (*flags, "--train-from", str(path), "--backbone-rate", "0.1", "--recalibrate-bn")
    made = []
    for name, count, more in (("one", 1, ()), ("two", 2, ("--sync-bn",))):
        found = losses(folder(tmp_path, name), count, *flags, *more)
        end, _ = load_keras_file(tmp_path / name / "runs/run/model.keras")
        made.append((found, end.get_weights()))
    assert made[1][0] == pytest.approx(made[0][0], rel=1e-3)
    for one, two in zip(made[0][1], made[1][1], strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-2, atol=1e-3)
