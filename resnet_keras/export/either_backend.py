"""The end of a run: its `.keras` file and its SavedModel, whichever backend trained it."""

import subprocess
import sys
from pathlib import Path

import keras

from resnet_keras import child
from resnet_keras.artefact import Description
from resnet_keras.errors import UserError
from resnet_keras.export.saved_model import export


def exported(
    model: keras.Model, file: Path, description: Description, export_dir: Path | str
) -> Path:
    """Exports a network whose `.keras` file is written already; returns the version's folder.

    SavedModels are TensorFlow's. Under another backend a process of its own makes it from the
    file: a process cannot change its backend.

    Args:
        model: the network.
        file: the same in a file.
        description: as in the file.
        export_dir: where the models are.

    Raises:
        UserError: if the folder cannot be written.
    """
    if keras.backend.backend() == "tensorflow":
        return export(model, description, export_dir)
    return _by_tensorflow(file, export_dir)


def _by_tensorflow(file, export_dir):
    command = [sys.executable, "-m", "resnet_keras", "export", file, "--export-dir", export_dir]
    # The GPU is the parent's, and its memory full.
    environment = child.environment(KERAS_BACKEND="tensorflow", CUDA_VISIBLE_DEVICES="-1")
    done = subprocess.run(
        list(map(str, command)), env=environment, capture_output=True, text=True, check=False
    )
    said = done.stdout.split("\n")[-2:-1]
    if done.returncode or not said:
        why = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        raise UserError(f"the export of {file} failed: {why[0]}")
    return Path(said[0])
