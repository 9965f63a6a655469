"""The files in `deploy/`: the copy of an export for batching, and the server's configuration."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from resnet_keras.errors import UserError
from tests.export.warmup_requests import read_warmup_requests
from tests.serving.double.harness import NAME, SIZE, models_dir, photo

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


@pytest.fixture(scope="module")
def batched():
    """The script `deploy/batched.py`."""
    spec = importlib.util.spec_from_file_location("batched", DEPLOY / "batched.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_copy_for_batching_has_no_classify_bytes(batched, tmp_path):
    version = tmp_path / NAME / "1"
    shutil.copytree(models_dir() / NAME / "1", version)
    twin = batched.copy_for_batching(version)
    assert twin == tmp_path / f"{NAME}-batched" / "1"
    assert (twin / "batching_params.pbtxt").read_bytes() == (
        DEPLOY / "batching.config"
    ).read_bytes()
    requests = read_warmup_requests(twin)
    assert {request.model_spec.signature_name for request in requests} == {"serving_default"}
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        meta = tf.compat.v1.saved_model.load(session, ["serve"], str(twin))
        assert "classify_bytes" not in meta.signature_def
        signature = meta.signature_def["serving_default"]
        images = photo(*SIZE)[None]
        probabilities = session.run(
            signature.outputs["probabilities"].name, {signature.inputs["images"].name: images}
        )
    loaded = tf.saved_model.load(str(version)).signatures["serving_default"]
    expected = loaded(images=tf.constant(images))["probabilities"]
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)
    with pytest.raises(UserError, match="already"):
        batched.copy_for_batching(version)
    with pytest.raises(UserError, match="version folder"):
        batched.copy_for_batching(tmp_path)


def test_models_config_is_valid():
    from tensorflow_serving.config import model_server_config_pb2

    config = text_format.Parse(
        (DEPLOY / "models.config").read_text(), model_server_config_pb2.ModelServerConfig()
    )
    for model in config.model_config_list.config:
        stable = model.version_labels["stable"]
        assert stable in model.model_version_policy.specific.versions
        assert model.base_path == f"/models/{model.name}"


def test_the_compose_file_binds_ports_to_localhost():
    text = (DEPLOY / "compose.yaml").read_text()
    assert "image: tensorflow/serving:2.19.1\n" in text
    ports = [line for line in text.splitlines() if ":8500" in line or ":8501:" in line]
    assert len(ports) == 2 and all('"127.0.0.1:' in line for line in ports)
