"""Arrays by name out of other libraries' files. Nothing here unpickles by itself."""

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np

from resnet_keras.architectures import Architecture
from resnet_keras.errors import UserError
from resnet_keras.importers import keras_applications

# Before 2.6 `weights_only=True` could be made to run code (CVE-2025-32434).
_TORCH = (2, 6)
_INSTALL = {
    "torch": '"torch>=2.6" --index-url https://download.pytorch.org/whl/cpu',
    "safetensors": "safetensors",
}
# Where training scripts put the weights among other things.
_NESTED = ("state_dict", "model")


def read_weights(path: Path | str, arch: Architecture) -> dict[str, np.ndarray]:
    """Reads a file of weights, of the kind that its suffix says.

    Args:
        path: `.npz` (no pickled arrays), `.safetensors`; `.h5`, `.hdf5`, `.keras` of
            `keras.applications`; anything else is read by `torch.load(weights_only=True)`, weights
            under `state_dict` or `model` included.
        arch: which network a Keras file is of.

    Returns:
        The arrays by their name in the file; those of a Keras file by `layer/variable`.

    Raises:
        UserError: naming the file, if it is missing, damaged, holds anything but arrays, or needs
            a package that is not installed.
    """
    path = Path(path)
    if not path.is_file():
        if path.is_dir():
            raise UserError(f"{path} is a folder; a file of weights is needed")
        raise UserError(f"there is no file {path}")
    if path.suffix in keras_applications.SUFFIXES:
        return keras_applications.read(path, arch)
    read = {".npz": _read_npz, ".safetensors": _read_safetensors}.get(path.suffix, _read_torch)
    try:
        return read(path)
    except UserError:
        raise
    except Exception as error:  # each library has its own for a damaged file
        first = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise UserError(f"{path}: cannot read weights from it: {first}") from error


def _read_npz(path):
    found = np.load(path, allow_pickle=False)
    if not isinstance(found, np.lib.npyio.NpzFile):
        raise UserError(f"{path}: it is one array, no .npz of several")
    with found:
        return {name: found[name] for name in found.files}


def _read_safetensors(path):
    safetensors = _imported("safetensors.numpy", path)
    return safetensors.load_file(path)


def _read_torch(path):
    with open(path, "rb") as file:
        begin = file.read(2)
    # A zip archive since PyTorch 1.6, a pickle before.
    if begin != b"PK" and begin[:1] != b"\x80":
        raise UserError(
            f"{path} is no file of weights: .pth and .pt of PyTorch, .safetensors, .npz, and .h5 "
            "of keras.applications are"
        )
    torch = _imported("torch", path)
    version = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
    if version < _TORCH:
        raise UserError(
            f"{path}: PyTorch {torch.__version__} may run code that hides in a file of weights; "
            f"pip install {_INSTALL['torch']}"
        )
    content = torch.load(path, map_location="cpu", weights_only=True)
    for name in _NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping):
        raise UserError(f"{path}: it holds no state_dict but a {type(content).__name__}")
    others = [str(name) for name, value in content.items() if not torch.is_tensor(value)]
    if others:
        raise UserError(f"{path}: {len(others)} of its entries are no tensors, such as {others[0]}")
    return {str(name): _array(tensor) for name, tensor in content.items()}


def _array(tensor):
    tensor = tensor.detach()
    # NumPy has no bfloat16.
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def _imported(module: str, path: Path) -> ModuleType:
    package = module.split(".")[0]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"{path}: reading it needs {package}: pip install {_INSTALL[package]}"
        ) from error
