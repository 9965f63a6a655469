"""The images that a network is measured on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from resnet_keras.artefact import Description
from resnet_keras.data import folder, imagenet
from resnet_keras.data.corrupt_files import find_corrupt, reasons, without_files
from resnet_keras.data.dataset import Dataset, Files
from resnet_keras.data.decoding import first_bad
from resnet_keras.data.sources import FOLDER, KNOWN, load
from resnet_keras.errors import UsageError, UserError
from resnet_keras.evaluation.predictors import Predictor


def load_test_set(
    predictor: Predictor,
    dataset: str | None,
    data_dir: str | None,
    all_images: bool = False,
    skip_corrupt: bool = False,
) -> Dataset:
    """Loads the data set to measure a network on, named as the user spelled it.

    Args:
        predictor: the network.
        dataset: its name; `None` takes the one the network was trained for.
        data_dir: where it is. Of images in folders, `val/` alone will do, without `train/`.
        all_images: whether a folder `data_dir/<class>/*` is measured on whole, and not on the
            share that training keeps for the test.
        skip_corrupt: whether files that cannot be decoded are left out, and named in the notes;
            they are too if the network was trained so on this data set.

    Returns:
        The data set; what it has to train on is not checked.

    Raises:
        UsageError: if `all_images` is not for this data set.
        UserError: if it is not known which, cannot be loaded, has other classes, or not one file
            can be decoded.
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
    skip = skip_corrupt or _recipe(description, name).get("skip_corrupt")
    if skip and isinstance(data.test, Files):
        return _without_corrupt(data)
    return data


def load_test_sets(
    predictors: Sequence[Predictor],
    dataset: str | None,
    data_dir: str | None,
    all_images: bool = False,
    skip_corrupt: bool = False,
) -> list[Dataset]:
    """Loads the same images for each of several networks, as each would be given them alone: those
    of a TensorFlow Datasets set are stretched to its own size.

    Args:
        predictors: the networks.
        dataset: see `load_test_set`; `None` takes the one the first was trained for.
        data_dir: see there.
        all_images: see there.
        skip_corrupt: see there; what was left out for one is left out for all.

    Returns:
        A data set a network, with nothing to train on; networks that need the same share it.

    Raises:
        UsageError: also if the networks were left different images for the test.
        UserError: see there.
    """
    first = predictors[0]
    name = dataset or first.description.dataset
    recipes = [_recipe(predictor.description, name) for predictor in predictors]
    skip = skip_corrupt or any(recipe.get("skip_corrupt") for recipe in recipes)
    loaded, found = {}, []
    for predictor in predictors:
        needed = _as_trained(predictor.description, name) if name else {}
        key = (
            needed.get("image_size") if name not in KNOWN else None,
            needed.get("validation_fraction") if name == FOLDER else None,
        )
        if key not in loaded:
            data = load_test_set(predictor, name, data_dir, all_images, skip)
            # An array of indices copies; a slice would keep the images to train on in memory.
            loaded[key] = replace(data, train=data.train.take(np.arange(0)))
        found.append(loaded[key])
        if not _same_images(found[0].test, found[-1].test):
            raise UsageError(
                f"{first.path} and {predictor.path} were left different images of {name} for the "
                f"test ({len(found[0].test)} and {len(found[-1].test)}): they were trained with "
                "different --validation-fraction. Measure each alone, or both on images that "
                "neither was trained on (--all-images)"
            )
    return found


def _same_images(one, other):
    if isinstance(one, Files) and one.paths != other.paths:
        return False
    return np.array_equal(one.labels, other.labels)


def _without_corrupt(data):
    """Leaves out what cannot be decoded of the images that are looked at; the others, which are
    many more, are not tried."""
    bad = find_corrupt(data.test)
    if not len(bad):
        return data
    files = data.test.take(bad)
    if len(bad) == len(data.test):
        raise UserError(f"no file of {data.name} can be decoded: {first_bad(files.take(slice(1)))}")
    note = f"skipped {len(bad)} of {len(data.test)} files that cannot be decoded: {reasons(files)}"
    return replace(data, test=without_files(data.test, bad), notes=(*data.notes, note))


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
    as_trained = _as_trained(description, name)
    if found and found.test:
        # Of a flat folder a share was kept; here the images for the test lie apart.
        as_trained.pop("validation_fraction", None)
    data = load(name, data_dir, **as_trained)
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
        recipe = _recipe(description, dataset)
        names = ("image_size", "validation_fraction")
        return {name: recipe[name] for name in names if name in recipe}
    height, width = description.preprocessing.size
    return {"image_size": height if height == width and dataset not in KNOWN else None}


def _recipe(description, dataset):
    """Returns the values that the network was trained with, if that was on this data set."""
    recipe = description.card.get("recipe") or {}
    return recipe if dataset == description.dataset else {}


def _difference(mine, theirs):
    if len(mine) != len(theirs):
        return f"{len(mine)} classes ({mine[0]!r}, …), the data {len(theirs)} ({theirs[0]!r}, …)"
    index = next(i for i, (a, b) in enumerate(zip(mine, theirs, strict=True)) if a != b)
    return f"class {index} is {mine[index]!r}, in the data {theirs[index]!r}"
