"""Warm-up requests: the SavedModel answers them, and their file is small."""

import importlib.util

import tensorflow as tf

from resnet_keras.export.warmup import write_warmup_requests
from resnet_keras.preprocessing import Preprocessing
from tests.export.warmup_requests import read_warmup_requests
from tests.serving.double.harness import CLASSES, NAME, SIZE, models_dir


def make_preprocessing(size):
    return Preprocessing(size, "stretch", 1.0, (0, 0, 0), (1, 1, 1), CLASSES)


def test_the_saved_model_answers_the_requests():
    version = models_dir() / NAME / "1"
    signatures = tf.saved_model.load(str(version)).signatures
    answered = []
    for request in read_warmup_requests(version):
        spec = request.model_spec
        (key,) = request.inputs
        value = tf.make_ndarray(request.inputs[key])
        assert spec.name == NAME
        outputs = signatures[spec.signature_name](**{key: tf.constant(value)})
        answered.append((spec.signature_name, len(value)))
        assert outputs["probabilities"].shape == (len(value), len(CLASSES))
    names = ("serving_default", "classify_bytes")
    assert sorted(answered) == sorted((name, size) for name in names for size in (1, 8, 32))


def test_the_file_is_small_for_large_images(tmp_path):
    assert write_warmup_requests(tmp_path, "m", make_preprocessing((224, 224)))
    assert (tmp_path / "assets.extra" / "tf_serving_warmup_requests").stat().st_size < 200_000


def test_a_missing_package_is_reported_in_one_line(tmp_path, monkeypatch, capsys):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "tensorflow_serving" else real(name, *rest),
    )
    assert not write_warmup_requests(tmp_path, "m", make_preprocessing(SIZE))
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1 and "tensorflow-serving-api" in printed
    assert not list(tmp_path.iterdir())
