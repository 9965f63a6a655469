"""Classification with a SavedModel on disk."""

import pytest
import tensorflow as tf

from resnet_keras.errors import UserError
from resnet_keras.export.local_client import load_predict_function
from resnet_keras.serving.errors import Refused, WrongModel
from tests.serving.double.harness import CLASSES, NAME, encoded, models_dir, photo

IMAGES = [encoded(photo(seed=i)) for i in range(3)]


def test_an_export_folder_means_its_newest_version():
    newest, second = (
        load_predict_function(models_dir() / NAME / version)(IMAGES) for version in ("", "2")
    )
    assert newest == second
    assert newest != load_predict_function(models_dir() / NAME / "1")(IMAGES)
    for prediction in newest:
        names, probabilities = zip(*prediction.top, strict=True)
        assert set(names) <= set(CLASSES) and list(probabilities) == sorted(probabilities)[::-1]


def test_a_version_with_leading_zeros(tmp_path):
    (tmp_path / "03").symlink_to(models_dir() / NAME / "1")
    (tmp_path / "2").symlink_to(models_dir() / NAME / "2")
    expected = load_predict_function(models_dir() / NAME / "1")(IMAGES)
    assert load_predict_function(tmp_path)(IMAGES) == expected


def test_a_bad_image_is_named():
    with pytest.raises(Refused, match=r"^image_bytes\[1\] is empty$"):
        load_predict_function(models_dir() / NAME)([IMAGES[0], b""])


def test_paths_that_are_not_saved_models(tmp_path):
    with pytest.raises(UserError, match=r"does not exist.* or a model's URL"):
        load_predict_function(tmp_path / "absent")
    with pytest.raises(UserError, match=r"neither saved_model\.pb nor version folders"):
        load_predict_function(tmp_path)
    (tmp_path / "model.keras").touch()
    with pytest.raises(UserError, match="python -m resnet_keras export"):
        load_predict_function(tmp_path)


def test_a_saved_model_of_another_program(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "1"))
    with pytest.raises(WrongModel, match="has no signature classify_bytes"):
        load_predict_function(tmp_path)


def test_a_damaged_saved_model(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(UserError, match="cannot load the SavedModel"):
        load_predict_function(tmp_path)
