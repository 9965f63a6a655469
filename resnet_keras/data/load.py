"""The data sets by name."""

from resnet_keras.data import digits, folder, imagenet, locate, tfds
from resnet_keras.data.dataset import Dataset
from resnet_keras.errors import UsageError, unknown
from resnet_keras.recipe import Recipe

FOLDER = "folder"
# A name a line: what else has a name of its own is added here or to `_in_files`.
_LOADERS = {
    "cifar10": lambda data_dir: locate.load_cifar("cifar10", data_dir),
    "cifar100": lambda data_dir: locate.load_cifar("cifar100", data_dir),
    "digits": lambda data_dir: digits.load(),
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
        data_dir: where it lies, see `locate.load_cifar`, `tfds.load` and `folder.load`; `digits`
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
    from resnet_keras.data.soundness import without_corrupt

    return without_corrupt(dataset)
