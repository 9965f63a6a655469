"""Writing SavedModels: versions, atomicity, and sources that cannot be exported."""

import json
import os
import re
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from resnet_keras.description import Description
from resnet_keras.errors import UserError
from resnet_keras.export.saved_model import export, export_file, freeze_variables, next_version
from resnet_keras.models.build import build
from resnet_keras.preprocessing import Preprocessing

CLASS_NAMES = ("a", "b", "ü")


@pytest.fixture(scope="module")
def network():
    preprocessing = Preprocessing((8, 8), "stretch", 1 / 255, np.zeros(3), (1, 1, 1), CLASS_NAMES)
    model = build("resnet8", classes=3, input_shape=(8, 8, 3))
    return model, Description(preprocessing, {"name": "net"})


def test_versions_count_up_and_appear_complete(tmp_path, network):
    observed, done = [], threading.Event()

    def watch():
        folder = tmp_path / "net"
        while not done.is_set():
            for entry in folder.iterdir() if folder.exists() else []:
                if entry.name.isdecimal():
                    names = {path.name for path in entry.iterdir()}
                    observed.append({"saved_model.pb", "assets.extra"} <= names)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        first, second = (export(*network, tmp_path) for _ in range(2))
    finally:
        done.set()
        watcher.join()
    assert (first.name, second.name) == ("1", "2")
    assert observed and all(observed)
    assert sorted(os.listdir(tmp_path / "net")) == ["1", "2"]
    card = json.loads((first / "assets.extra" / "model_card.json").read_text(encoding="utf-8"))
    assert card["class_names"] == list(CLASS_NAMES)


def test_a_failed_export_leaves_nothing(tmp_path, network, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(UserError, match="No space left"):
        export(*network, tmp_path)
    assert os.listdir(tmp_path / "net") == []


@pytest.mark.parametrize("message", ["x.pb; No space left on device", ""])
def test_a_disk_that_fills_up_inside_tensorflow(tmp_path, network, monkeypatch, message):
    def fail(*args, **kwargs):
        raise tf.errors.ResourceExhaustedError(None, None, message)

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(UserError, match=message or "ResourceExhaustedError"):
        export(*network, tmp_path)
    assert os.listdir(tmp_path / "net") == []


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "", "a/b", 5])
def test_the_name_must_be_a_single_path_component(tmp_path, network, name):
    model, description = network
    with pytest.raises(UserError, match="single path component"):
        export(model, Description(description.preprocessing, {"name": name}), tmp_path / "in")
    assert os.listdir(tmp_path) == []


def test_the_next_version_follows_the_highest(tmp_path):
    for name in ("1", "7", "draft", ".8.tmp", "٩"):
        (tmp_path / name).mkdir()
    assert next_version(tmp_path) == 8
    assert next_version(tmp_path / "absent") == 1
    (tmp_path / "008").mkdir()
    assert next_version(tmp_path) == 9
    (tmp_path / "9").touch()
    assert next_version(tmp_path) == 10


def test_a_folder_that_cannot_be_read(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot read .*file"):
        next_version(tmp_path / "file")


def test_the_model_is_not_changed(tmp_path, network):
    model, description = network
    before = [np.array(value) for value in model.get_weights()]
    config = keras.saving.serialize_keras_object(model)
    export(model, description, tmp_path)
    assert keras.saving.serialize_keras_object(model) == config
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_sources_that_cannot_be_exported(tmp_path, network):
    with pytest.raises(UserError, match=r"contains no model\.keras"):
        export_file(tmp_path, tmp_path / "out")
    with pytest.raises(UserError, match="does not exist"):
        export_file(tmp_path / "absent.keras", tmp_path / "out")
    (tmp_path / "config.json").touch()
    with pytest.raises(UserError, match="is not complete"):
        export_file(tmp_path, tmp_path / "out")
    version = export(*network, tmp_path / "in")
    for path in (version, version.parent):
        with pytest.raises(UserError, match="is a SavedModel, which cannot be used here"):
            export_file(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_freezing_makes_variables_constants():
    requirements = (Path(__file__).resolve().parents[2] / "requirements.txt").read_text()
    pinned = re.search(r"^tensorflow==(\S+)", requirements, re.MULTILINE)[1]
    hint = (
        f"resnet_keras/export/saved_model.py was written for TensorFlow {pinned} "
        f"(requirements.txt), installed is TensorFlow {tf.__version__}. Compare the two versions "
        "of tensorflow/python/framework/convert_to_constants.py "
        "(convert_variables_to_constants_v2), and adapt `freeze_variables`"
    )
    weight = tf.Variable([2.0, 3.0])
    spec = tf.TensorSpec((None, 2), tf.float32)
    scale = tf.function(lambda x: weight * x).get_concrete_function(spec)
    try:
        frozen = freeze_variables(scale)
        weight.assign([0.0, 0.0])
        (outputs,) = frozen(tf.ones((1, 2)))
    except Exception as error:
        pytest.fail(f"{type(error).__name__}: {error}. {hint}")
    assert outputs.numpy().tolist() == [[2.0, 3.0]], hint
    operations = {operation.type for operation in frozen.graph.get_operations()}
    assert not operations & {"ReadVariableOp", "VarHandleOp"}, hint
    assert not frozen.variables, hint
