"""Reads arrays by name from the weight files of other libraries. No pickled code is executed."""

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from resnet_keras.architectures import Architecture
from resnet_keras.errors import UserError, first_line
from resnet_keras.importers import keras_applications

# Older versions can be made to execute code even with `weights_only=True` (CVE-2025-32434).
_MINIMUM_TORCH = (2, 6)
_INSTALL = {
    "torch": '"torch>=2.6" --index-url https://download.pytorch.org/whl/cpu',
    "safetensors": "safetensors",
}
# The keys under which training scripts store the weights.
_NESTED_KEYS = ("state_dict", "model")


def read_weights(path: Path | str, arch: Architecture) -> dict[str, np.ndarray]:
    """Reads a weight file. Its suffix determines the format.

    Args:
        path: `.npz` without pickled arrays; `.safetensors`; `.h5`, `.hdf5` or `.keras` of
            `keras.applications`. All other files are read with `torch.load(weights_only=True)`;
            their weights may be stored under `state_dict` or `model`.
        arch: the network, which is needed to read a Keras file.

    Returns:
        The arrays by their names in the file; those of a Keras file by `layer/variable`.

    Raises:
        UserError: if the file is missing or damaged, contains anything but arrays, or needs a
            package that is not installed.

    Example:

    >>> from resnet_keras.architectures import parse
    >>> np.savez("weights.npz", **{"conv1.weight": np.zeros((16, 3, 3, 3))})
    >>> read_weights("weights.npz", parse("resnet20"))["conv1.weight"].shape
    (16, 3, 3, 3)
    """
    path = Path(path)
    if not path.is_file():
        if path.is_dir():
            raise UserError(f"{path} is a folder; a weight file is needed")
        raise UserError(f"there is no file {path}")
    if path.suffix in keras_applications.SUFFIXES:
        return keras_applications.read(path, arch)
    read = {".npz": _read_npz, ".safetensors": _read_safetensors}.get(path.suffix, _read_torch)
    try:
        return read(path)
    except UserError:
        raise
    except Exception as error:  # each library raises its own errors for a damaged file
        raise UserError(f"{path}: cannot read weights from it: {first_line(error)}") from error


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    archive = np.load(path, allow_pickle=False)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise UserError(f"{path}: expected an .npz archive of arrays. Received: one array")
    with archive:
        return {name: archive[name] for name in archive.files}


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    return _import_module("safetensors.numpy", path).load_file(path)


def _read_torch(path: Path) -> dict[str, np.ndarray]:
    with open(path, "rb") as file:
        start = file.read(2)
    # PyTorch has written zip archives since version 1.6, and pickles before.
    if start != b"PK" and start[:1] != b"\x80":
        raise UserError(
            f"{path} is not a weight file. Supported are .pth and .pt of PyTorch, .safetensors, "
            ".npz, and .h5 and .keras of keras.applications"
        )
    torch = _import_module("torch", path)
    version = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
    if version < _MINIMUM_TORCH:
        raise UserError(
            f"{path}: PyTorch {torch.__version__} could execute code that is hidden in a weight "
            f"file; pip install {_INSTALL['torch']}"
        )
    content = torch.load(path, map_location="cpu", weights_only=True)
    for key in _NESTED_KEYS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise UserError(f"{path}: expected a state_dict. Received: {type(content).__name__}")
    others = [str(name) for name, value in content.items() if not torch.is_tensor(value)]
    if others:
        raise UserError(
            f"{path}: expected only tensors, but {len(others)} entries are not tensors, such as "
            f"{others[0]}"
        )
    return {str(name): _to_numpy(tensor) for name, tensor in content.items()}


def _to_numpy(tensor: Any) -> np.ndarray:
    """Converts a PyTorch tensor to an array."""
    tensor = tensor.detach()
    # NumPy does not have bfloat16.
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def _import_module(module: str, path: Path) -> Any:
    """Imports a module of an optional package."""
    package = module.split(".")[0]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"{path}: reading it needs {package}: pip install {_INSTALL[package]}"
        ) from error
