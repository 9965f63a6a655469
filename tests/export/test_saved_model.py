"""A reader of `saved_models/NAME` never sees half a version."""

import os
import threading

import keras
import numpy as np
import pytest

from resnet_keras.artefact import Description
from resnet_keras.errors import UserError
from resnet_keras.export.saved_model import export, next_version
from resnet_keras.models.build import build
from resnet_keras.preprocessing import Preprocessing

NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def network():
    preprocessing = Preprocessing((8, 8), "stretch", 1 / 255, np.zeros(3), (1, 1, 1), NAMES)
    model = build("resnet8", classes=3, input_shape=(8, 8, 3))
    return model, Description(preprocessing, {"name": "net"})


def test_versions_count_up_and_appear_whole(tmp_path, network):
    seen, going = [], threading.Event()

    def watch():
        folder = tmp_path / "net"
        while not going.is_set():
            for entry in folder.iterdir() if folder.exists() else []:
                if entry.name.isdecimal():
                    names = {path.name for path in entry.iterdir()}
                    seen.append({"saved_model.pb", "assets.extra"} <= names)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        first, second = (export(*network, tmp_path) for _ in range(2))
    finally:
        going.set()
        watcher.join()
    assert (first.name, second.name) == ("1", "2")
    assert seen and all(seen)
    assert sorted(os.listdir(tmp_path / "net")) == ["1", "2"]


def test_a_failed_export_leaves_nothing(tmp_path, network, monkeypatch):
    import tensorflow as tf

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", full)
    with pytest.raises(UserError, match="No space left"):
        export(*network, tmp_path)
    assert os.listdir(tmp_path / "net") == []


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "", "a/b", 5])
def test_a_description_cannot_name_another_folder(tmp_path, network, name):
    model, description = network
    with pytest.raises(UserError, match="one path component"):
        export(model, Description(description.preprocessing, {"name": name}), tmp_path / "in")
    assert os.listdir(tmp_path) == []


def test_a_disk_that_fills_under_tensorflow_is_one_line(tmp_path, network, monkeypatch):
    import tensorflow as tf

    def full(*args, **kwargs):
        raise tf.errors.ResourceExhaustedError(None, None, "x.pb; No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", full)
    with pytest.raises(UserError, match="No space left on device"):
        export(*network, tmp_path)
    assert os.listdir(tmp_path / "net") == []


def test_the_next_version_is_behind_the_highest(tmp_path):
    for name in ("1", "7", "draft", ".8.tmp"):
        (tmp_path / name).mkdir()
    assert next_version(tmp_path) == 8
    assert next_version(tmp_path / "absent") == 1


def test_exporting_leaves_the_model_as_it_was(tmp_path, network):
    model, description = network
    before = [np.array(value) for value in model.get_weights()]
    config = keras.saving.serialize_keras_object(model)
    export(model, description, tmp_path)
    assert keras.saving.serialize_keras_object(model) == config
    for mine, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)
