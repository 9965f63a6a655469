"""Files and folders that are written completely or not at all, and JSON objects in files."""

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from resnet_keras.errors import UsageError, UserError

# Most file systems allow 255 bytes; the names of temporary files are longer than the final name.
_LONGEST_NAME = 200


@contextlib.contextmanager
def atomic_write(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path next to `path`; moves the file there to `path` at the end.

    The file is synced to disk first. If the block raises, the temporary file is removed and an
    existing file at `path` stays as it was.

    Args:
        path: the file to write. Its folder must exist.

    Yields:
        The path to write to within the block.

    Raises:
        UserError: if the file cannot be written, for example because the disk is full.

    Example:

    >>> with atomic_write("notes.txt") as temporary:
    ...     _ = temporary.write_text("complete")
    >>> Path("notes.txt").read_text()
    'complete'
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Yields an empty temporary folder next to `path`; renames it to `path` at the end.

    All files in it are synced to disk first. A reader of the parent folder never sees a partly
    written folder: the temporary name starts with a dot and is not a number, so TensorFlow Serving
    ignores it.

    Args:
        path: the folder to create. It must not exist; its parents are created if needed.

    Yields:
        The folder to fill within the block.

    Raises:
        UserError: if the folder cannot be written, or `path` exists by the end of the block.

    Example:

    >>> with atomic_folder("export/1") as temporary:
    ...     _ = (temporary / "model.txt").write_text("weights")
    >>> Path("export/1/model.txt").read_text()
    'weights'
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
        try:
            yield temporary
            # `mkdtemp` creates a folder that only its owner can read.
            temporary.chmod(0o777 & ~_umask())
            for root, _, names in os.walk(temporary):
                for name in names:
                    _sync(Path(root, name))
                _sync(Path(root))
            os.rename(temporary, path)
            _sync(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def remove_unfinished(folder: Path | str) -> None:
    """Removes the temporary files that killed processes left in a folder.

    Call it only if no other process is writing to the folder with `atomic_write`.

    Args:
        folder: the folder. It need not exist.

    Example:

    >>> _ = Path(".metrics.csv.4242.tmp").write_text("step,lo")
    >>> remove_unfinished(".")
    >>> Path(".metrics.csv.4242.tmp").exists()
    False
    """
    # Callers may append a suffix to the temporary path: Keras requires `.keras`, for example.
    for path in Path(folder).glob(".*.tmp*"):
        with contextlib.suppress(OSError):
            path.unlink()


@contextlib.contextmanager
def folder_lock(path: Path | str) -> Iterator[None]:
    """Creates a folder if needed, and locks it for the duration of the block.

    Waits while another process holds the lock.

    Args:
        path: the folder.

    Raises:
        UserError: if the folder cannot be created or written to.

    Example:

    >>> with folder_lock("saved_models"):
    ...     Path("saved_models").is_dir()
    True
    """
    path = make_folder(path)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def make_folder(path: Path | str) -> Path:
    """Creates a folder and its parents, if they do not exist.

    Args:
        path: the folder.

    Returns:
        The folder as a `Path`.

    Raises:
        UserError: if the folder cannot be created or is not writable.

    Example:

    >>> make_folder("runs/resnet20").is_dir()
    True
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot create the folder {path}: {error.strerror or error}") from error
    if not os.access(path, os.W_OK):
        raise UserError(f"cannot write to the folder {path}: permission denied")
    return path


def path_component(name: object, what: str) -> str:
    """Checks that a name can be used as the name of a file or folder.

    Args:
        name: the name to check.
        what: what the name is called in the error message, such as `"--name"`.

    Returns:
        The name.

    Raises:
        UsageError: if the name is empty, contains a path separator, or is longer than 200 bytes.

    Example:

    >>> path_component("resnet20-A", "--name")
    'resnet20-A'
    >>> path_component("runs/resnet20-A", "--name")
    Traceback (most recent call last):
    resnet_keras.errors.UsageError: --name must be a single path component. Received: ...
    """
    if not isinstance(name, str) or name in ("", ".", "..") or set(name) & set("/\\\0"):
        raise UsageError(f"{what} must be a single path component. Received: {name!r}")
    length = len(os.fsencode(name))
    if length > _LONGEST_NAME:
        raise UsageError(
            f"{what} must have at most {_LONGEST_NAME} bytes. Received: {length} bytes"
        )
    return name


def write_text(path: Path | str, text: str) -> None:
    """Writes a UTF-8 text file completely or not at all, and creates its folder if needed.

    Args:
        path: the file.
        text: its contents.

    Raises:
        UserError: if the file cannot be written.

    Example:

    >>> write_text("report/index.md", "# Report")
    >>> Path("report/index.md").read_text()
    '# Report'
    """
    path = Path(path)
    make_folder(path.parent)
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, values: dict) -> None:
    """Writes a JSON object to a file, completely or not at all.

    Args:
        path: the file. Its folder must exist.
        values: the object.

    Raises:
        UserError: if the file cannot be written.

    Example:

    >>> write_json("result.json", {"test_error": 8.75})
    >>> read_json("result.json")
    {'test_error': 8.75}
    """
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", "utf-8")


def read_json(path: Path | str) -> dict:
    """Reads a JSON object from a file.

    Args:
        path: the file.

    Returns:
        The object.

    Raises:
        UserError: if the file is missing, or does not contain a JSON object.

    Example:

    >>> _ = Path("config.json").write_text('{"seed": 0}')
    >>> read_json("config.json")["seed"]
    0
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise UserError(f"cannot read {path}: it is not valid JSON ({error})") from error
    if not isinstance(values, dict):
        raise UserError(
            f"cannot read {path}: expected a JSON object. Received: {type(values).__name__}"
        )
    return values


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    # There is no way to read the mask without setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
