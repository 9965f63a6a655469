"""Images in folders, one folder per class."""

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resnet_keras.data.dataset import Dataset, Files
from resnet_keras.data.holdout import stratified_sample_by_name
from resnet_keras.errors import UsageError, UserError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".gif", ".bmp")
# The share of each class that is held out for testing if there is no folder of test images.
TEST_FRACTION = 0.2
_TRAIN = "train"
# In order of preference.
_TESTS = ("val", "valid", "validation", "test")
# Created by archive programs and file systems.
_IGNORED_FOLDERS = ("__MACOSX", "lost+found")
_MAX_LISTED = 5

_EXPECTED = (
    "DIR/train/<class>/* and DIR/val/<class>/*, or DIR/<class>/*, of which --validation-fraction "
    "is held out for testing"
)


def load(data_dir: str | None, validation_fraction: float | None = None) -> Dataset:
    """Lists the images in a folder. No image is opened.

    The folder has one of two layouts:

    - `data_dir/train/<class>/*` are the training images and `data_dir/val/<class>/*` the test
      images. The second folder may also be called `valid`, `validation` or `test`; the first of
      these names that exists is used.
    - `data_dir/<class>/*` or `data_dir/train/<class>/*` alone. A share of each class is held out
      as test images.

    `data_dir` may also contain nothing but one folder with the first layout. Folders that are not
    used are named in the notes of the data set.

    An image is a file directly in the folder of its class whose name ends in `.jpg`, `.jpeg`,
    `.png`, `.gif` or `.bmp`, in upper or lower case. Hidden files (`.name`) are skipped. All other
    files and broken links are skipped and counted in the notes.

    Classes are sorted by name as strings, by code point: `10` comes before `2`, as in Keras and
    torchvision. Composed and decomposed accented letters count as the same, so that neither the
    order of the images nor the held-out share depends on the file system.

    Args:
        data_dir: the folder.
        validation_fraction: the share of each class to hold out for testing, between 0 and 1
            exclusively; `None` means `TEST_FRACTION`.

    Returns:
        The data set. Its images are `Files`.

    Raises:
        UsageError: if `data_dir` is not given, or `validation_fraction` is given although there is
            a folder of test images.
        UserError: if the folder does not contain classes of images, if a class has no training
            images, or if a class occurs only among the test images.

    Example:

    >>> for path in (Path("photos/train/cat"), Path("photos/train/dog"), Path("photos/val/dog")):
    ...     path.mkdir(parents=True)
    ...     (path / "1.jpg").touch()
    >>> dataset = load("photos")
    >>> dataset.class_names, dataset.train.labels.tolist(), dataset.test.labels.tolist()
    (('cat', 'dog'), [0, 1], [1])
    """
    if not data_dir:
        raise UsageError(f"--dataset folder requires --data-dir DIR: {_EXPECTED}")
    layout = find_layout(data_dir)
    train_dir = layout.train or layout.root
    # Without train/, a folder called val is a class like any other.
    test_dir = layout.test if layout.train else None
    notes: list[str] = []
    if layout.train and layout.unused:
        source = f"{test_dir.name}/" if test_dir else f"a share of {_TRAIN}/"
        notes.append(f"errors are measured on {source}; not used: {_listed(layout.unused)}")
    if test_dir and validation_fraction is not None:
        raise UsageError(
            f"{test_dir} contains the test images; omit --validation-fraction (to hold out images "
            f"of {_TRAIN}/ as well, use --validation-size)"
        )
    paths = _list_images(train_dir, notes)
    _check_training_classes(paths, train_dir)
    class_names = tuple(paths)
    train = _to_files(paths, class_names)
    if test_dir:
        test = _load_test_files(test_dir, class_names, train_dir, notes)
    else:
        fraction = TEST_FRACTION if validation_fraction is None else validation_fraction
        train, test = _hold_out_test_files(train, fraction, train_dir, notes)
    return Dataset("folder", class_names, train, test, notes=tuple(notes))


