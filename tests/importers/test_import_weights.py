"""Weights of other libraries: the same function as where they come from."""

import importlib.util
import pickle
import sys
import types
import zipfile

import h5py
import keras
import numpy as np
import pytest

from resnet_keras.architectures import parse
from resnet_keras.errors import UsageError, UserError
from resnet_keras.importers import keras_applications
from resnet_keras.importers.cifar_repositories import channel_orders
from resnet_keras.importers.import_weights import (
    LAYOUTS,
    architecture_of,
    import_weights,
    preprocessing_of,
    recognise,
)
from resnet_keras.importers.weight_files import read_weights
from tests.importers.foreign_networks import (
    cifar_forward,
    cifar_weights,
    torchvision_forward,
    torchvision_weights,
)

RESNET18 = ((2, 2, 2, 2), False)
RESNET50 = ((3, 4, 6, 3), True)


def images(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def assert_same(model, x, expected, least=0.3):
    """`model` on NHWC `x` gives `expected`, which is no constant."""
    given = np.asarray(model(x, training=False))
    assert expected.std(axis=0).min() > 0 and np.abs(expected).max() > least
    np.testing.assert_allclose(given, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("option, blocks", [("A", 1), ("A", 2), ("B", 1)])
def test_cifar(option, blocks):
    weights = cifar_weights(blocks, option)
    arch = architecture_of(f"resnet{6 * blocks + 2}", "cifar", weights)
    assert arch.option == option
    x = images(4, 32, 32, 3)
    expected = cifar_forward(weights, x.transpose(0, 3, 1, 2), blocks)
    assert_same(import_weights(arch, weights), x, expected)


def test_names_of_data_parallel_training_and_another_number_of_classes():
    weights = cifar_weights(classes=7)
    x = images(4, 32, 32, 3)
    prefixed = {f"module.{name}": array for name, array in weights.items()}
    model = import_weights(parse("resnet8"), prefixed)
    assert_same(model, x, cifar_forward(weights, x.transpose(0, 3, 1, 2)), least=0.1)
    assert model.output_shape == (None, 7)


def test_channel_orders():
    first, second, third = channel_orders((4, 8, 16))
    np.testing.assert_array_equal(first, [0, 1, 2, 3])
    np.testing.assert_array_equal(second, [2, 3, 4, 5, 0, 1, 6, 7])
    # What their stage 3 has at 4 … 11 are the channels of their stage 2.
    np.testing.assert_array_equal(third[:8], 4 + second)
    assert sorted(third) == list(range(16))


def test_resnet18():
    weights = torchvision_weights(*RESNET18, classes=11)
    arch = architecture_of("resnet18", "torchvision", weights)
    assert arch.option == "B"
    x = images(2, 40, 32, 3)
    expected = torchvision_forward(weights, x.transpose(0, 3, 1, 2), *RESNET18)
    assert_same(import_weights(arch, weights, input_shape=(None, None, 3)), x, expected)


@pytest.mark.slow
def test_resnet50():
    weights = torchvision_weights(*RESNET50, classes=11)
    arch = architecture_of("resnet50", "torchvision", weights)
    assert arch.bottleneck_stride == "3x3"
    x = images(2, 64, 64, 3)
    expected = torchvision_forward(weights, x.transpose(0, 3, 1, 2), *RESNET50)
    assert_same(import_weights(arch, weights, input_shape=(64, 64, 3)), x, expected)
    first_1x1 = import_weights(parse("resnet50"), weights, input_shape=(64, 64, 3))
    assert np.abs(np.asarray(first_1x1(x)) - expected).max() > 1e-2


@pytest.mark.parametrize(
    "name",
    ["resnet50", *(pytest.param(n, marks=pytest.mark.slow) for n in ("resnet101", "resnet152"))],
)
def test_keras_applications(name, tmp_path):
    # Their outputs are the yardstick; the weights take the way through a file.
    theirs = applications_network(name)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    arch = architecture_of(name, "keras-applications", ())
    weights = read_weights(tmp_path / "theirs.weights.h5", arch)
    assert recognise(weights) == "keras-applications"
    ours = import_weights(arch, weights, input_shape=(64, 64, 3))
    x = images(2, 64, 64, 3)
    assert_same(ours, x, np.asarray(theirs(x[..., ::-1], training=False)))


def applications_network(name, seed=0):
    network = getattr(keras.applications, keras_applications.NETWORKS[name])(
        weights=None, input_shape=(64, 64, 3), classes=7, classifier_activation=None
    )
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        # Small residuals, so that the outputs of 152 layers stay near one.
        gain = 0.2 if layer.name.endswith("_3_bn") else 1.0
        for variable in layer.weights:
            if variable.name in ("gamma", "moving_variance"):
                values = rng.uniform(0.5, 1.5, variable.shape)
                variable.assign(values * gain if variable.name == "gamma" else values)
            elif variable.name != "kernel":
                variable.assign(rng.normal(size=variable.shape) * 0.3)
    return network


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_whole_keras_files(tmp_path, suffix):
    theirs = applications_network("resnet50")
    theirs.save(tmp_path / f"theirs{suffix}")
    arch = parse("resnet50")
    weights = read_weights(tmp_path / f"theirs{suffix}", arch)
    for layer in theirs.layers:
        for variable in layer.weights:
            np.testing.assert_array_equal(weights[f"{layer.name}/{variable.name}"], variable)
    with pytest.raises(UserError, match=r"theirs.*ResNet101"):
        read_weights(tmp_path / f"theirs{suffix}", parse("resnet101"))


def test_epsilon_and_bias_matter_where_variances_are_small():
    arch = parse("resnet50")
    weights = {
        name: np.full(shape, 1e-6 if name.endswith("variance") else 0.5, np.float32)
        for name, shape in keras_applications.expected(arch, 3).items()
    }
    ours = keras_applications.converted(arch, weights, 3)
    np.testing.assert_allclose(ours["bn1/moving_variance"] + 1e-5, 1e-6 + 1.001e-5, rtol=1e-6)
    np.testing.assert_array_equal(ours["stage2_block1_projection_bn/moving_mean"], 0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_preprocessing(layout):
    # On a whole network's images: torchvision's transforms and Caffe's, on one colour.
    made = preprocessing_of(layout, ("a", "b"))
    colour = np.array([10, 100, 200], np.float32)
    values = (colour * np.float32(made.scale) - made.mean) / np.array(made.std)
    if layout == "keras-applications":
        theirs = keras.applications.resnet.preprocess_input(colour[None, None].copy())[0, 0]
        np.testing.assert_allclose(values[::-1], theirs, atol=1e-4)
    else:
        theirs = (colour / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        np.testing.assert_allclose(values, theirs, atol=1e-5)
    assert made.size == ((32, 32) if layout == "cifar" else (224, 224))
    assert made.class_names == ("a", "b")


def changed(weights, **changes):
    weights = dict(weights)
    for name, array in changes.items():
        name = name.replace("__", ".")
        if array is None:
            del weights[name]
        else:
            weights[name] = np.asarray(array)
    return weights


@pytest.mark.parametrize(
    "changes, told",
    [
        (
            {"layer2__0__bn1__bias": None},
            ["no resnet8-A in the cifar layout", "1 missing: layer2.0.bn1.bias"],
        ),
        ({"extra": np.ones(2)}, ["1 left over: extra"]),
        ({"conv1__weight": np.ones((16, 3, 5, 5))}, ["(16, 3, 5, 5) instead of (16, 3, 3, 3)"]),
        ({"linear__weight": np.ones(64)}, ["linear.weight (64,) instead of"]),
        ({"linear__weight": np.ones((0, 64))}, ["linear.weight (0, 64) instead of"]),
        ({"bn1__bias": np.full(16, np.nan)}, ["bn1.bias", "not finite"]),
        ({"bn1__bias": np.ones(16, int)}, ["bn1.bias is int64"]),
        ({"bn1__bias": np.full(16, "a")}, ["bn1.bias is <U1"]),
        ({"bn1__running_var": np.full(16, -1.0)}, ["bn1.running_var", "negative"]),
    ],
)
def test_weights_that_do_not_fit(changes, told):
    with pytest.raises(UserError) as caught:
        import_weights(parse("resnet8"), changed(cifar_weights(), **changes), "cifar", source="F")
    message = str(caught.value)
    assert message.startswith("F: ")
    for part in told:
        assert part in message


def test_few_of_many_names_are_listed():
    weights = cifar_weights(blocks=2)
    with pytest.raises(UserError, match=r"30 left over: layer1\.1\.conv1\.weight.* and 25 more"):
        import_weights(parse("resnet8"), weights)
    with pytest.raises(UserError, match=r"no layout known here.*Received: a, b"):
        recognise(["b", "a"])
    with pytest.raises(UserError, match="no arrays at all"):
        recognise([])


@pytest.mark.parametrize(
    "arch, layout, told",
    [
        (parse("resnet50"), "cifar", "6n\\+2.*resnet50-B"),
        (parse("resnet8"), "torchvision", "ResNet-18 to 152.*resnet8-A"),
        (parse("resnet18"), "torchvision", "resnet18-A"),
        (parse("vgg19"), "torchvision", "vgg19"),
        (parse("resnet34", "B"), "keras-applications", "resnet34-B"),
        (parse("resnet50", bottleneck_stride="3x3"), "keras-applications", "v1.5"),
        (parse("resnet8", "B", "average"), "cifar", "average"),
        (parse("resnet8"), "pytorch", "unknown layout"),
    ],
)
def test_networks_that_a_layout_has_not(arch, layout, told):
    with pytest.raises(UsageError, match=told):
        import_weights(arch, cifar_weights(), layout)


def test_plain_networks_have_no_option():
    arch = architecture_of("plain8", "cifar", cifar_weights())
    assert arch == parse("plain8")
    import_weights(arch, cifar_weights())


# Files.


class Evil:
    def __reduce__(self):
        return sys.exit, (3,)


def with_external_link(path):
    with h5py.File(path, "w") as file:
        file["layers"] = h5py.ExternalLink("/etc/passwd", "/")


def with_code(path):
    np.savez(path.with_suffix(".npz"), weights=np.array([Evil()], object))


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
    path.write_bytes(pickle.dumps(Evil()))


def a_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")


@pytest.mark.parametrize(
    "suffix, write, told",
    [
        (".npz", with_code, "allow_pickle=False"),
        (".npz", a_pickle, "cannot read"),
        (".npz", cut_off, "cannot read"),
        (".npz", one_array, "one array"),
        (".npz", text, "cannot read"),
        (".npz", lambda path: path.touch(), "cannot read"),
        (".h5", text, "no weights of keras.applications.ResNet50"),
        (".h5", with_external_link, "no weights of"),
        (".keras", text, "no weights of"),
        (".keras", a_zip, "no weights of"),
    ],
)
def test_files_that_are_refused(tmp_path, suffix, write, told):
    path = tmp_path / f"weights{suffix}"
    write(path)
    with pytest.raises(UserError, match=told) as caught:
        read_weights(path, parse("resnet50"))
    assert str(path) in str(caught.value)


def test_no_file(tmp_path):
    absent = tmp_path / "absent.npz"
    with pytest.raises(UserError, match=f"there is no file {absent}"):
        read_weights(absent, parse("resnet8"))
    with pytest.raises(UserError, match=f"{tmp_path} is a folder; a file"):
        read_weights(tmp_path, parse("resnet8"))


def test_npz(tmp_path):
    weights = cifar_weights()
    np.savez(tmp_path / "w.npz", **weights)
    read = read_weights(tmp_path / "w.npz", parse("resnet8"))
    assert read.keys() == weights.keys()
    np.testing.assert_array_equal(read["conv1.weight"], weights["conv1.weight"], strict=True)


@pytest.mark.parametrize("suffix, package", [(".pth", "torch"), (".safetensors", "safetensors")])
def test_a_package_that_is_missing(tmp_path, monkeypatch, suffix, package):
    for name in (package, f"{package}.numpy"):
        monkeypatch.setitem(sys.modules, name, None)
    path = tmp_path / f"w{suffix}"
    path.write_bytes(b"PK")
    with pytest.raises(UserError, match=f"needs {package}: pip install .*{package}"):
        read_weights(path, parse("resnet8"))


def test_a_pytorch_that_can_be_made_to_run_code(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(__version__="2.5.1+cpu"))
    (tmp_path / "w.pth").write_bytes(b"\x80\x02")
    with pytest.raises(UserError, match=r"w.pth: PyTorch 2.5.1.*torch>=2.6"):
        read_weights(tmp_path / "w.pth", parse("resnet8"))


# A test that needs PyTorch or safetensors is left out without them, importing neither here.
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
    x = images(4, 32, 32, 3)
    assert_same(model, x, cifar_forward(weights, x.transpose(0, 3, 1, 2)))


@needs("torch")
def test_torch_refuses_code_and_other_things(tmp_path):
    import torch

    for content, told in (
        (Evil(), "cannot read"),
        ({"state_dict": {"a": Evil()}}, "cannot read"),
        ([1, 2], "no state_dict but a list"),
        ({"a": torch.ones(2), "epoch": 3}, "1 of its entries are no tensors, such as epoch"),
    ):
        torch.save(content, tmp_path / "w.pth")
        with pytest.raises(UserError, match=f"w.pth: .*{told}"):
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
