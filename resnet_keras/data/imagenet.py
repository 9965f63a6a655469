"""ImageNet of 2012, from where it lies unpacked: nobody may hand it on, so it is not fetched."""

import dataclasses
from pathlib import Path

from resnet_keras.data import folder
from resnet_keras.data.dataset import Dataset
from resnet_keras.errors import UserError

NAME = "imagenet2012"
CLASSES = 1000
_URL = "https://image-net.org/download.php"


def load(data_dir: str | None) -> Dataset:
    """Lists ImageNet's images in `data_dir/train/<class>/*` and `data_dir/val/<class>/*`.

    Args:
        data_dir: that folder; the classes' names are those of its folders, such as `n01440764`.

    Raises:
        UserError: if it is not given, not of that form, or not of 1000 classes; says where
            ImageNet is to be had.
    """
    how = (
        f"ImageNet has to be downloaded by hand: {_URL}, ILSVRC2012_img_train.tar and "
        "ILSVRC2012_img_val.tar. Unpack them into DIR/train/<class>/ and DIR/val/<class>/, which "
        "is how other programs want them too, and pass --data-dir DIR"
    )
    if not data_dir:
        raise UserError(f"--dataset {NAME}: {how}")
    path = Path(data_dir).expanduser()
    if path.is_dir() and not any(
        (root / "train").is_dir() for root in (path, *filter(Path.is_dir, path.iterdir()))
    ):
        prepared = (path / NAME).is_dir()
        what = "what TensorFlow Datasets prepared is not read" if prepared else "there is no train/"
        raise UserError(f"--data-dir {data_dir}: {what}; {how}")
    found = folder.load(data_dir)
    if len(found.class_names) != CLASSES:
        raise UserError(
            f"--data-dir {data_dir} has {len(found.class_names)} classes, {NAME} has {CLASSES}. "
            "For other images, a part of ImageNet among them: --dataset folder"
        )
    return dataclasses.replace(found, name=NAME)
