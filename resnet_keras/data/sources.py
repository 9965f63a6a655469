"""Finds data sets by name: CIFAR, scikit-learn's digits, images in folders, ImageNet and the image
classification sets of TensorFlow Datasets.
"""

import os
from pathlib import Path

import numpy as np

from resnet_keras.data import cifar, folder, imagenet, tfds
from resnet_keras.data.cifar_formats import FORMATS, SHA256, CifarFormat
from resnet_keras.data.dataset import Dataset, Images
from resnet_keras.data.holdout import stratified_sample
from resnet_keras.errors import UsageError, UserError, unknown
from resnet_keras.recipe import (
    ARRAY_DATASETS,
    ARRAY_IMAGE_SIZE,
    FILE_DATASETS,
    FOLDER,
    Recipe,
)

DATA_DIR_VARIABLE = "RESNET_KERAS_DATA"
# Any other name is looked up in TensorFlow Datasets.
DATASET_NAMES = (*ARRAY_DATASETS, *FILE_DATASETS)

_CIFAR_URL = "https://www.cs.toronto.edu/~kriz/cifar.html"
_DIGITS = "digits"
_DIGITS_TEST_SIZE = 360


def load_for_recipe(recipe: Recipe, data_dir: str | None = None) -> Dataset:
    """Loads the data set of a recipe.

    Args:
        recipe: the recipe.
        data_dir: where the data set is, see `load_dataset`.

    Returns:
        The data set.

    Raises:
        UserError: see `load_dataset`.

    Example:

    >>> len(load_for_recipe(Recipe("resnet8", dataset="digits")).train)
    1437
    """
    return load_dataset(
        recipe.dataset,
        data_dir,
        recipe.image_size,
        recipe.validation_fraction,
        recipe.skip_corrupt,
    )


def load_dataset(
    name: str,
    data_dir: str | None = None,
    image_size: int | None = None,
    validation_fraction: float | None = None,
    skip_corrupt: bool = False,
) -> Dataset:
    """Loads a data set by its name.

    Args:
        name: one of `DATASET_NAMES`, or an image classification set of TensorFlow Datasets.
        data_dir: where the data set is; see `load_cifar`, `folder.load`, `imagenet.load` and
            `tfds.load`. `"digits"` ignores it.
        image_size: the side in pixels to which the images of a TensorFlow Datasets set are
            stretched. Images in files keep their sizes.
        validation_fraction: the share of each class to hold out as test images. Only for
            `"folder"`, see `folder.load`.
        skip_corrupt: whether to leave out files that cannot be decoded, which decodes every file
            once. It has no effect on images in memory.

    Returns:
        The data set: images uint8 `(N, H, W, 3)`, or files; labels int32 `(N,)`.

    Raises:
        UsageError: if there is no data set of that name, or if `image_size` or
            `validation_fraction` does not apply to it.
        UserError: if the data set cannot be found, read or verified.

    Example:

    >>> dataset = load_dataset("digits")
    >>> dataset.train.images.shape, len(dataset.test), dataset.class_names[3]
    ((1437, 32, 32, 3), 360, '3')
    """
    if validation_fraction is not None and name != FOLDER:
        raise UsageError(
            f"--validation-fraction is for --dataset {FOLDER}; {name} has its own test images. "
            "To hold out training images, use --validation-size"
        )
    if name in FILE_DATASETS:
        return _load_files(name, data_dir, validation_fraction, skip_corrupt)
    if name in ARRAY_DATASETS:
        if image_size not in (None, ARRAY_IMAGE_SIZE):
            raise UsageError(
                f"the images of {name} have {ARRAY_IMAGE_SIZE}x{ARRAY_IMAGE_SIZE} pixels; omit "
                f"--image-size. Received: {image_size}"
            )
        return load_digits() if name == _DIGITS else load_cifar(name, data_dir)
    try:
        return tfds.load(name, data_dir, image_size)
    except tfds.UnknownDatasetError as error:
        raise unknown("data set", name, dict.fromkeys((*DATASET_NAMES, *error.nearest))) from error
    except tfds.NotInstalledError as error:
        raise UsageError(f"{unknown('data set', name, DATASET_NAMES)}; {error}") from error


def _load_files(
    name: str, data_dir: str | None, validation_fraction: float | None, skip_corrupt: bool
) -> Dataset:
    if name == FOLDER:
        dataset = folder.load(data_dir, validation_fraction)
    else:
        dataset = imagenet.load(data_dir)
    if not skip_corrupt:
        return dataset
    # Decoding needs TensorFlow, which takes seconds to import.
    from resnet_keras.data.corrupt_files import without_corrupt_files

    return without_corrupt_files(dataset)


