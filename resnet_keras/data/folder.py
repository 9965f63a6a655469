"""Your own images: a folder a class."""

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resnet_keras.data.dataset import Dataset, Files
from resnet_keras.data.holdout import named_share
from resnet_keras.errors import UsageError, UserError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".gif", ".bmp")
# The share of each class that errors are reported on where no folder holds such images.
TEST_FRACTION = 0.2
_TRAIN, _TESTS = "train", ("val", "valid", "validation", "test")
# Left behind by archives and file systems.
_NOT_OURS = ("__MACOSX", "lost+found")
_NAMED = 5

FORMS = (
    "DIR/train/<class>/* and DIR/val/<class>/*, or DIR/<class>/* of which --validation-fraction "
    "is kept for the test"
)


def load(data_dir: str | None, validation_fraction: float | None = None) -> Dataset:
    """Lists the images in `data_dir`; none is opened.

    Either `data_dir/train/<class>/*` is trained on and `data_dir/val/<class>/*` (`valid`,
    `validation`, or else `test`) is what errors are reported on; or there is `data_dir/<class>/*`
    alone, or `train` alone, and a share of each class is kept for that. A folder that holds
    nothing but such a folder will do as well. Any other folder beside `train` is named in the
    notes.

    An image is a file directly in its class's folder that is called `*.jpg`, `*.jpeg`, `*.png`,
    `*.gif` or `*.bmp` in capitals or not. What is hidden (`.name`) is passed over; other files,
    and links that lead nowhere, are counted in the data set's notes. Classes are in the order of
    their names, as strings by code points: `10` comes before `2`, as in Keras and torchvision.
    Names that are spelled with composed and with decomposed accents are the same name: neither the
    images' order nor the share that is kept depends on it.

    Args:
        data_dir: the folder.
        validation_fraction: the share, above 0 and below 1; `None` takes `TEST_FRACTION`.

    Returns:
        The data set; its images are `Files`.

    Raises:
        UsageError: if `data_dir` is not given, or a share is where images for the test exist.
        UserError: if the folder does not hold classes of images, one of them has none to train
            on, or the test has a class that the training has not.
    """
    if not data_dir:
        raise UsageError(f"--dataset folder needs --data-dir DIR: {FORMS}")
    root = _root(Path(data_dir).expanduser())
    notes: list[str] = []
    parts = _folders(root)
    train_root = parts.get(_TRAIN, root)
    test_name = next((name for name in _TESTS if name in parts), None) if _TRAIN in parts else None
    unused = [f"{name}/" for name in parts if name not in (_TRAIN, test_name)]
    if _TRAIN in parts and unused:
        place = f"{test_name}/" if test_name else f"a share of {_TRAIN}/"
        notes.append(f"errors are reported on {place}; not used: {_listed(unused)}")
    train = _classes(train_root, notes)
    empty = [name for name, files in train.items() if not files]
    _check(train, empty, train_root)
    names = tuple(train)
    if test_name is None:
        every = _files(train, names)
        fraction = TEST_FRACTION if validation_fraction is None else validation_fraction
        kept = named_share(every.portable_names(), every.labels, fraction)
        rest = np.setdiff1d(np.arange(len(every)), kept, assume_unique=True)
        if not len(kept):
            raise UserError(
                f"{train_root}: no class has two images, so that none can be kept for the test"
            )
        notes.append(f"{len(kept)} of {len(every)} images are kept for the test")
        return Dataset("folder", names, every.take(rest), every.take(kept), notes=tuple(notes))
    if validation_fraction is not None:
        raise UsageError(
            f"{root / test_name} holds the images that errors are reported on; leave out "
            "--validation-fraction (--validation-size holds images of train/ out besides)"
        )
    test = _classes(root / test_name, notes)
    _check_test(test, names, root, test_name)
    without = [name for name in names if not test.get(name)]
    if without:
        notes.append(f"{test_name}/ has no images of {_listed(without)}")
    found = _files({name: test.get(name, []) for name in names}, names)
    return Dataset("folder", names, _files(train, names), found, notes=tuple(notes))


@dataclass(frozen=True)
class Layout:
    """What a folder holds.

    Attributes:
        root: the folder, or the one that it holds and nothing else.
        train: whether it has `train/`.
        test: `val/` or whatever it is called there; `None` if there is none.
        unused: the folders beside `test`.
    """

    root: Path
    train: bool
    test: Path | None
    unused: tuple[str, ...]


def layout(data_dir: str, class_names: Sequence[str]) -> Layout:
    """Looks at a folder as somebody does who only measures: `val/` may stand without `train/`.

    Args:
        data_dir: the folder.
        class_names: of these, none is a folder for the test where there is no `train/`.

    Raises:
        UserError: if there is no such folder.
    """
    root = _root(Path(data_dir).expanduser())
    parts = _folders(root)
    classes = () if _TRAIN in parts else class_names
    found = (name for name in _TESTS if name in parts and name not in classes)
    test = next((parts[name] for name in found if _folders(parts[name])), None)
    unused = tuple(f"{name}/" for name in parts if test and name != test.name)
    return Layout(root, _TRAIN in parts, test, unused)