def load_for_evaluation(data_dir: str | None, class_names: Sequence[str]) -> Dataset:
    """Lists all images in a folder as test images, to evaluate a network trained on others.

    The images are those of `data_dir/<class>/*`, or of `data_dir/val/<class>/*` if there is a
    folder of test images (see `load` for its names) but no `train`.

    Args:
        data_dir: the folder.
        class_names: the class names of the network. Not every class needs images.

    Returns:
        The data set, without training images.

    Raises:
        UsageError: if `data_dir` is not given, or contains `train`.
        UserError: if the folder does not contain classes of images, or contains a class that is
            not in `class_names`.

    Example:

    >>> Path("new/dog").mkdir(parents=True)
    >>> Path("new/dog/1.jpg").touch()
    >>> dataset = load_for_evaluation("new", ("cat", "dog"))
    >>> len(dataset.train), dataset.test.labels.tolist(), dataset.notes
    (0, [1], ('new: no images of cat',))
    """
    if not data_dir:
        raise UsageError("--all-images requires the folder of the images: --data-dir DIR")
    layout = find_layout(data_dir, class_names)
    if layout.train:
        raise UsageError(
            f"--all-images is for DIR/<class>/*, but {layout.root} contains {_TRAIN}/; omit "
            f"--all-images, or pass --data-dir {layout.train} or another of its folders"
        )
    root = layout.test or layout.root
    notes: list[str] = []
    if layout.unused:
        notes.append(f"errors are measured on {root.name}/; not used: {_listed(layout.unused)}")
    paths = _list_images(root, notes)
    unknown = [name for name in paths if name not in class_names and paths[name]]
    if unknown:
        raise UserError(
            f"{root} contains classes that the network does not know: {_listed(unknown)}. The "
            f"network knows {_listed(class_names)}"
        )
    missing = [name for name in class_names if not paths.get(name)]
    if missing:
        notes.append(f"{root}: no images of {_listed(missing)}")
    files = _to_files(paths, class_names)
    return Dataset("folder", tuple(class_names), files.take(slice(0)), files, notes=tuple(notes))


@dataclass(frozen=True)
class Layout:
    """The training and the test folder in a folder of images.

    Attributes:
        root: the folder, or the only folder in it if that contains `train`.
        train: the folder of training images; `None` if there is none.
        test: the folder of test images, see `load` for its names; `None` if there is none.
        unused: the other folders in `root`, if it has a training or a test folder.
    """

    root: Path
    train: Path | None
    test: Path | None
    unused: tuple[str, ...]


def find_layout(data_dir: str, class_names: Sequence[str] = ()) -> Layout:
    """Finds the training and the test folder in a folder of images.

    Args:
        data_dir: the folder.
        class_names: names that do not denote the test folder if there is no `train`, because they
            are classes.

    Returns:
        The layout.

    Raises:
        UserError: if there is no such folder.

    Example:

    >>> Path("measure/val/cat").mkdir(parents=True)
    >>> layout = find_layout("measure")
    >>> layout.train, layout.test.name
    (None, 'val')
    """
    root = _find_root(Path(data_dir).expanduser())
    folders = _subfolders(root)
    train = folders.get(_TRAIN)
    candidates = [folders[name] for name in _TESTS if name in folders]
    if not train:
        # The folder of a class contains images, a test folder contains classes.
        candidates = [
            folder
            for folder in candidates
            if folder.name not in class_names and _subfolders(folder)
        ]
    test = candidates[0] if candidates else None
    used = [folder.name for folder in (train, test) if folder]
    unused = tuple(f"{name}/" for name in folders if used and name not in used)
    return Layout(root, train, test, unused)


def _find_root(path: Path) -> Path:
    """Returns the folder, or the only folder in it if that contains `train`."""
    if not path.is_dir():
        problem = "is not a folder" if path.exists() else "does not exist"
        raise UserError(f"--data-dir {path} {problem}; --dataset folder requires {_EXPECTED}")
    folders = _subfolders(path)
    if len(folders) == 1 and _TRAIN not in folders:
        (only,) = folders.values()
        if _TRAIN in _subfolders(only):
            return only
    return path


