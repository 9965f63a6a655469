"""Scikit-learn's 1,797 handwritten digits: a data set for trials, on every machine at once."""

import os
from pathlib import Path

import numpy as np

from resnet_keras.data import cifar, folder, imagenet, tfds
from resnet_keras.data.cifar_formats import FORMATS, SHA256, Format
from resnet_keras.data.dataset import Dataset, Images
from resnet_keras.data.holdout import stratified
from resnet_keras.errors import UsageError, UserError, unknown
from resnet_keras.recipe import Recipe

TEST_SIZE = 360
_SCALE = 4


def load_digits() -> Dataset:
    """Loads the digits as 32x32 images, 1,437 to train on and 360 to test.

    The 8x8 images are repeated pixel by pixel, their grey levels 0 to 16 stretched to 0 to 255,
    in three equal channels. The split is fixed, and stratified by class. A mirrored digit is
    another sign, so they are not to be flipped.

    Returns:
        Images uint8 `(N, 32, 32, 3)`, labels int32 `(N,)`.

    Raises:
        UserError: if scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise UserError(
            f"the data set 'digits' comes with scikit-learn, which cannot be imported ({error}); "
            "pip install scikit-learn"
        ) from error
    levels, labels = load_digits(return_X_y=True)
    every = Images(enlarge(levels.reshape(-1, 8, 8)), labels.astype(np.int32))
    test = stratified(every.labels, TEST_SIZE)
    train = np.setdiff1d(np.arange(len(every)), test, assume_unique=True)
    names = tuple(str(digit) for digit in range(10))
    return Dataset("digits", names, every.take(train), every.take(test), flip=False)


def enlarge(levels: np.ndarray) -> np.ndarray:
    """Turns grey levels 0 to 16, `(N, 8, 8)`, into uint8 `(N, 32, 32, 3)`."""
    grey = np.round(levels * 255 / 16).astype(np.uint8)
    grey = grey.repeat(_SCALE, axis=1).repeat(_SCALE, axis=2)
    return np.repeat(grey[..., np.newaxis], 3, axis=3)


VARIABLE = "RESNET_KERAS_DATA"
_URL = "https://www.cs.toronto.edu/~kriz/cifar.html"


def load_cifar(name: str, data_dir: str | None = None) -> Dataset:
    """Loads CIFAR-10 or CIFAR-100 from the first of these places that is given.

    1. `data_dir`; 2. the environment variable `RESNET_KERAS_DATA`: the folder that holds, or the
    path of, an official archive or its unpacked folder, Python or binary version, or the folder
    of a set prepared by TensorFlow Datasets; 3. TensorFlow Datasets' own folder; 4. its download.

    Args:
        name: `"cifar10"` or `"cifar100"`.
        data_dir: see above.

    Returns:
        The data set, the same arrays from every place; verified by checksums where there are any:
        CIFAR-100's binary version and its form of TensorFlow Datasets have none.

    Raises:
        UserError: if a place that is given does not hold the data set (the next are not tried),
            if none is given and it cannot be fetched, or if it is damaged.
    """
    given = data_dir or os.environ.get(VARIABLE)
    if not given:
        return _from_tfds(name)
    path = Path(given).expanduser()
    found = find(name, path)
    if found:
        return cifar.read(*found)
    if any(path.glob(f"{name}/*/dataset_info.json")):
        return _verified(name, tfds.load(name, str(path)), f"{path}/{name}")
    option = f"--data-dir {given}" if data_dir else f"{VARIABLE}={given}"
    what = f"there is no {name}" if path.exists() else "that does not exist"
    raise UserError(
        f"{option}: {what}; looked for {_forms(name)} in it or by that name, and "
        f"for {name}/ as TensorFlow Datasets prepares it. Official files: {_URL}"
    )


def find(name: str, path: Path) -> tuple[Format, Path] | None:
    """Looks for an official form of `name` at or in `path`.

    Returns:
        What was found and where, ready for `cifar.read`: unpacked folders, which are read faster,
        before archives, the Python version before the binary one; `None` if there is none.
    """
    forms = [form for form in FORMATS if form.dataset == name]
    for form in forms:
        for candidate in (path, path / form.folder):
            # By its name, or by what is in it: it may have been renamed, or be given as ".".
            whole = all((candidate / file).is_file() for file in form.files)
            if whole or (candidate.name == form.folder and candidate.is_dir()):
                return form, candidate
    for form in forms:
        for candidate in (path, path / form.archive):
            if candidate.name == form.archive and candidate.is_file():
                return form, candidate
    return None


def _forms(name):
    forms = [form for form in FORMATS if form.dataset == name]
    return ", ".join(entry for form in forms for entry in (form.archive, f"{form.folder}/"))


def _from_tfds(name):
    try:
        dataset = tfds.load(name)
    except tfds.NotAvailable as error:
        archive = next(form.archive for form in FORMATS if form.dataset == name)
        raise UserError(
            f"{name} was not found: no --data-dir was given, {VARIABLE} is not set, and {error}. "
            f"Three ways to get it: (1) put {archive} from {_URL} in a folder and pass --data-dir "
            f"FOLDER, or set {VARIABLE}=FOLDER; (2) prepare it with TensorFlow Datasets, `tfds "
            f"build {name}`; (3) run this once with network access"
        ) from error
    return _verified(name, dataset, "TensorFlow Datasets")


def _verified(name, dataset, source):
    cifar.verify(dataset, SHA256.get(name, {}), source)
    return dataset


FOLDER = "folder"
# A name a line: what else has a name of its own is added here or to `_in_files`.
_LOADERS = {
    "cifar10": lambda data_dir: load_cifar("cifar10", data_dir),
    "cifar100": lambda data_dir: load_cifar("cifar100", data_dir),
    "digits": lambda data_dir: load_digits(),
}
KNOWN = (*_LOADERS, FOLDER, imagenet.NAME)
_SIZE = 32


def load_for(recipe: Recipe, data_dir: str | None = None) -> Dataset:
    """Loads the data set of a recipe; errors as of `load`."""
    return load(
        recipe.dataset,
        data_dir,
        recipe.image_size,
        recipe.validation_fraction,
        recipe.skip_corrupt,
    )


def load(
    name: str,
    data_dir: str | None = None,
    image_size: int | None = None,
    validation_fraction: float | None = None,
    skip_corrupt: bool = False,
) -> Dataset:
    """Loads a data set.

    Args:
        name: one of `KNOWN`, or any image classification set of TensorFlow Datasets.
        data_dir: where it lies, see `load_cifar`, `tfds.load` and `folder.load`; `digits`
            needs none.
        image_size: side in pixels to which the images of a TensorFlow Datasets set are stretched.
            Images in files keep their own.
        validation_fraction: see `folder.load`; for no other set.
        skip_corrupt: whether files that cannot be decoded are left out; each is tried.

    Returns:
        The data set: images uint8 `(N, H, W, 3)`, or files; labels int32 `(N,)`.

    Raises:
        UsageError: if there is no set of that name, or if `image_size` does not fit it.
        UserError: if it cannot be found, read or verified.
    """
    if validation_fraction is not None and name != FOLDER:
        raise UsageError(
            f"--validation-fraction is for --dataset {FOLDER}; {name} has test images of its own. "
            "--validation-size holds training images out"
        )
    if name in (FOLDER, imagenet.NAME):
        return _in_files(name, data_dir, validation_fraction, skip_corrupt)
    if name in _LOADERS:
        if image_size not in (None, _SIZE):
            raise UsageError(
                f"the images of {name} have {_SIZE}x{_SIZE} pixels; leave --image-size out. "
                f"Received: {image_size}"
            )
        return _LOADERS[name](data_dir)
    try:
        return tfds.load(name, data_dir, image_size)
    except tfds.UnknownName as error:
        raise unknown("data set", name, dict.fromkeys((*KNOWN, *error.nearest))) from error
    except tfds.NotInstalled as error:
        raise UsageError(f"{unknown('data set', name, KNOWN)}; {error}") from error


def _in_files(name, data_dir, validation_fraction, skip_corrupt):
    if name == FOLDER:
        dataset = folder.load(data_dir, validation_fraction)
    else:
        dataset = imagenet.load(data_dir)
    if not skip_corrupt:
        return dataset
    # Decoding takes TensorFlow, which takes seconds to import.
    from resnet_keras.data.corrupt_files import without_corrupt

    return without_corrupt(dataset)
