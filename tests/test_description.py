"""Tests of `description`: reading what a `.keras` file says about its network."""

import json
import zipfile

import pytest

from resnet_keras.description import (
    KERAS_FILE_MEMBER,
    Description,
    architecture_fields,
    read_description,
)
from resnet_keras.errors import UserError
from resnet_keras.preprocessing import Preprocessing

PREPROCESSING = Preprocessing((8, 8), "stretch", 1 / 255, (0,) * 3, (1,) * 3, ("cat", "dog"))


def test_the_description_is_read_from_the_zip_archive(tmp_path):
    description = Description(PREPROCESSING, {"arch": "resnet8"})
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr(KERAS_FILE_MEMBER, json.dumps(description.to_json()))
    assert read_description(tmp_path / "m.keras").to_json() == description.to_json()


def test_architecture_fields_come_from_the_recipe_and_the_card():
    card = {"arch": "resnet50", "recipe": {"option": "B", "bottleneck_stride": "3x3", "steps": 1}}
    assert architecture_fields(Description(PREPROCESSING, card), "m.keras") == {
        "arch": "resnet50",
        "option": "B",
        "bottleneck_stride": "3x3",
    }
    with pytest.raises(UserError, match=r"m\.keras does not name the architecture"):
        architecture_fields(Description(PREPROCESSING), "m.keras")


def test_a_run_folder_instead_of_its_file(tmp_path):
    (tmp_path / "model.keras").touch()
    with pytest.raises(UserError, match=r"is a folder; .* did you mean .*model\.keras"):
        read_description(tmp_path)
