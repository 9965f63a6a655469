"""Reading the weight files of other libraries."""

import importlib.util
import pickle
import sys
import types
import zipfile

import h5py
import numpy as np
import pytest

from resnet_keras.architectures import parse
from resnet_keras.errors import UserError
from resnet_keras.importers.import_weights import import_weights
from resnet_keras.importers.weight_files import read_weights
from tests.importers.foreign_networks import (
    assert_same_outputs,
    cifar_forward,
    cifar_weights,
    random_images,
)


class Malicious:
    def __reduce__(self):
        return sys.exit, (3,)


def external_link(path):
    with h5py.File(path, "w") as file:
        file["layers"] = h5py.ExternalLink("/etc/passwd", "/")


def pickled_code(path):
    np.savez(path.with_suffix(".npz"), weights=np.array([Malicious()], object))


def whole_npz(path):
    np.savez(path, **cifar_weights())


def one_array(path):
    with path.open("wb") as file:
        np.save(file, np.ones(3))


def cut_off(path):
    whole_npz(path)
    path.write_bytes(path.read_bytes()[:-2000])


def text(path):
    path.write_text("hello")


def a_pickle(path):
    path.write_bytes(pickle.dumps(Malicious()))


def a_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")


@pytest.mark.parametrize(
    "suffix, write, message",
    [
        (".npz", pickled_code, "allow_pickle=False"),
        (".npz", a_pickle, "cannot read"),
        (".npz", cut_off, "cannot read"),
        (".npz", one_array, "one array"),
        (".npz", text, "cannot read"),
        (".npz", lambda path: path.touch(), "cannot read"),
        (".h5", text, "not the weights of keras.applications.ResNet50"),
        (".h5", external_link, "not the weights of"),
        (".keras", text, "not the weights of"),
        (".keras", a_zip, "not the weights of"),
    ],
)
def test_rejected_files(tmp_path, suffix, write, message):
    path = tmp_path / f"weights{suffix}"
    write(path)
    with pytest.raises(UserError, match=message) as caught:
        read_weights(path, parse("resnet50"))
    assert str(path) in str(caught.value)


def test_missing_files(tmp_path):
    absent = tmp_path / "absent.npz"
    with pytest.raises(UserError, match=f"there is no file {absent}"):
        read_weights(absent, parse("resnet8"))
    with pytest.raises(UserError, match=f"{tmp_path} is a folder; a weight file"):
        read_weights(tmp_path, parse("resnet8"))


def test_npz(tmp_path):
    weights = cifar_weights()
    np.savez(tmp_path / "w.npz", **weights)
    read = read_weights(tmp_path / "w.npz", parse("resnet8"))
    assert read.keys() == weights.keys()
    np.testing.assert_array_equal(read["conv1.weight"], weights["conv1.weight"], strict=True)


@pytest.mark.parametrize("suffix, package", [(".pth", "torch"), (".safetensors", "safetensors")])
def test_a_missing_package(tmp_path, monkeypatch, suffix, package):
    for name in (package, f"{package}.numpy"):
        monkeypatch.setitem(sys.modules, name, None)
    path = tmp_path / f"w{suffix}"
    path.write_bytes(b"PK")
    with pytest.raises(UserError, match=f"needs {package}: pip install .*{package}"):
        read_weights(path, parse("resnet8"))


def test_an_insecure_version_of_pytorch(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(__version__="2.5.1+cpu"))
    (tmp_path / "w.pth").write_bytes(b"\x80\x02")
    with pytest.raises(UserError, match=r"w.pth: PyTorch 2.5.1.*torch>=2.6"):
        read_weights(tmp_path / "w.pth", parse("resnet8"))


# Skips a test if a package is not installed, without importing it here.
def needs(package):
    return pytest.mark.skipif(not importlib.util.find_spec(package), reason=f"needs {package}")


@needs("torch")
@pytest.mark.parametrize("wrapped", [False, True])
def test_torch(tmp_path, wrapped):
    import torch

    weights = cifar_weights()
    state = {f"module.{name}": torch.tensor(array) for name, array in weights.items()}
    path = tmp_path / "resnet8.th"
    torch.save({"state_dict": state, "best_prec1": 91.7} if wrapped else state, path)
    model = import_weights(parse("resnet8"), read_weights(path, parse("resnet8")))
    x = random_images(4, 32, 32, 3)
    assert_same_outputs(model, x, cifar_forward(weights, x.transpose(0, 3, 1, 2)))


@needs("torch")
def test_torch_rejects_code_and_other_contents(tmp_path):
    import torch

    for content, message in (
        (Malicious(), "cannot read"),
        ({"state_dict": {"a": Malicious()}}, "cannot read"),
        ([1, 2], "expected a state_dict. Received: list"),
        ({"a": torch.ones(2), "epoch": 3}, "1 entries are not tensors, such as epoch"),
    ):
        torch.save(content, tmp_path / "w.pth")
        with pytest.raises(UserError, match=f"w.pth: .*{message}"):
            read_weights(tmp_path / "w.pth", parse("resnet8"))
    a_pickle(tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"w\.pth: "):
        read_weights(tmp_path / "w.pth", parse("resnet8"))


@needs("torch")
def test_torch_half_precision(tmp_path):
    import torch

    torch.save({"a": torch.ones(2, dtype=torch.bfloat16)}, tmp_path / "w.pth")
    read = read_weights(tmp_path / "w.pth", parse("resnet8"))
    np.testing.assert_array_equal(read["a"], np.ones(2, np.float32), strict=True)


@needs("safetensors")
def test_safetensors(tmp_path):
    from safetensors.numpy import save_file

    save_file(cifar_weights(), tmp_path / "w.safetensors")
    read = read_weights(tmp_path / "w.safetensors", parse("resnet8"))
    np.testing.assert_array_equal(read["conv1.weight"], cifar_weights()["conv1.weight"])
    text(tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=r"w\.safetensors: cannot read"):
        read_weights(tmp_path / "w.safetensors", parse("resnet8"))
