"""A `.keras` file gives the same outputs with KERAS_BACKEND=jax."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from resnet_keras import architectures
from resnet_keras.architectures import Architecture
from resnet_keras.description import Description
from resnet_keras.models.build import build
from resnet_keras.models.keras_file import save_keras_file
from resnet_keras.preprocessing import Preprocessing

ROOT = Path(__file__).resolve().parents[2]
# The bottleneck blocks of Fig. 5 at a size that compiles quickly.
BOTTLENECK = Architecture("tiny", "cifar", 11, "bottleneck", (1, 1, 1), (4, 8, 16), option="B")
NETWORKS = {
    "plain8": (architectures.parse("plain8"), 8),
    "a": (architectures.parse("resnet8", "A"), 8),
    "a-odd": (architectures.parse("resnet8", "A"), 9),
    "b": (architectures.parse("resnet8", "B"), 8),
    "c": (architectures.parse("resnet8", "C"), 8),
    "c-average": (architectures.parse("resnet8", "C", "average"), 8),
    "bottleneck": (BOTTLENECK, 8),
}
LARGER = {
    "resnet50": (architectures.parse("resnet50"), 32),
    "resnet18-a": (architectures.parse("resnet18"), 32),
}

# The other process loads every file and stores its outputs.
SCRIPT = """
import pathlib, sys
import keras, numpy as np
# JAX compiles the random initialization of every shape, which takes 20 s. The file has weights.
keras.initializers.VarianceScaling.__call__ = (
    lambda self, shape, dtype=None, **more: keras.ops.convert_to_tensor(np.zeros(shape, "float32"))
)
from resnet_keras.models.build import build
from resnet_keras.models.keras_file import load_keras_file
assert keras.backend.backend() == "jax"
folder = pathlib.Path(sys.argv[1])
outputs = {}
for path in sorted(folder.glob("*.keras")):
    model, description = load_keras_file(path)
    images = np.load(path.with_suffix(".npz"))["images"]
    outputs[path.stem] = np.asarray(model.predict_on_batch(images))
    if path.stem == "b":
        again = build("resnet8", "B", classes=7, input_shape=(8, 8, 3))
        again.set_weights(model.get_weights())
        outputs["built-there"] = np.asarray(again.predict_on_batch(images))
        outputs["in-training"] = np.asarray(model(images, training=True))
np.savez(folder / "outputs.npz", **outputs)
"""


def outputs_of_both(folder, networks):
    """Returns the logits of TensorFlow and of JAX, by network."""
    rng = np.random.default_rng(0)
    here = {}
    for name, (arch, side) in networks.items():
        model = build(arch, classes=7, input_shape=(side, side, 3))
        for variable in model.trainable_variables:
            value = variable.numpy() * rng.uniform(0.7, 1.3, variable.shape)
            variable.assign(value + rng.normal(0, 0.1, value.shape) * (value.ndim == 1))
        for _ in range(5):
            model(rng.normal(size=(4, side, side, 3)), training=True)
        images = rng.normal(size=(4, side, side, 3)).astype(np.float32)
        made = Preprocessing((side, side), "stretch", 1.0, (0, 0, 0), (1, 1, 1), tuple("abcdefg"))
        save_keras_file(model, folder / f"{name}.keras", Description(made))
        np.savez(folder / f"{name}.npz", images=images)
        here[name] = model(images, training=False).numpy()
        if name == "b":
            here["built-there"] = here[name]
            here["in-training"] = model(images, training=True).numpy()
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return here, dict(np.load(folder / "outputs.npz"))


def assert_same_outputs(tensorflow, jax):
    assert np.abs(tensorflow).max() > 0.1 and np.ptp(tensorflow, axis=0).max() > 0.01
    assert np.abs(tensorflow).max() < 50  # otherwise float32 would not reach 1e-4
    np.testing.assert_allclose(jax, tensorflow, atol=1e-4, rtol=0)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    return outputs_of_both(tmp_path_factory.mktemp("jax"), NETWORKS)


@pytest.mark.landing
@pytest.mark.parametrize("name", [*NETWORKS, "built-there", "in-training"])
def test_same_outputs(outputs, name):
    tensorflow, jax = outputs
    assert_same_outputs(tensorflow[name], jax[name])


@pytest.mark.slow
def test_same_outputs_of_imagenet_networks(tmp_path):
    tensorflow, jax = outputs_of_both(tmp_path, LARGER)
    for name in LARGER:
        assert_same_outputs(tensorflow[name], jax[name])
