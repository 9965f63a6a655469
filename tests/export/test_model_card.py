"""The model card: its keys, and the test error that is recorded later."""

import json

import numpy as np
import pytest

from resnet_keras.description import Description
from resnet_keras.errors import UserError
from resnet_keras.export.model_card import KEYS, export_card, record_test_error
from resnet_keras.preprocessing import Preprocessing


def test_the_card_has_all_keys():
    preprocessing = Preprocessing((8, 8), "stretch", 1.0, (0, 0, 0), (1, 1, 1), ("cat", "dog"))
    description = Description(preprocessing, {"name": "n", "arch": "resnet8", "x": 1})
    card = export_card(description, True, "float32")
    assert list(card)[: len(KEYS)] == list(KEYS) and card["x"] == 1
    assert card["class_names"] == ["cat", "dog"] and card["recipe"] is None
    assert card["serving"] == {"folded": True, "precision": "float32"}


def test_the_test_error_is_recorded(tmp_path):
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


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_damaged_card_is_not_overwritten(tmp_path, content):
    path = tmp_path / "assets.extra" / "model_card.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(UserError, match="cannot read"):
        record_test_error(tmp_path, 7.5)
    assert path.read_text() == content
