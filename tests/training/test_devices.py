"""Complete runs on two logical CPU devices, which stand for GPUs.

`test_replicas.py` tests what the devices compute.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from resnet_keras.description import Description
from resnet_keras.models.build import build
from resnet_keras.models.keras_file import load_keras_file, save_keras_file
from resnet_keras.preprocessing import Preprocessing

DRIVER = Path(__file__).with_name("driver.py")


def train(folder, devices, *flags):
    """Runs the driver on logical devices and returns the losses of all rows."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, DRIVER, folder, "--warmup-steps", "0", *flags],
        env={**os.environ, "DEVICES": str(devices)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    lines = (folder / "runs/run/metrics.csv").read_text().splitlines()
    return [float(line.split(",")[2]) for line in lines[1:]]


@pytest.mark.landing
def test_a_run_on_two_devices_saves_a_network_for_one(tmp_path):
    found = train(tmp_path / "two", 2, "--steps", "2", "--drops", "1", "--sync-bn")
    assert len(found) == 1 and 0.5 < found[0] < 10
    run = tmp_path / "two/runs/run"
    config = json.loads((run / "config.json").read_text())
    assert (config["recipe"]["devices"], config["recipe"]["sync_bn"]) == (2, True)
    result = json.loads((run / "result.json").read_text())
    # The error was measured on the SavedModel, with all 360 test images of the digits.
    wrong = result["test_error"] * 360 / 100
    assert wrong == pytest.approx(round(wrong), abs=1e-6)
    model, _ = load_keras_file(run / "model.keras")
    norms = [n for n in model.layers if isinstance(n, keras.layers.BatchNormalization)]
    assert norms and not any(norm.synchronized for norm in norms)


@pytest.mark.slow
def test_fine_tuning_on_two_devices_computes_the_same_as_on_one(tmp_path):
    path = tmp_path / "backbone.keras"
    keras.utils.set_random_seed(0)
    model = build("resnet8", classes=3, input_shape=(None, None, 3))
    preprocessing = Preprocessing(
        (32, 32), "stretch", 1 / 255, (0.5,) * 3, (0.5,) * 3, tuple("abc")
    )
    card = {"name": "b", "arch": "resnet8", "option": "A"}
    save_keras_file(model, path, Description(preprocessing, card))
    flags = ("--steps", "4", "--drops", "3", "--eval-every", "2", "--learning-rate", "0.005")
    flags = (*flags, "--train-from", str(path), "--backbone-rate", "0.1", "--recalibrate-bn")
    # bfloat16, which some processors compute in, would differ by more than the tolerance.
    flags = (*flags, "--precision", "float32")
    made = []
    for name, count, more in (("one", 1, ()), ("two", 2, ("--sync-bn",))):
        found = train(tmp_path / name, count, *flags, *more)
        end, _ = load_keras_file(tmp_path / name / "runs/run/model.keras")
        made.append((found, end.get_weights()))
    assert made[1][0] == pytest.approx(made[0][0], rel=1e-5)
    for one, two in zip(made[0][1], made[1][1], strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-2, atol=5e-4)
