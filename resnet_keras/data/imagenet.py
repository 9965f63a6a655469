"""ImageNet of 2012, from where it lies: nobody may hand it on, so it is not fetched."""

import dataclasses
from pathlib import Path

from resnet_keras.data import folder, imagenet_records
from resnet_keras.data.dataset import Dataset
from resnet_keras.errors import UserError

NAME = "imagenet2012"
CLASSES = 1000
_URL = "https://image-net.org/download.php"


def load(data_dir: str | None) -> Dataset:
    """Lists ImageNet's images in `data_dir/train/<class>/*` and `data_dir/val/<class>/*`, or those
    that TensorFlow Datasets prepared in `data_dir/imagenet2012/<version>`.

    Args:
        data_dir: that folder; the classes have names such as `n01440764`, those of their folders.

    Raises:
        UserError: if it is not given, not of that form, or not of 1000 classes; says where
            ImageNet is to be had.
    """
    how = (
        f"ImageNet has to be downloaded by hand: {_URL}, ILSVRC2012_img_train.tar and "
        "ILSVRC2012_img_val.tar. Unpack them into DIR/train/<class>/ and DIR/val/<class>/, which "
        "is how other programs want them too, and pass --data-dir DIR; or the folder in which "
        f"TensorFlow Datasets prepared {NAME}"
    )
    if not data_dir:
        raise UserError(f"--dataset {NAME}: {how}")
    path = Path(data_dir).expanduser()
    records = imagenet_records.prepared(path, NAME)
    if (
        not records
        and path.is_dir()
        and not any(
            (root / "train").is_dir() for root in (path, *filter(Path.is_dir, path.iterdir()))
        )
    ):
        raise UserError(f"--data-dir {data_dir}: there is no train/; {how}")
    found = imagenet_records.load(records, NAME) if records else folder.load(data_dir)
    if len(found.class_names) != CLASSES:
        raise UserError(
            f"--data-dir {data_dir} has {len(found.class_names)} classes, {NAME} has {CLASSES}. "
            "For other images, a part of ImageNet among them: --dataset folder"
        )
    return dataclasses.replace(found, name=NAME)