def _list_images(root: Path, notes: list[str]) -> dict[str, list[str]]:
    """Lists the images of each class, and adds a note about everything that is ignored.

    Returns:
        The paths of the images by class name. Both are sorted by name.
    """
    images: dict[str, list[str]] = {}
    folders: dict[str, Path] = {}
    nested: list[str] = []
    ignored: Counter[str] = Counter()
    for folder in _subfolders(root).values():
        name = _class_name(folder)
        if name in folders:
            raise UserError(
                f"{folders[name]} and {folder} are two spellings of the same class name; merge the "
                "folders"
            )
        folders[name], images[name] = folder, []
        for entry in _scan(folder):
            extension = os.path.splitext(entry.name)[1].lower()
            if _is_dir(entry):
                nested.append(entry.path)
            elif _is_file(entry) and extension in EXTENSIONS:
                images[name].append(entry.path)
            else:
                ignored[extension or "without an extension"] += 1
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(ignored.items()))
    if ignored:
        notes.append(f"{root}: ignored {ignored.total()} files that are not images ({kinds})")
    if nested:
        notes.append(f"{root}: ignored folders inside the class folders: {_listed(nested)}")
    beside = [entry.name for entry in _scan(root) if not _is_dir(entry)]
    if not any(images.values()):
        found = [*(f"{name}/" for name in images), *beside]
        raise UserError(
            f"{root} contains no images in class folders. Expected: {_EXPECTED}, with images named "
            f"{' '.join(f'*{extension}' for extension in EXTENSIONS)}. Found: "
            f"{_listed(found) or 'nothing'}"
            + (f"; in the class folders: {kinds}" if ignored else "")
            + (f"; folders inside the class folders: {_listed(nested)}" if nested else "")
        )
    if beside:
        notes.append(
            f"{root}: ignored {len(beside)} files beside the class folders ({_listed(beside)})"
        )
    return dict(sorted(images.items()))


def _check_training_classes(paths: dict[str, list[str]], root: Path) -> None:
    empty = [name for name, images in paths.items() if not images]
    if empty:
        raise UserError(
            f"{root}: there are no training images of {_listed(empty)}; add some, or remove the "
            "folder"
        )
    if len(paths) < 2:
        raise UserError(
            f"{root} contains only one class, {_listed(list(paths))}, but classification needs at "
            f"least two. Expected: {_EXPECTED}"
        )


def _hold_out_test_files(
    files: Files, fraction: float, root: Path, notes: list[str]
) -> tuple[Files, Files]:
    """Splits files into training and test files."""
    test = stratified_sample_by_name(files.portable_names(), files.labels, fraction)
    if not len(test):
        raise UserError(
            f"{root}: no class has two or more images, so none can be held out for testing"
        )
    train = np.setdiff1d(np.arange(len(files)), test, assume_unique=True)
    notes.append(f"{len(test)} of {len(files)} images are held out for testing")
    return files.take(train), files.take(test)


def _load_test_files(
    test_dir: Path, class_names: tuple[str, ...], train_dir: Path, notes: list[str]
) -> Files:
    paths = _list_images(test_dir, notes)
    unknown = [name for name in paths if name not in class_names and paths[name]]
    if unknown:
        raise UserError(
            f"{test_dir} contains classes that {train_dir} does not: {_listed(unknown)}. "
            f"{train_dir.name}/ contains {_listed(class_names)}"
        )
    missing = [name for name in class_names if not paths.get(name)]
    if missing:
        notes.append(f"{test_dir.name}/ has no images of {_listed(missing)}")
    return _to_files(paths, class_names)


def _to_files(paths: dict[str, list[str]], class_names: Sequence[str]) -> Files:
    """Returns the images of the classes, labelled in the order of `class_names`."""
    groups = [paths.get(name, []) for name in class_names]
    labels = np.repeat(np.arange(len(groups), dtype=np.int32), [len(group) for group in groups])
    return Files(tuple(path for group in groups for path in group), labels)


def _class_name(folder: Path) -> str:
    name = _composed(folder.name)
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{folder.parent}: the folder name {os.fsencode(folder.name)!r} is not valid UTF-8; "
            "rename the folder"
        ) from None
    return name


def _composed(name: str) -> str:
    """Returns a name with composed accented letters, since file systems may decompose them."""
    return unicodedata.normalize("NFC", name)


def _subfolders(path: Path) -> dict[str, Path]:
    """Returns the folders in a folder by name, in order."""
    return {
        entry.name: Path(entry.path)
        for entry in _scan(path)
        if _is_dir(entry) and entry.name not in _IGNORED_FOLDERS
    }


def _scan(path: Path) -> list[os.DirEntry[str]]:
    """Returns the entries of a folder that are not hidden, sorted by name."""
    try:
        with os.scandir(path) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    return sorted(visible, key=lambda entry: (_composed(entry.name), entry.name))


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # for example a symbolic link to itself
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _listed(names: Sequence[str]) -> str:
    """Joins names for a message, which names only the first few."""
    omitted = len(names) - _MAX_LISTED
    more = f" and {omitted} more" if omitted > 0 else ""
    return ", ".join(names[:_MAX_LISTED]) + more
