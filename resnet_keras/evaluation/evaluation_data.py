"""Loads the test images for the evaluation of one or several networks."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from resnet_keras.data import folder
from resnet_keras.data.corrupt_files import describe_corrupt_files, find_corrupt_files, remove_files
from resnet_keras.data.dataset import Dataset, Files, Images
from resnet_keras.data.decoding import first_decoding_error
from resnet_keras.data.sources import DATASET_NAMES, load_dataset
from resnet_keras.description import Description
from resnet_keras.errors import UsageError, UserError
from resnet_keras.evaluation.predictors import Predictor
from resnet_keras.recipe import FILE_DATASETS, FOLDER


def load_test_set(
    predictor: Predictor,
    dataset: str | None,
    data_dir: str | None,
    all_images: bool = False,
    skip_corrupt: bool = False,
) -> Dataset:
    """Loads the data set that a network is evaluated on.

    Args:
        predictor: the network.
        dataset: name of the data set; `None` for the one that the network was trained on.
        data_dir: the folder of the data set; `None` searches the usual places. For images in
            folders, `val/` is enough: `train/` may be missing.
        all_images: whether to use all images of `data_dir/<class>/*` instead of the share that
            training holds out for testing.
        skip_corrupt: whether to leave out files that cannot be decoded and list them in the notes.
            A network that was trained on this data set with `skip_corrupt` is evaluated with it
            too.

    Returns:
        The data set under the name that the user typed. Its training images are not checked.

    Raises:
        UsageError: if the data set does not allow `all_images`.
        UserError: if the name of the data set is not known, if it cannot be loaded, if its classes
            are not those of the network, or if none of its files can be decoded.

    Example:

    >>> from resnet_keras.preprocessing import Preprocessing
    >>> digits = tuple("0123456789")
    >>> preprocessing = Preprocessing((32, 32), "stretch", 1.0, (0, 0, 0), (1, 1, 1), digits)
    >>> predictor = Predictor(Path("net"), Description(preprocessing), len, (None, None))
    >>> len(load_test_set(predictor, "digits", None).test)
    360
    """
    path, description = predictor.path, predictor.description
    name = dataset or description.dataset
    if name is None:
        raise UserError(f"{path} does not say what it was trained on: give --dataset")
    data = replace(_load(description, name, data_dir, all_images), name=name)
    if data.class_names != description.preprocessing.class_names:
        raise UserError(
            f"the classes of {path} are not those of {name}: "
            f"{_difference(description.preprocessing.class_names, data.class_names)}"
        )
    skip = skip_corrupt or _training_recipe(description, name).get("skip_corrupt")
    if skip and isinstance(data.test, Files):
        return _without_corrupt_test_files(data, data.test)
    return data


def load_test_sets(
    predictors: Sequence[Predictor],
    dataset: str | None,
    data_dir: str | None,
    all_images: bool = False,
    skip_corrupt: bool = False,
) -> list[Dataset]:
    """Loads the same test images for each of several networks.

    Each network gets them as `load_test_set` would return them for it alone: the images of a
    TensorFlow Datasets set are stretched to the network's size.

    Args:
        predictors: the networks.
        dataset: name of the data set; `None` for the one that the first network was trained on.
        data_dir: see `load_test_set`.
        all_images: see `load_test_set`.
        skip_corrupt: see `load_test_set`. Files that are left out for one network are left out for
            all.

    Returns:
        One data set per network, without training images. Networks with the same needs share it.

    Raises:
        UsageError: if the data set does not allow `all_images`, or if the networks were trained
            with different shares held out for testing.
        UserError: see `load_test_set`.

    Example:

    >>> from resnet_keras.preprocessing import Preprocessing
    >>> digits = tuple("0123456789")
    >>> preprocessing = Preprocessing((32, 32), "stretch", 1.0, (0, 0, 0), (1, 1, 1), digits)
    >>> predictor = Predictor(Path("net"), Description(preprocessing), len, (None, None))
    >>> first, second = load_test_sets([predictor, predictor], "digits", None)
    >>> len(first.test), len(first.train), first is second
    (360, 0, True)
    """
    first = predictors[0]
    name = dataset or first.description.dataset
    recipes = [_training_recipe(predictor.description, name) for predictor in predictors]
    skip = skip_corrupt or any(recipe.get("skip_corrupt") for recipe in recipes)
    loaded: dict[tuple[int | None, float | None], Dataset] = {}
    datasets: list[Dataset] = []
    for predictor in predictors:
        options = _load_options(predictor.description, name) if name else {}
        key = (
            options.get("image_size") if name not in DATASET_NAMES else None,
            options.get("validation_fraction") if name == FOLDER else None,
        )
        if key not in loaded:
            data = load_test_set(predictor, name, data_dir, all_images, skip)
            # An array of indices copies. A slice would keep the training images in memory.
            loaded[key] = replace(data, train=data.train.take(np.arange(0)))
        datasets.append(loaded[key])
        if not _same_images(datasets[0].test, datasets[-1].test):
            raise UsageError(
                f"{first.path} and {predictor.path} hold out different images of {name} for "
                f"testing ({len(datasets[0].test)} and {len(datasets[-1].test)}), because they "
                "were trained with different --validation-fraction. Evaluate each one alone, or "
                "use images that neither was trained on (--all-images)"
            )
    return datasets


def _same_images(first: Images | Files, second: Images | Files) -> bool:
    if isinstance(first, Files) and isinstance(second, Files) and first.paths != second.paths:
        return False
    return np.array_equal(first.labels, second.labels)


def _without_corrupt_test_files(data: Dataset, test: Files) -> Dataset:
    """Leaves out the test files that cannot be decoded.

    The training files, of which there are many more, are not read.
    """
    corrupt = find_corrupt_files(test)
    if not len(corrupt):
        return data
    files = test.take(corrupt)
    if len(corrupt) == len(test):
        raise UserError(
            f"no file of {data.name} can be decoded: {first_decoding_error(files.take(slice(1)))}"
        )
    reasons = describe_corrupt_files(files)
    note = f"skipped {len(corrupt)} of {len(test)} files that cannot be decoded: {reasons}"
    return replace(data, test=remove_files(test, corrupt), notes=(*data.notes, note))


def _load(description: Description, name: str, data_dir: str | None, all_images: bool) -> Dataset:
    in_folders = name in FILE_DATASETS
    if all_images and not in_folders:
        raise UsageError(
            f"--all-images is only for images in folders; {name} has test images of its own"
        )
    class_names = description.preprocessing.class_names
    layout = None
    if in_folders and data_dir and Path(data_dir).expanduser().is_dir():
        layout = folder.find_layout(data_dir, class_names)
    if all_images or (layout and layout.test and not layout.train):
        return folder.load_for_evaluation(data_dir, class_names)
    options = _load_options(description, name)
    if layout and layout.test:
        # The network may have been trained on a folder without `val/`, of which a share was held
        # out. This folder has its own test images.
        options.pop("validation_fraction", None)
    data = load_dataset(name, data_dir, **options)
    if name == FOLDER and layout and not layout.test:
        note = (
            f"measured on {len(data.test)} images; the other {len(data.train)} are those that "
            "training uses (--all-images measures on all of DIR/<class>/*)"
        )
        return replace(data, notes=(*data.notes, note))
    return data


def _load_options(description: Description, dataset: str) -> dict[str, Any]:
    """Returns the arguments with which `load_dataset` returns the test images.

    For the data set that the network was trained on, they select the images that the run held out.
    For any other, they resize images to the network's size.
    """
    if dataset == description.dataset:
        recipe = _training_recipe(description, dataset)
        names = ("image_size", "validation_fraction")
        return {name: recipe[name] for name in names if name in recipe}
    height, width = description.preprocessing.size
    return {"image_size": height if height == width and dataset not in DATASET_NAMES else None}


def _training_recipe(description: Description, dataset: str | None) -> dict[str, Any]:
    """Returns the recipe of the network if it was trained on this data set, or else `{}`."""
    recipe = description.card.get("recipe") or {}
    return recipe if dataset == description.dataset else {}


def _difference(network: tuple[str, ...], data: tuple[str, ...]) -> str:
    """Describes the first difference between the classes of a network and of a data set."""
    if len(network) != len(data):
        return (
            f"the network has {len(network)} classes ({network[0]!r}, …), the data "
            f"{len(data)} ({data[0]!r}, …)"
        )
    index = next(i for i, (a, b) in enumerate(zip(network, data, strict=True)) if a != b)
    return f"class {index} is {network[index]!r} in the network and {data[index]!r} in the data"
