"""Writes `saved_models/<name>/<version>/`, which TensorFlow Serving can load."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from resnet_keras.artefact import Format, resolve_artefact, version_number
from resnet_keras.description import CARD_FILE, EXTRA_FOLDER, PREPROCESSING_FILE, Description
from resnet_keras.errors import UserError, first_line, last_line
from resnet_keras.evaluation.predictors import accepted_size
from resnet_keras.export.fold import deployment_model
from resnet_keras.export.model_card import export_card
from resnet_keras.export.signatures import build_signatures
from resnet_keras.export.warmup import write_warmup_requests
from resnet_keras.files import atomic_folder, folder_lock, path_component
from resnet_keras.models.keras_file import load_keras_file
from resnet_keras.processes import child_environment


def export(
    model: keras.Model,
    description: Description,
    export_dir: Path | str,
    fold: bool = True,
    precision: str = "float32",
) -> Path:
    """Writes the next version of `export_dir/<name>`.

    The folder appears complete: a server that watches `export_dir` never sees a part of it.

    Args:
        model: takes preprocessed images and returns logits.
        description: its preprocessing becomes part of the graph; its card is written next to it.
        export_dir: the folder of exports. It is created if it does not exist.
        fold: whether to fold batch normalization into the convolutions.
        precision: of the exported weights and activations, `"float32"` or `"bfloat16"`. The
            softmax is float32 in either case.

    Returns:
        The version folder.

    Raises:
        UsageError: if the description's name is not a single path component.
        UserError: if the folder cannot be written.

    Example:

    >>> from resnet_keras.preprocessing import Preprocessing
    >>> inputs = keras.Input((4, 4, 3))
    >>> model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs))
    >>> preprocessing = Preprocessing((4, 4), "stretch", 1.0, (0, 0, 0), (1, 1, 1), tuple("abc"))
    >>> export(model, Description(preprocessing, {"name": "net"}), "saved_models").as_posix()
    'saved_models/net/1'
    """
    folder = Path(export_dir) / path_component(description.name, "an export's name")
    preprocessing = description.preprocessing
    card = export_card(description, fold, precision)
    size = accepted_size(model, preprocessing)
    network = _freeze(deployment_model(model, fold, precision), size)
    signatures = build_signatures(network, preprocessing, size)
    # Without the lock, two processes could choose the same version number.
    with folder_lock(folder):
        version = folder / str(next_version(folder))
        with atomic_folder(version) as temporary:
            _save(signatures, temporary)
            extra = temporary / EXTRA_FOLDER
            extra.mkdir(exist_ok=True)
            for name, values in (
                (PREPROCESSING_FILE, preprocessing.to_json()),
                (CARD_FILE, card),
            ):
                text = json.dumps(values, indent=1, ensure_ascii=False) + "\n"
                (extra / name).write_text(text, encoding="utf-8")
            write_warmup_requests(temporary, description.name, preprocessing)
    return version


def export_file(
    path: Path | str,
    export_dir: Path | str,
    fold: bool = True,
    precision: str = "float32",
    name: str | None = None,
    change: Callable[[keras.Model, Description], Description] | None = None,
) -> Path:
    """Exports the network of a finished run or a `.keras` file.

    Args:
        path: a run folder or a `.keras` file.
        export_dir: see `export`.
        fold: see `export`.
        precision: see `export`.
        name: the name of the export; `None` for that of the network.
        change: is called with the network and its description before the export. It may change the
            network in place, and returns the description to use.

    Returns:
        The version folder.

    Raises:
        UserError: if `path` is neither, the file is damaged, or the folder cannot be written.

    Example:

    >>> from resnet_keras.models.keras_file import save_keras_file
    >>> from resnet_keras.preprocessing import Preprocessing
    >>> inputs = keras.Input((4, 4, 3))
    >>> model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs))
    >>> preprocessing = Preprocessing((4, 4), "stretch", 1.0, (0, 0, 0), (1, 1, 1), tuple("abc"))
    >>> save_keras_file(model, Path("net.keras"), Description(preprocessing))
    >>> export_file("net.keras", "saved_models", name="other").as_posix()
    'saved_models/other/1'
    """
    model, description = load_keras_file(resolve_artefact(path, Format.KERAS).path)
    if change is not None:
        description = change(model, description)
    if name is not None:
        description = replace(description, card={**description.card, "name": name})
    return export(model, description, export_dir, fold, precision)


def export_with_any_backend(
    model: keras.Model, file: Path, description: Description, export_dir: Path | str
) -> Path:
    """Exports a network that has already been saved as a `.keras` file.

    Only TensorFlow can write SavedModels, and a process cannot change its backend. If the backend
    is not TensorFlow, another process exports the file.

    Args:
        model: the network.
        file: the same network in a `.keras` file.
        description: the same as in the file.
        export_dir: the folder of exports.

    Returns:
        The version folder.

    Raises:
        UserError: if the folder cannot be written, or the other process fails.

    Example:

    >>> from resnet_keras.preprocessing import Preprocessing
    >>> inputs = keras.Input((4, 4, 3))
    >>> model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs))
    >>> preprocessing = Preprocessing((4, 4), "stretch", 1.0, (0, 0, 0), (1, 1, 1), tuple("abc"))
    >>> description = Description(preprocessing, {"name": "third"})
    >>> file = Path("net.keras")  # Only read if the backend is not TensorFlow.
    >>> export_with_any_backend(model, file, description, "saved_models").as_posix()
    'saved_models/third/1'
    """
    if keras.backend.backend() == "tensorflow":
        return export(model, description, export_dir)
    return _export_in_another_process(file, export_dir)


def next_version(folder: Path | str) -> int:
    """Returns the number after the highest version in a folder, or 1 if there is none.

    Args:
        folder: an export folder, such as `saved_models/resnet20-A`.

    Raises:
        UserError: if the folder cannot be read.

    Example:

    >>> Path("resnet20-A", "7").mkdir(parents=True)
    >>> next_version("resnet20-A"), next_version("resnet32-A")
    (8, 1)
    """
    try:
        # Files count as well: a folder cannot be renamed to the name of a file.
        numbers = [version_number(entry.name) for entry in Path(folder).iterdir()]
    except FileNotFoundError:
        return 1
    except OSError as error:
        raise UserError(f"cannot read {folder}: {error.strerror or error}") from error
    return max((number for number in numbers if number is not None), default=0) + 1


def freeze_variables(function: Any) -> Any:
    """Returns a copy of a function in which the values of variables are constants of the graph.

    A kernel can keep a copy of a constant filter in the layout that it computes in. A variable may
    change, so the kernel would have to convert it at every call.

    TensorFlow has no public function for this. This is the only place in the program that imports
    `tensorflow.python`; `tests/export/test_saved_model.py` checks it after an upgrade.

    Args:
        function: a `tf.types.experimental.ConcreteFunction`.

    Returns:
        A concrete function with the same arguments, which returns a list of outputs.

    Example:

    >>> weight = tf.Variable(2.0)
    >>> spec = tf.TensorSpec((), tf.float32)
    >>> scale = tf.function(lambda x: weight * x).get_concrete_function(spec)
    >>> frozen = freeze_variables(scale)
    >>> _ = weight.assign(3.0)
    >>> float(scale(tf.constant(5.0))), float(frozen(tf.constant(5.0))[0])
    (15.0, 10.0)
    """
    from tensorflow.python.framework import convert_to_constants

    return convert_to_constants.convert_variables_to_constants_v2(function)


def _freeze(
    model: keras.Model, size: tuple[int | None, int | None]
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the network as a function whose weights are constants of the graph."""
    spec = tf.TensorSpec((None, *size, 3), tf.float32, name="images")

    @tf.function(input_signature=[spec], autograph=False)
    def call(images: tf.Tensor) -> tf.Tensor:
        return model(images, training=False)

    frozen = freeze_variables(call.get_concrete_function())
    return lambda images: frozen(images)[0]


def _save(signatures: dict[str, Any], folder: Path) -> None:
    try:
        tf.saved_model.save(tf.Module(), str(folder), signatures=signatures)
    except tf.errors.OpError as error:
        # TensorFlow has its own file system layer: it does not raise OSError if a disk is full.
        raise OSError(error.error_code, first_line(error)) from error


def _export_in_another_process(file: Path, export_dir: Path | str) -> Path:
    command = [sys.executable, "-m", "resnet_keras", "export", file, "--export-dir", export_dir]
    # This process uses the GPU and most of its memory.
    environment = child_environment(KERAS_BACKEND="tensorflow", CUDA_VISIBLE_DEVICES="-1")
    process = subprocess.run(
        list(map(str, command)), env=environment, capture_output=True, text=True, check=False
    )
    # The command prints the path last.
    path = process.stdout.split("\n")[-2:-1]
    if process.returncode or not path:
        reason = last_line(process.stderr) or f"status {process.returncode}"
        raise UserError(f"the export of {file} failed: {reason}")
    return Path(path[0])
