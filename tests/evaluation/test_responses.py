"""Layer responses, compared with NumPy."""

import keras
import numpy as np
import pytest

from resnet_keras.data.dataset import Images
from resnet_keras.errors import UserError
from resnet_keras.evaluation.responses import layer_responses, load_network, response_layers
from resnet_keras.models.build import build
from resnet_keras.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(
    size=(32, 32),
    resize="stretch",
    scale=1 / 255,
    mean=np.zeros((32, 32, 3), np.float32),
    std=(1.0, 1.0, 1.0),
    class_names=tuple("0123456789"),
)


@pytest.mark.parametrize(
    "arch, option, projection",
    [
        ("plain8", None, "conv_bn"),
        ("resnet8", "A", "conv_bn"),
        ("resnet14", "C", "conv_bn"),
        ("resnet8", "B", "average"),
    ],
)
def test_6n_plus_1_layers_in_order(arch, option, projection):
    model = build(arch, option, projection=projection)
    names = [name for name, _ in response_layers(model)]
    n = (int(arch.removeprefix("plain").removeprefix("resnet")) - 2) // 6
    assert len(names) == 6 * n + 1
    assert names[:3] == ["conv1", "stage1_block1_conv1", "stage1_block1_conv2"]
    assert not any("projection" in name for name in names)


def test_standard_deviation_after_batch_normalization():
    model = build("resnet8", "A")
    images = np.random.default_rng(0).integers(0, 256, (130, 32, 32, 3), np.uint8)
    responses = layer_responses(model, PREPROCESSING, Images(images, np.zeros(130, np.int32)))
    normalized = keras.Model(model.inputs, model.get_layer("stage2_block1_bn1").output)
    expected = np.std(np.asarray(normalized.predict(images.astype("float32") / 255, verbose=0)))
    (response,) = [item for item in responses if item.layer == "stage2_block1_conv1"]
    assert response.std == pytest.approx(expected, rel=1e-4)


def test_paths_without_layers_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"contains no model\.keras"):
        load_network(tmp_path)
    with pytest.raises(UserError, match=r"none\.keras does not exist"):
        load_network(tmp_path / "none.keras")
    version = tmp_path / "net" / "1"
    version.mkdir(parents=True)
    (version / "saved_model.pb").touch()
    with pytest.raises(UserError, match="is a SavedModel, which cannot be used here"):
        load_network(tmp_path / "net")


def test_networks_without_batch_normalization_are_refused():
    inputs = keras.Input((4, 4, 3))
    with pytest.raises(UserError, match="no batch-normalized"):
        response_layers(keras.Model(inputs, keras.layers.Conv2D(2, 3)(inputs)))