def load_cifar(name: str, data_dir: str | None = None) -> Dataset:
    """Loads CIFAR-10 or CIFAR-100.

    The data set is taken from `data_dir` if that is given, otherwise from the environment variable
    `RESNET_KERAS_DATA` if that is set, otherwise from TensorFlow Datasets, which downloads it if
    necessary. The first two name one of:

    - an official archive, or the folder that contains it;
    - the unpacked folder of an official archive, or the folder that contains it;
    - a folder in which TensorFlow Datasets has prepared the data set.

    Archives and folders may be of the Python or the binary version. All sources give the same
    arrays. They are verified by checksums, except CIFAR-100's binary version and CIFAR-100 from
    TensorFlow Datasets, for which there are none.

    Args:
        name: `"cifar10"` or `"cifar100"`.
        data_dir: see above.

    Returns:
        The data set: images uint8 `(N, 32, 32, 3)`, labels int32 `(N,)`.

    Raises:
        UserError: if the given location does not contain the data set (no other is tried), if
            none is given and the data set cannot be downloaded, or if it is damaged.

    Example:

    >>> dataset = load_cifar("cifar10", "downloads/cifar-10-python.tar.gz")  # doctest: +SKIP
    >>> len(dataset.train), len(dataset.test)  # doctest: +SKIP
    (50000, 10000)
    """
    given = data_dir or os.environ.get(DATA_DIR_VARIABLE)
    if not given:
        return _load_cifar_from_tfds(name)
    path = Path(given).expanduser()
    found = find_cifar(name, path)
    if found:
        return cifar.read(*found)
    if any(path.glob(f"{name}/*/dataset_info.json")):
        return _verified(name, tfds.load(name, str(path)), f"{path}/{name}")
    option = f"--data-dir {given}" if data_dir else f"{DATA_DIR_VARIABLE}={given}"
    problem = f"{name} was not found there" if path.exists() else "the path does not exist"
    files = ", ".join(
        file
        for cifar_format in _formats_of(name)
        for file in (cifar_format.archive, f"{cifar_format.folder}/")
    )
    raise UserError(
        f"{option}: {problem}. The path must be, or contain, one of {files}, or contain {name}/ "
        f"as prepared by TensorFlow Datasets. Official files: {_CIFAR_URL}"
    )


def find_cifar(name: str, path: Path) -> tuple[CifarFormat, Path] | None:
    """Finds an official distribution of CIFAR.

    Unpacked folders, which are faster to read, are preferred to archives, and the Python version
    to the binary one.

    Args:
        name: `"cifar10"` or `"cifar100"`.
        path: an archive, an unpacked folder, or a folder that contains either.

    Returns:
        The format and the path of the distribution, as arguments for `cifar.read`; `None` if
        there is none.

    Example:

    >>> Path("cifar-10-binary.tar.gz").touch()
    >>> cifar_format, path = find_cifar("cifar10", Path("."))
    >>> cifar_format.folder, str(path)
    ('cifar-10-batches-bin', 'cifar-10-binary.tar.gz')
    """
    formats = _formats_of(name)
    for cifar_format in formats:
        for candidate in (path, path / cifar_format.folder):
            # A folder is recognized by its name or by its files, since it may have been renamed
            # or given as ".".
            is_named = candidate.name == cifar_format.folder and candidate.is_dir()
            if is_named or all((candidate / file).is_file() for file in cifar_format.files):
                return cifar_format, candidate
    for cifar_format in formats:
        for candidate in (path, path / cifar_format.archive):
            if candidate.name == cifar_format.archive and candidate.is_file():
                return cifar_format, candidate
    return None


def _formats_of(name: str) -> list[CifarFormat]:
    return [cifar_format for cifar_format in FORMATS if cifar_format.dataset == name]


def _load_cifar_from_tfds(name: str) -> Dataset:
    try:
        dataset = tfds.load(name)
    except tfds.UnavailableError as error:
        archive = _formats_of(name)[0].archive
        raise UserError(
            f"{name} was not found: --data-dir is not given, {DATA_DIR_VARIABLE} is not set, and "
            f"{error}. Either (1) download {archive} from {_CIFAR_URL} into a folder and pass "
            f"--data-dir FOLDER, or set {DATA_DIR_VARIABLE}=FOLDER; or (2) prepare the data set "
            f"with TensorFlow Datasets, `tfds build {name}`; or (3) run this once with network "
            "access"
        ) from error
    return _verified(name, dataset, "TensorFlow Datasets")


def _verified(name: str, dataset: Dataset, source: str) -> Dataset:
    cifar.verify_sha256(dataset, SHA256.get(name, {}), source)
    return dataset


def load_digits() -> Dataset:
    """Loads scikit-learn's handwritten digits as 32x32 images.

    The data set needs no download, which makes it convenient for experiments and tests. Each pixel
    of the 8x8 images is repeated four times in both directions and in three channels, and its
    intensity from 0 to 16 is scaled to 0 to 255. The split is fixed and stratified by class.
    `flip` is `False`, because the mirror image of a digit is not a digit.

    Returns:
        The data set: 1,437 training and 360 test images, uint8 `(N, 32, 32, 3)`, and labels int32
        `(N,)`.

    Raises:
        UserError: if scikit-learn is not installed.

    Example:

    >>> dataset = load_digits()
    >>> len(dataset.train), dataset.test.images.shape, dataset.flip
    (1437, (360, 32, 32, 3), False)
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise UserError(
            f"the data set 'digits' is part of scikit-learn, which cannot be imported ({error}); "
            "pip install scikit-learn"
        ) from error
    intensities, labels = datasets.load_digits(return_X_y=True)
    images = Images(enlarge_digits(intensities.reshape(-1, 8, 8)), labels.astype(np.int32))
    test = stratified_sample(images.labels, _DIGITS_TEST_SIZE)
    train = np.setdiff1d(np.arange(len(images)), test, assume_unique=True)
    class_names = tuple(str(digit) for digit in range(10))
    return Dataset(_DIGITS, class_names, images.take(train), images.take(test), flip=False)


def enlarge_digits(intensities: np.ndarray) -> np.ndarray:
    """Turns scikit-learn's digits into RGB images.

    Args:
        intensities: `(N, 8, 8)`, from 0 to 16.

    Returns:
        uint8 `(N, 32, 32, 3)`.

    Example:

    >>> images = enlarge_digits(np.full((1, 8, 8), 16))
    >>> images.shape, int(images.min())
    ((1, 32, 32, 3), 255)
    """
    gray = np.round(intensities * 255 / 16).astype(np.uint8)
    factor = ARRAY_IMAGE_SIZE // 8
    gray = gray.repeat(factor, axis=1).repeat(factor, axis=2)
    return np.repeat(gray[..., np.newaxis], 3, axis=3)
