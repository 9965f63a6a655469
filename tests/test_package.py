"""`import resnet_keras`: what it offers, what it costs, and what it registers with Keras."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import resnet_keras

ROOT = Path(__file__).resolve().parents[1]
REGISTERED = [
    "BatchNormalization",
    "LinearWarmUp",
    "OneCycle",
    "Rising",
    "SGD",
    "SGDMuon",
    "SmoothedCrossEntropy",
    "zero_padding_shortcut",
]
LOAD = """
import sys
for name in sys.argv[4].split(","):
    __import__(name)
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1])
images = np.load(sys.argv[2])
np.save(sys.argv[3], np.asarray(model.predict_on_batch(images)))
print(keras.backend.backend(), type(model.optimizer).__name__, type(model.loss).__name__)
print(type(model.optimizer._learning_rate).__name__, int(model.optimizer.iterations))
"""
NAMES = """
import sys
for name in sys.argv[1].split(","):
    __import__(name)
import keras
print(*sorted(x[13:] for x in keras.saving.get_custom_objects() if x.startswith("resnet_keras>")))
"""


def run(program, *arguments, folder=ROOT, **environment):
    """Runs a program in a new process and returns the lines that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def test_importing_the_package_imports_neither_keras_nor_a_backend():
    program = "import sys, resnet_keras; print({'keras', 'tensorflow', 'jax'} & set(sys.modules))"
    assert run(program) == ["set()"]


def test_public_functions():
    from resnet_keras.models.build import build
    from resnet_keras.models.keras_file import load_keras_file

    assert resnet_keras.build is build
    assert resnet_keras.load is load_keras_file
    with pytest.raises(AttributeError, match="bild"):
        _ = resnet_keras.bild


@pytest.mark.landing
@pytest.mark.parametrize(
    "modules",
    [
        "resnet_keras,keras",
        "keras,resnet_keras",
        "resnet_keras,tensorflow",
        # The first module to import Keras is one of those that define registered objects.
        "resnet_keras.training.schedules",
        "resnet_keras.models.batch_norm",
    ],
)
def test_objects_are_registered_in_every_import_order(modules):
    assert run(NAMES, modules) == [" ".join(REGISTERED)]


@pytest.mark.landing
def test_looking_for_keras_does_not_disable_registration():
    program = "import importlib.util, resnet_keras; importlib.util.find_spec('keras')" + NAMES
    assert run(program, "keras") == [" ".join(REGISTERED)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The file of a compiled network with option A, images, and its logits for them."""
    import keras

    from resnet_keras.description import Description
    from resnet_keras.models.keras_file import save_keras_file
    from resnet_keras.training.losses import SmoothedCrossEntropy
    from resnet_keras.training.optimizers import SGDMuon
    from resnet_keras.training.schedules import OneCycle
    from tests.models.lifecycle import CLASSES, make_preprocessing

    folder = tmp_path_factory.mktemp("trained")
    keras.utils.set_random_seed(0)
    model = resnet_keras.build("resnet8", "A", classes=len(CLASSES), input_shape=(8, 8, 3))
    schedule = OneCycle(peak=0.01, steps=10, peak_step=3)
    model.compile(SGDMuon(schedule, momentum=0.9, muon=0.1, decay=1e-4), SmoothedCrossEntropy(0.1))
    images = np.random.default_rng(0).normal(size=(8, 8, 8, 3)).astype(np.float32)
    model.fit(images, np.arange(8) % len(CLASSES), batch_size=4, verbose=0)
    save_keras_file(model, folder / "model.keras", Description(make_preprocessing(8)))
    np.save(folder / "images.npy", images)
    return folder, np.asarray(model(images, training=False))


@pytest.mark.landing
@pytest.mark.parametrize("modules", ["resnet_keras,keras", "keras,resnet_keras"])
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_keras_loads_files_of_runs(trained, backend, modules):
    if not importlib.util.find_spec(backend):
        pytest.skip(f"needs {backend}")
    folder, expected = trained
    lines = run(
        LOAD,
        "model.keras",
        "images.npy",
        "logits.npy",
        modules,
        folder=folder,
        KERAS_BACKEND=backend,
        JAX_PLATFORMS="cpu",
    )
    assert lines == [f"{backend} SGDMuon SmoothedCrossEntropy", "OneCycle 2"]
    assert np.ptp(expected, axis=0).max() > 0.1
    np.testing.assert_allclose(np.load(folder / "logits.npy"), expected, atol=1e-4)


@pytest.mark.landing
def test_keras_loads_compiled_files_of_version_0_1(tmp_path):
    path = ROOT / "tests" / "fixtures" / "version_0_1" / "fast.keras"
    np.save(tmp_path / "images.npy", np.zeros((2, 32, 32, 3), np.float32))
    names = ("images.npy", "logits.npy", "resnet_keras")
    lines = run(LOAD, path, *names, folder=tmp_path, KERAS_BACKEND="tensorflow")
    assert lines == ["tensorflow SGDMuon SparseCategoricalCrossentropy", "OneCycle 60"]
    assert np.load(tmp_path / "logits.npy").shape == (2, 10)
