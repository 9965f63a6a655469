"""What all tests share. Set before anything imports TensorFlow or Matplotlib."""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
from hypothesis import settings

# How long an example takes is the machine's business: a busy one is no failure.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.fixture(scope="session")
def cifar_dir() -> Path:
    """Where the real CIFAR-10 lies, or a skip that says how to name the place."""
    place = os.environ.get("RESNET_KERAS_DATA")
    if not place:
        pytest.skip("RESNET_KERAS_DATA is not set: it names the folder or archive of CIFAR-10")
    if not Path(place).exists():
        pytest.skip(f"RESNET_KERAS_DATA names {place}, which does not exist")
    return Path(place)


@pytest.fixture(autouse=True)
def float32_policy():
    """Undoes a test's mixed precision."""
    yield
    if "keras" in sys.modules:
        import keras

        keras.config.set_dtype_policy("float32")


def pytest_collection_modifyitems(items):
    """Puts the files that take longest first: several workers then end at about the same time."""
    slowest = (
        "test_resume.py", "test_faults.py", "test_replicas.py", "test_processes.py",
        "test_server.py", "test_folder_job.py", "test_file_pipeline.py", "test_search.py",
        "test_finetune.py", "test_round_trip.py", "test_job.py", "test_answers.py",
        "test_jax_backend.py", "test_import_weights.py", "test_line.py", "test_serving.py",
    )  # fmt: skip
    items.sort(key=lambda item: item.path.name not in slowest)
