"""Finds CIFAR on this machine, or fetches it."""

import os
from pathlib import Path

from resnet_keras.data import cifar, tfds
from resnet_keras.data.cifar_formats import FORMATS, SHA256, Format
from resnet_keras.data.dataset import Dataset
from resnet_keras.errors import UserError

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