def load_all(data_dir: str | None, class_names: Sequence[str]) -> Dataset:
    """Lists all images of `data_dir/<class>/*`, or of a `val/` that stands without `train/`, to
    measure a network on that was trained elsewhere.

    Args:
        data_dir: the folder.
        class_names: the network's; not all of them need images.

    Returns:
        The data set, with nothing to train on.

    Raises:
        UsageError: if `data_dir` is not given, or holds `train/`.
        UserError: if it does not hold classes of images, or another class than these.
    """
    if not data_dir:
        raise UsageError("all images of a folder need the folder: --data-dir DIR")
    found = layout(data_dir, class_names)
    if found.train:
        raise UsageError(
            f"--all-images is for DIR/<class>/*, and {found.root} holds {_TRAIN}/: leave it out, "
            f"or give --data-dir {found.root / _TRAIN} or another of its folders"
        )
    root, notes = found.test or found.root, []
    if found.unused:
        notes.append(f"measured on {root.name}/; not used: {_listed(found.unused)}")
    classes = _classes(root, notes)
    strange = [name for name in classes if name not in class_names and classes[name]]
    if strange:
        raise UserError(
            f"{root} has classes that the network does not know: {_listed(strange)}. It knows "
            f"{_listed(class_names)}"
        )
    without = [name for name in class_names if not classes.get(name)]
    if without:
        notes.append(f"{root}: no images of {_listed(without)}")
    files = _files({name: classes.get(name, []) for name in class_names}, class_names)
    return Dataset("folder", tuple(class_names), files.take(slice(0)), files, notes=tuple(notes))


def _root(path):
    """Returns the folder itself, or the one that it holds and nothing else."""
    if not path.is_dir():
        what = "is no folder" if path.exists() else "does not exist"
        raise UserError(f"--data-dir {path} {what}; --dataset folder needs {FORMS}")
    inner = _folders(path)
    if len(inner) == 1 and _TRAIN not in inner:
        (only,) = inner.values()
        if _TRAIN in _folders(only):
            return only
    return path


def _scan(path):
    """Returns what is in a folder and not hidden, sorted by name."""
    try:
        with os.scandir(path) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    return sorted(found, key=lambda entry: (_composed(entry.name), entry.name))


def _folders(path):
    return {
        entry.name: Path(entry.path)
        for entry in _scan(path)
        if _is(entry.is_dir) and entry.name not in _NOT_OURS
    }


def _is(question):
    """Returns an entry's answer; a link that leads to itself is neither a file nor a folder."""
    try:
        return question()
    except OSError:
        return False


def _classes(root, notes):
    """Returns the paths of each class's images, by class, both sorted by name."""
    found, ignored, deeper, sources = {}, Counter(), [], {}
    for folder in _folders(root).values():
        name = _class_name(folder)
        if name in sources:
            raise UserError(
                f"{sources[name]} and {folder} spell one name in two ways; put them together"
            )
        sources[name], found[name] = folder, []
        for entry in _scan(folder):
            extension = os.path.splitext(entry.name)[1].lower()
            if _is(entry.is_dir):
                deeper.append(entry.path)
            elif _is(entry.is_file) and extension in EXTENSIONS:
                found[name].append(entry.path)
            else:
                ignored[extension or "without an extension"] += 1
    beside = [entry.name for entry in _scan(root) if not _is(entry.is_dir)]
    if ignored:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(ignored.items()))
        notes.append(f"{root}: ignored {sum(ignored.values())} files that are no images ({kinds})")
    if deeper:
        notes.append(f"{root}: ignored folders inside of classes: {_listed(deeper)}")
    if not any(found.values()):
        seen = [*(f"{name}/" for name in found), *beside]
        more = f"; in them: {kinds}" if ignored else ""
        raise UserError(
            f"{root} holds no images in folders of classes; needed: {FORMS}, images being "
            f"{' '.join(EXTENSIONS)}. Seen: {_listed(seen) or 'nothing'}{more}"
            + (f"; folders inside of classes: {_listed(deeper)}" if deeper else "")
        )
    if beside:
        notes.append(f"{root}: ignored {len(beside)} files beside the classes ({_listed(beside)})")
    return dict(sorted(found.items()))


def _composed(name):
    """Returns a name with composed accents: a copy to another machine may spell it otherwise."""
    return unicodedata.normalize("NFC", name)


def _class_name(folder):
    name = _composed(folder.name)
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{folder.parent}: the class {os.fsencode(folder.name)!r} has no name in UTF-8; rename "
            "the folder"
        ) from None
    return name


def _check(train, empty, root):
    if empty:
        raise UserError(
            f"{root}: no images to train on in {_listed(empty)}; put some there, or remove the "
            "folder"
        )
    if len(train) < 2:
        raise UserError(
            f"{root} holds one class alone, {_listed(list(train))}: there is nothing to tell "
            f"apart. Needed: {FORMS}"
        )


def _check_test(test, names, root, test_name):
    strange = [name for name in test if name not in names and test[name]]
    if strange:
        raise UserError(
            f"{root / test_name} has classes that {root / _TRAIN} has not: {_listed(strange)}. "
            f"{_TRAIN}/ has {_listed(list(names))}"
        )


def _files(classes, names):
    paths = [path for name in names for path in classes[name]]
    counts = [len(classes[name]) for name in names]
    return Files(tuple(paths), np.repeat(np.arange(len(names), dtype=np.int32), counts))


def _listed(names):
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(str, names[:_NAMED])) + more
