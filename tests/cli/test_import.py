"""The command `import`."""

import json

import numpy as np
import pytest

from resnet_keras.cli import main
from tests.importers.foreign_networks import cifar_forward, cifar_weights, torchvision_weights

MEAN = np.array([0.485, 0.456, 0.406])
STD = np.array([0.229, 0.224, 0.225])


@pytest.fixture
def cifar_file(tmp_path):
    np.savez(tmp_path / "resnet8.npz", **cifar_weights())
    return tmp_path / "resnet8.npz"


def run(*words):
    return main.main(["import", *map(str, words)])


def run_rejected(capsys, *words):
    status = run(*words)
    out, err = capsys.readouterr()
    assert status in (1, 2) and not out and err.count("\n") == 1, err
    return status, err


def description(path):
    from resnet_keras.description import read_description

    return read_description(path)


def test_an_imported_network_predicts_as_in_its_repository(cifar_file, tmp_path, capsys):
    from resnet_keras.evaluation.predictors import open_predictor

    out = tmp_path / "out.keras"
    assert run(cifar_file, "--arch", "resnet8", "--out", out) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{out}\n"
    assert "resnet8-A, 10 classes, weights of cifar" in printed.err
    assert "(0.485, 0.456, 0.406)" in printed.err
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.uint8)
    predictor = open_predictor(out)
    logits = cifar_forward(
        cifar_weights(), np.float32((images / 255 - MEAN) / STD).transpose(0, 3, 1, 2)
    )
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(predictor.probabilities(images), expected, atol=1e-4)
    imported = predictor.description
    assert imported.name == "resnet8-A" and imported.dataset is None
    assert imported.preprocessing.class_names[0] == "airplane"
    assert imported.card["parameters"] == 75_290
    assert imported.card["imported_from"] == {"file": "resnet8.npz", "layout": "cifar"}
    json.dumps(imported.card)


def test_class_names_mean_and_standard_deviation_can_be_given(cifar_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    classes = tmp_path / "classes.txt"
    names = [f"名 {number}" for number in range(10)]
    classes.write_text("\n".join(names) + "\n\n", "utf-8")
    flags = ("--classes-file", classes, "--mean", "0.1", "0.2", "0.3", "--std", "1", "1", "1")
    assert run(cifar_file, "--arch", "resnet8", "--option", "A", *flags) == 0
    imported = description(tmp_path / "resnet8-A.keras").preprocessing
    assert imported.class_names == tuple(names)
    np.testing.assert_array_equal(imported.mean, np.float32([0.1, 0.2, 0.3]))
    assert imported.std == (1, 1, 1)


@pytest.mark.slow
def test_an_imported_network_can_be_exported_and_served(tmp_path):
    import tensorflow as tf

    from resnet_keras.export.saved_model import export_file
    from resnet_keras.models.keras_file import load_keras_file

    np.savez(tmp_path / "w.npz", **torchvision_weights((2, 2, 2, 2), False, classes=6))
    out = tmp_path / "w.keras"
    assert run(tmp_path / "w.npz", "--arch", "resnet18", "--out", out) == 0
    model, imported = load_keras_file(out)
    assert imported.name == "resnet18-B" and imported.preprocessing.shorter_side == 256
    assert imported.preprocessing.class_names == tuple("012345")
    served = tf.saved_model.load(str(export_file(out, tmp_path / "saved"))).signatures
    photo = np.random.default_rng(0).integers(0, 256, (64, 80, 3)).astype(np.uint8)
    encoded = tf.io.encode_png(photo)
    probabilities = served["classify_bytes"](image_bytes=encoded[tf.newaxis])["probabilities"]
    assert probabilities.shape == (1, 6)
    np.testing.assert_allclose(probabilities.numpy().sum(), 1, rtol=1e-5)
    # The mean is per channel, so views of other sizes than 224 are possible.
    assert model.input_shape == (None, None, None, 3)


def test_wrong_arguments(cifar_file, tmp_path, capsys):
    classes = tmp_path / "classes.txt"
    classes.write_text("cat\ncat\n", "utf-8")
    binary = tmp_path / "binary.txt"
    binary.write_bytes(b"\xff\xfe\x00")
    text = tmp_path / "weights.npz"
    text.write_text("hello")
    same = tmp_path / "same.keras"
    from resnet_keras.description import Description
    from resnet_keras.importers.import_weights import layout_preprocessing
    from resnet_keras.models.build import build
    from resnet_keras.models.keras_file import save_keras_file

    ours = tmp_path / "ours.keras"
    empty = Description(layout_preprocessing("cifar", tuple("0123456789")), {})
    save_keras_file(build("resnet8"), ours, empty)
    text_file = tmp_path / "README.md"
    text_file.write_text("# Read me")
    for status, message, *words in (
        (2, "unknown architecture 'resnet51'", cifar_file, "--arch", "resnet51"),
        (2, "must end in .keras", cifar_file, "--arch", "resnet8", "--out", "x.h5"),
        (2, "6n+2", cifar_file, "--arch", "resnet18"),
        (2, "no shortcuts", cifar_file, "--arch", "plain8", "--option", "B"),
        (2, "no bottleneck", cifar_file, "--arch", "resnet8", "--bottleneck-stride", "3x3"),
        (1, "layer1.0.shortcut.0.weight", cifar_file, "--arch", "resnet8", "--option", "C"),
        (1, f"{cifar_file}: not the weights of resnet14-A", cifar_file, "--arch", "resnet14"),
        (1, "2 names, 1 of them different", cifar_file, "--arch", "resnet8",
         "--classes-file", classes),
        (1, str(binary), cifar_file, "--arch", "resnet8", "--classes-file", binary),
        (1, "absent", cifar_file, "--arch", "resnet8", "--classes-file", tmp_path / "absent"),
        (1, "std must be three positive numbers", cifar_file, "--arch", "resnet8",
         "--std", "0", "1", "1"),
        (1, "cannot write", cifar_file, "--arch", "resnet8", "--out", tmp_path / "no" / "x.keras"),
        (1, f"{text}: cannot read", text, "--arch", "resnet8"),
        (1, "there is no file", tmp_path / "nothing.npz", "--arch", "resnet8"),
        (1, "is a folder", tmp_path, "--arch", "resnet8"),
        (1, "is not a weight file. Supported are .pth", text_file, "--arch", "resnet8"),
        (2, "already a file of this program", ours, "--arch", "resnet8"),
        (2, "keras.applications has", same, "--arch", "resnet18"),
    ):  # fmt: skip
        same.touch()
        found, err = run_rejected(capsys, *words)
        assert found == status and message in err, err
    assert not list(tmp_path.glob("resnet8*.keras"))
