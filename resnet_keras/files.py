"""Writing files and folders completely or not at all, and reading JSON objects."""

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from pathlib import Path

from resnet_keras.errors import UsageError, UserError

# Most file systems allow 255; what is written beside its place has a longer name.
LONGEST_NAME = 200


@contextlib.contextmanager
def written_whole(path: Path):
    """Gives a path beside `path` to write a file to; it takes its place at the end, synced.

    If the block fails, what was written is removed and an older `path` is left as it was.

    Raises:
        UserError: where the folder cannot be written or the disk is full.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield beside
        _sync(beside)
        os.replace(beside, path)
        _sync(path.parent)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_written_whole(path: Path):
    """Gives an empty folder beside `path` to fill; it becomes `path` at the end, synced.

    `path` must not exist. A reader of the parent never sees it half-written; until it is done the
    folder's name begins with a dot and is no number, which TF Serving passes over.

    Raises:
        UserError: where the folder cannot be written, the disk is full, or `path` appeared.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
        try:
            yield beside
            beside.chmod(0o777 & ~_umask())
            for root, _, names in os.walk(beside):
                for name in names:
                    _sync(Path(root, name))
                _sync(Path(root))
            os.rename(beside, path)
            _sync(path.parent)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def remove_unfinished(folder: Path) -> None:
    """Removes files that `written_whole` was still writing in a folder when its process was killed.

    For folders in which no other process writes now.
    """
    # Keras' own files need their ending: a block may have put it behind the name it was given.
    for path in Path(folder).glob(".*.tmp*"):
        with contextlib.suppress(OSError):
            path.unlink()


def one_component(name: object, what: str) -> str:
    """Returns a name that can be a folder's, alone: no path, not empty, not too long.

    Raises:
        UsageError: if it cannot; `what` says whose name it is.
    """
    if not isinstance(name, str) or name in ("", ".", "..") or set(name) & set("/\\\0"):
        raise UsageError(f"{what} is one path component. Received: {name!r}")
    length = len(os.fsencode(name))
    if length > LONGEST_NAME:
        raise UsageError(f"{what} has at most {LONGEST_NAME} bytes. Received: {length}")
    return name


@contextlib.contextmanager
def folder_locked(path: Path):
    """Makes a folder and waits until no other process is in this block for it.

    Raises:
        UserError: where it cannot be made or locked.
    """
    make_folder(path)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> Path:
    """Makes a folder with its parents, or says why it cannot be.

    Raises:
        UserError: where it cannot be made or written to.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {path}: {error.strerror or error}") from error
    if not os.access(path, os.W_OK):
        raise UserError(f"cannot write to the folder {path}: permission denied")
    return path


def write_text(path: Path, text: str) -> None:
    """Writes a text file and its folder.

    Raises:
        UserError: if that cannot be done.
    """
    make_folder(path.parent)
    with written_whole(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: Path, values: dict) -> None:
    """Writes a JSON object to a file, completely or not at all.

    Raises:
        UserError: if the file cannot be written.
    """
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", "utf-8")


def read_json(path: Path) -> dict:
    """Reads a JSON object from a file.

    Raises:
        UserError: if the file is missing, or is not a JSON object.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    if not isinstance(values, dict):
        raise UserError(
            f"cannot read {path}: expected a JSON object. Received: {type(values).__name__}"
        )
    return values


def _sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
