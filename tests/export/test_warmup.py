"""What lies beside the graph: warm-up requests, the card; and the twin for batching."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from resnet_keras.artefact import Description
from resnet_keras.errors import UserError
from resnet_keras.export.model_card import KEYS, complete_card, record_test_error
from resnet_keras.export.warmup import write_warmup
from resnet_keras.preprocessing import Preprocessing
from tests.serving.double.harness import CLASSES, NAME, SIZE, models_dir, photo

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULE = Preprocessing(SIZE, "stretch", 1.0, (0, 0, 0), (1, 1, 1), CLASSES)


def warmup(version):
    from tensorflow_serving.apis import prediction_log_pb2

    path = version / "assets.extra" / "tf_serving_warmup_requests"
    return [
        prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        for record in tf.data.TFRecordDataset(str(path))
    ]


def test_warmup_requests_are_answered():
    version = models_dir() / NAME / "1"
    signatures = tf.saved_model.load(str(version)).signatures
    seen = []
    for request in warmup(version):
        spec = request.model_spec
        (key,) = request.inputs
        value = tf.make_ndarray(request.inputs[key])
        assert spec.name == NAME
        found = signatures[spec.signature_name](**{key: tf.constant(value)})
        seen.append((spec.signature_name, len(value)))
        assert found["probabilities"].shape == (len(value), len(CLASSES))
    names = ("serving_default", "classify_bytes")
    assert sorted(seen) == sorted((name, size) for name in names for size in (1, 8, 32))


def test_warmup_is_small_for_large_images(tmp_path):
    large = Preprocessing((224, 224), "stretch", 1.0, (0, 0, 0), (1, 1, 1), CLASSES)
    assert write_warmup(tmp_path, "m", large)
    assert (tmp_path / "assets.extra" / "tf_serving_warmup_requests").stat().st_size < 200_000


def test_without_the_package_one_line_says_so(tmp_path, monkeypatch, capsys):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "tensorflow_serving" else real(name, *rest),
    )
    assert not write_warmup(tmp_path, "m", RULE)
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "tensorflow-serving-api" in told
    assert not list(tmp_path.iterdir())


def test_the_card_is_complete():
    card = complete_card(
        Description(RULE, {"name": "n", "arch": "resnet8", "x": 1}), True, "float32"
    )
    assert list(card)[: len(KEYS)] == list(KEYS) and card["x"] == 1
    assert card["class_names"] == list(CLASSES) and card["recipe"] is None
    assert card["serving"] == {"folded": True, "precision": "float32"}


def test_the_error_is_recorded(tmp_path):
    path = tmp_path / "assets.extra" / "model_card.json"
    with pytest.raises(UserError, match="cannot read"):
        record_test_error(tmp_path, 7.5)
    path.parent.mkdir()
    path.write_text(json.dumps({"arch": "resnet8", "test_error": None, "dataset": "cifar10"}))
    record_test_error(tmp_path, np.float32(7.5), top5_error=0.25, examples=10_000)
    assert json.loads(path.read_text()) == {
        "arch": "resnet8",
        "dataset": "cifar10",
        "test_error": {
            "top1_percent": 7.5,
            "top5_percent": 0.25,
            "examples": 10_000,
            "dataset": "cifar10",
        },
    }
    assert [entry.name for entry in path.parent.iterdir()] == ["model_card.json"]


def test_the_twin_for_batching_has_no_bytes(tmp_path):
    import shutil

    version = tmp_path / NAME / "1"
    shutil.copytree(models_dir() / NAME / "1", version)
    spec = importlib.util.spec_from_file_location("batched", DEPLOY / "batched.py")
    batched = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(batched)
    twin = batched.make_twin(version)
    assert twin == tmp_path / f"{NAME}-batched" / "1"
    assert (twin / "batching_params.pbtxt").read_bytes() == (
        DEPLOY / "batching.config"
    ).read_bytes()
    assert {request.model_spec.signature_name for request in warmup(twin)} == {"serving_default"}
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        meta = tf.compat.v1.saved_model.load(session, ["serve"], str(twin))
        assert "classify_bytes" not in meta.signature_def
        signature = meta.signature_def["serving_default"]
        images = photo(*SIZE)[None]
        given = session.run(
            signature.outputs["probabilities"].name, {signature.inputs["images"].name: images}
        )
    loaded = tf.saved_model.load(str(version)).signatures["serving_default"]
    np.testing.assert_allclose(
        given, loaded(images=tf.constant(images))["probabilities"], atol=1e-6
    )
    with pytest.raises(UserError, match="is there already"):
        batched.make_twin(version)
    with pytest.raises(UserError, match="no version folder"):
        batched.make_twin(tmp_path)


def test_the_model_config_is_one():
    from tensorflow_serving.config import model_server_config_pb2

    config = text_format.Parse(
        (DEPLOY / "models.config").read_text(), model_server_config_pb2.ModelServerConfig()
    )
    for model in config.model_config_list.config:
        stable = model.version_labels["stable"]
        assert stable in model.model_version_policy.specific.versions
        assert model.base_path == f"/models/{model.name}"


def test_the_compose_file():
    text = (DEPLOY / "compose.yaml").read_text()
    assert "image: tensorflow/serving:2.19.1\n" in text
    ports = [line for line in text.splitlines() if ":8500" in line or ":8501:" in line]
    assert len(ports) == 2 and all('"127.0.0.1:' in line for line in ports)
