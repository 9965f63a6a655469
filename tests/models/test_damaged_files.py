"""Network files that are damaged, missing, written by another program, or cannot be written."""

import shutil
import zipfile

import keras
import numpy as np
import pytest

from resnet_keras.description import Description, read_description
from resnet_keras.errors import UserError
from resnet_keras.evaluation.predictors import open_predictor
from resnet_keras.export.saved_model import export_file
from resnet_keras.models.keras_file import load_keras_file, save_keras_file
from tests.models.lifecycle import run_lifecycle


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The files of one small network."""
    return run_lifecycle(tmp_path_factory.mktemp("saved"), "resnet8", "A", "conv_bn", 8)


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99])
def test_truncated_keras_file(saved, tmp_path, keep):
    data = saved.path.read_bytes()
    path = tmp_path / "broken.keras"
    path.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    for use in (load_keras_file, read_description, open_predictor):
        with pytest.raises(UserError, match=r"broken\.keras"):
            use(path)


def rewritten(source, target, change):
    """Copies a `.keras` file with its members changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = change(name, old.read(name))
            if data is not None:
                new.writestr(name, data)


@pytest.mark.parametrize(
    "member, data",
    [
        ("model.weights.h5", b"no weights"),
        ("model.weights.h5", None),
        ("config.json", b"{"),
        ("config.json", b"{}"),
        ("config.json", None),
        ("resnet_keras.json", b"{"),
        ("resnet_keras.json", b"[]"),
        ("resnet_keras.json", b'{"preprocessing": {"scale": 1}}'),
        ("resnet_keras.json", None),
    ],
)
def test_damaged_members(saved, tmp_path, member, data):
    path = tmp_path / "broken.keras"
    rewritten(saved.path, path, lambda name, old: data if name == member else old)
    with pytest.raises(UserError, match=r"broken\.keras"):
        load_keras_file(path)


@pytest.mark.parametrize("at", np.linspace(0.02, 0.98, 25))
def test_a_flipped_byte_is_detected_or_harmless(saved, tmp_path, at):
    data = bytearray(saved.path.read_bytes())
    data[int(at * len(data))] ^= 0x10
    path = tmp_path / "broken.keras"
    path.write_bytes(data)
    try:
        model, read = load_keras_file(path)
    except UserError:
        return
    # The byte has no effect, for example because it belongs to a time stamp.
    assert read == saved.description
    for mine, theirs in zip(saved.model.variables, model.variables, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


def test_a_file_with_a_lambda_is_rejected(saved, tmp_path):
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Lambda(lambda x: x[:, 0, 0], output_shape=(3,))(inputs)
    path = tmp_path / "sly.keras"
    save_keras_file(keras.Model(inputs, outputs), path, saved.description)
    with pytest.raises(UserError, match=r"cannot load the network in .*sly\.keras"):
        load_keras_file(path)


def test_a_file_of_another_program_is_rejected(tmp_path):
    path = tmp_path / "stock.keras"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]).save(path)
    with pytest.raises(UserError, match=r"stock\.keras has no description of the preprocessing"):
        load_keras_file(path)


def test_errors_name_the_missing_file(tmp_path):
    for path in (tmp_path / "none.keras", tmp_path / "none"):
        with pytest.raises(UserError, match="none"):
            open_predictor(path)
        with pytest.raises(UserError, match="none"):
            load_keras_file(path)
        with pytest.raises(UserError, match="none"):
            export_file(path, tmp_path)
    with pytest.raises(UserError, match="neither"):
        open_predictor(tmp_path)
    with pytest.raises(UserError, match=r"no model\.keras"):
        export_file(tmp_path, tmp_path)


@pytest.mark.parametrize(
    "name", ["saved_model.pb", "assets.extra/preprocessing.json", "assets.extra/model_card.json",
             "variables/variables.index", "variables/variables.data-00000-of-00001"],
)  # fmt: skip
@pytest.mark.parametrize("how", ["missing", "half", "empty"])
def test_damaged_saved_model(saved, tmp_path, name, how):
    version = tmp_path / "m" / "1"
    shutil.copytree(saved.version, version)
    path = version / name
    data = path.read_bytes()
    path.unlink()
    if how != "missing":
        path.write_bytes(data[: len(data) // 2 if how == "half" else 0])
    with pytest.raises(UserError, match=str(tmp_path)):
        open_predictor(tmp_path / "m")


@pytest.mark.parametrize("name", ["preprocessing.json", "model_card.json"])
@pytest.mark.parametrize("values", ["{}", "[]", "null", '{"scale": 1}'])
def test_invalid_description_in_a_saved_model(saved, tmp_path, name, values):
    shutil.copytree(saved.version, tmp_path / "1")
    (tmp_path / "1" / "assets.extra" / name).write_text(values)
    try:
        read = open_predictor(tmp_path / "1").description
    except UserError as error:
        assert str(tmp_path / "1") in str(error)
    else:
        # All fields of the card are optional.
        assert name == "model_card.json" and read.preprocessing == saved.preprocessing


def test_export_to_a_path_that_is_a_file(saved, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        export_file(saved.path, tmp_path / "file")


def test_saving_to_a_missing_folder(saved, tmp_path):
    with pytest.raises(UserError, match=r"cannot write .*m\.keras"):
        save_keras_file(saved.model, tmp_path / "none" / "m.keras", saved.description)


def test_a_failed_save_keeps_the_old_file(saved, tmp_path, monkeypatch):
    path = tmp_path / "m.keras"
    shutil.copy(saved.path, path)
    old = path.read_bytes()
    bad = Description(saved.preprocessing, {"name": object()})
    with pytest.raises(TypeError):
        save_keras_file(saved.model, path, bad)
    assert path.read_bytes() == old
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.keras"]
