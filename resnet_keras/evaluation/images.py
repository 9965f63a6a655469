"""The images that a network is measured on."""

from dataclasses import replace
from pathlib import Path

from resnet_keras.artefact import Description
from resnet_keras.data import folder, imagenet
from resnet_keras.data.dataset import Dataset
from resnet_keras.data.load import FOLDER, KNOWN, load
from resnet_keras.errors import UsageError, UserError
from resnet_keras.evaluation.predictors import Predictor


def load_test_set(
    predictor: Predictor, dataset: str | None, data_dir: str | None, all_images: bool = False
) -> Dataset:
    """Loads the data set to measure a network on, named as the user spelled it.

    Args:
        predictor: the network.
        dataset: its name; `None` takes the one the network was trained for.
        data_dir: where it is. Of images in folders, `val/` alone will do, without `train/`.
        all_images: whether a folder `data_dir/<class>/*` is measured on whole, and not on the
            share that training keeps for the test.

    Raises:
        UsageError: if `all_images` is not for this data set.
        UserError: if it is not known which, cannot be loaded, or has other classes.
    """
    path, description = predictor.path, predictor.description
    name = dataset or description.dataset
    if name is None:
        raise UserError(f"{path} does not say what it was trained for: give --dataset")
    data = replace(_load(description, name, data_dir, all_images), name=name)
    if data.class_names != description.preprocessing.class_names:
        raise UserError(
            f"{path} answers with other classes than {name} has: "
            f"{_difference(description.preprocessing.class_names, data.class_names)}"
        )
    return data


def _load(description, name, data_dir, all_images):
    in_folders = name in (FOLDER, imagenet.NAME)
    if all_images and not in_folders:
        raise UsageError(
            f"--all-images is for images in folders; {name} has test images of its own"
        )
    class_names = description.preprocessing.class_names
    found = None
    if in_folders and data_dir and Path(data_dir).expanduser().is_dir():
        found = folder.layout(data_dir, class_names)
    if all_images or (found and found.test and not found.train):
        return folder.load_all(data_dir, class_names)
    data = load(name, data_dir, **_as_trained(description, name))
    if name == FOLDER and not found.test:
        note = (
            f"measured on {len(data.test)} images; the other {len(data.train)} are those that "
            "training would take (--all-images measures on all of DIR/<class>/*)"
        )
        return replace(data, notes=(*data.notes, note))
    return data


def _as_trained(description: Description, dataset: str) -> dict:
    """Returns what `load` needs to give the images that the run left for the test, or, of another
    data set, to bring images of many sizes to the network's."""
    if dataset == description.dataset:
        recipe = description.card.get("recipe") or {}
        names = ("image_size", "validation_fraction", "skip_corrupt")
        return {name: recipe[name] for name in names if name in recipe}
    height, width = description.preprocessing.size
    return {"image_size": height if height == width and dataset not in KNOWN else None}


def _difference(mine, theirs):
    if len(mine) != len(theirs):
        return f"{len(mine)} classes ({mine[0]!r}, …), the data {len(theirs)} ({theirs[0]!r}, …)"
    index = next(i for i, (a, b) in enumerate(zip(mine, theirs, strict=True)) if a != b)
    return f"class {index} is {mine[index]!r}, in the data {theirs[index]!r}"
