"""Writes `saved_models/<name>/<version>/`, which TF Serving loads as it is."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from resnet_keras import subprocesses
from resnet_keras.artefact import CARD_FILE, EXTRA_FOLDER, PREPROCESSING_FILE, Description
from resnet_keras.errors import UserError
from resnet_keras.export.fold import deployment_model
from resnet_keras.export.model_card import complete_card
from resnet_keras.export.signatures import signatures
from resnet_keras.export.warmup import write_warmup
from resnet_keras.files import folder_locked, folder_written_whole, one_component
from resnet_keras.models.keras_file import load_keras_file


def export(
    model: keras.Model,
    description: Description,
    export_dir: Path | str,
    fold: bool = True,
    precision: str = "float32",
) -> Path:
    """Writes the next version of `export_dir/<name>` and returns its folder.

    The folder appears whole: a server that watches `export_dir` never sees half of it.

    Args:
        model: from preprocessed images to logits.
        description: its preprocessing goes into the graph, its card beside it.
        export_dir: where the models are; made if need be.
        fold: whether batch normalization is folded into the convolutions.
        precision: of the network's weights and activations there, `"float32"` or `"bfloat16"`;
            the softmax is float32 in both.

    Raises:
        UsageError: if the description's name is no folder's.
        UserError: if the folder cannot be written.
    """
    folder = Path(export_dir) / one_component(description.name, "an export's name")
    preprocessing = description.preprocessing
    card = complete_card(description, fold, precision)
    sides = preprocessing.size if preprocessing.per_pixel else tuple(model.input_shape[1:3])
    network = _frozen(deployment_model(model, fold, precision), sides)
    functions = signatures(network, preprocessing, sides)
    # Two exports of one name at a time would both take the same number.
    with folder_locked(folder):
        version = folder / str(next_version(folder))
        with folder_written_whole(version) as beside:
            _save(functions, beside)
            extra = beside / EXTRA_FOLDER
            extra.mkdir(exist_ok=True)
            for name, values in (
                (PREPROCESSING_FILE, preprocessing.to_json()),
                (CARD_FILE, card),
            ):
                (extra / name).write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n")
            write_warmup(beside, description.name, preprocessing)
    return version


def _save(functions, folder):
    try:
        tf.saved_model.save(tf.Module(), str(folder), signatures=functions)
    except tf.errors.OpError as error:
        # TensorFlow's own file system: a full disk is no OSError there.
        raise OSError(error.error_code, error.message.splitlines()[0]) from error


def export_file(
    path: Path | str,
    export_dir: Path | str,
    fold: bool = True,
    precision: str = "float32",
    name: str | None = None,
    change: Callable[[keras.Model, Description], Description] | None = None,
) -> Path:
    """Exports a `.keras` file, or the one inside a run folder; see `export`.

    Args:
        path: the file or the folder.
        export_dir: the folder of exports.
        fold: as for `export`.
        precision: as for `export`.
        name: the export's; `None` takes the one the network has.
        change: given the network and its description, may change the one and return the other.

    Raises:
        UserError: if there is none, it is damaged, or the folder cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "model.keras"
        if not path.is_file():
            raise UserError(
                f"{path.parent} holds no model.keras: give a finished run or a .keras file"
            )
    model, description = load_keras_file(path)
    if change is not None:
        description = change(model, description)
    if name is not None:
        description = replace(description, card={**description.card, "name": name})
    return export(model, description, export_dir, fold, precision)


def _frozen(model: keras.Model, sides):
    """Returns the network as a function whose weights are constants of the graph.

    Constants let the kernels keep their own copy of a filter in the layout they compute in; a
    variable might change, so they would arrange it anew at every call.
    """
    spec = tf.TensorSpec((None, *sides, 3), tf.float32, name="images")

    @tf.function(input_signature=[spec], autograph=False)
    def call(images):
        return model(images, training=False)

    frozen = convert_variables_to_constants_v2(call.get_concrete_function())
    return lambda images: frozen(images)[0]


def next_version(folder: Path) -> int:
    """Returns the number after the highest version in `folder`; 1 if there is none."""
    try:
        taken = [int(entry.name) for entry in Path(folder).iterdir() if entry.name.isdecimal()]
    except FileNotFoundError:
        return 1
    except OSError as error:
        raise UserError(f"cannot read {folder}: {error.strerror or error}") from error
    return max(taken, default=0) + 1


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
    environment = subprocesses.environment(KERAS_BACKEND="tensorflow", CUDA_VISIBLE_DEVICES="-1")
    done = subprocess.run(
        list(map(str, command)), env=environment, capture_output=True, text=True, check=False
    )
    said = done.stdout.split("\n")[-2:-1]
    if done.returncode or not said:
        why = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        raise UserError(f"the export of {file} failed: {why[0]}")
    return Path(said[0])
