"""What all tests share. The environment is set before anything imports TensorFlow or Matplotlib."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
from hypothesis import settings

# No deadline: on a busy machine, an example may take long without being wrong.
settings.register_profile("without_deadline", deadline=None)
settings.load_profile("without_deadline")

_SLOWEST_FILES = (
    "test_resume.py", "test_faults.py", "test_replicas.py", "test_process_group.py",
    "test_server.py", "test_folder_job.py", "test_pipeline_files.py", "test_search.py",
    "test_finetune.py", "test_round_trip.py", "test_job.py", "test_predict.py",
    "test_jax_backend.py", "test_import_weights.py", "test_heartbeat.py", "test_signatures.py",
)  # fmt: skip


@pytest.fixture(autouse=True)
def float32_policy():
    """Restores the dtype policy after a test that changed it."""
    yield
    if "keras" in sys.modules:
        import keras

        keras.config.set_dtype_policy("float32")


def pytest_collection_modifyitems(items):
    """Runs the slowest files first, so that parallel workers end at about the same time."""
    items.sort(key=lambda item: item.path.name not in _SLOWEST_FILES)
