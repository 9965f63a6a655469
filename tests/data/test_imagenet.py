"""ImageNet: read where it lies unpacked, and where it is to be had if it does not."""

import pytest

from resnet_keras.data.sources import load
from resnet_keras.errors import UserError


def made(root, classes):
    for part in ("train", "val"):
        for number in range(classes):
            folder = root / part / f"n{number:08}"
            folder.mkdir(parents=True)
            (folder / f"{part}.JPEG").write_bytes(b"")
    return str(root)


def test_a_thousand_folders(tmp_path):
    found = load("imagenet2012", made(tmp_path, 1000))
    assert found.name == "imagenet2012"
    assert len(found.class_names) == len(found.train) == len(found.test) == 1000
    assert found.class_names[17] == "n00000017" and found.test.labels[17] == 17


def test_a_part_of_it_is_a_folder_like_any_other(tmp_path):
    with pytest.raises(UserError, match="--dataset folder"):
        load("imagenet2012", made(tmp_path, 10))


def test_who_has_none_is_told_where_it_is_to_be_had(tmp_path):
    with pytest.raises(UserError, match="by hand: https://image-net"):
        load("imagenet2012")
    with pytest.raises(UserError, match=r"there is no train/.*by hand"):
        load("imagenet2012", str(tmp_path))
