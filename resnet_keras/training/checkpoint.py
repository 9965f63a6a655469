"""Checkpoint files: the state of a run after a step, with a checksum.

A file exists completely or not at all, and a damaged file is never loaded.
"""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from resnet_keras.errors import UserError
from resnet_keras.files import atomic_write, make_folder

# Two, so that there is still one if the newest is damaged.
_CHECKPOINTS_TO_KEEP = 2
_DAMAGED_SUFFIX = ".damaged"
_DIGEST_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Checkpoint:
    """The contents of a checkpoint.

    Attributes:
        step: the number of steps that are done.
        arrays: the variables by name; see `training.state.capture`.
        extra: further values of the run, as JSON.
        path: the file.
    """

    step: int
    arrays: dict[str, np.ndarray]
    extra: dict[str, Any]
    path: Path


def save(
    folder: Path | str, step: int, arrays: dict[str, np.ndarray], extra: dict[str, Any]
) -> Path:
    """Writes a checkpoint and deletes all but the newest two.

    The file is an npz archive followed by the SHA-256 digest of its bytes.

    Args:
        folder: the folder of checkpoints. It is created if needed.
        step: the number of steps that are done.
        arrays: the variables by name.
        extra: further values, which must be serializable as JSON.

    Returns:
        The file.

    Raises:
        UserError: if it cannot be written. Earlier checkpoints remain intact.

    Example:

    >>> save("checkpoints", 500, {"weights": np.zeros((3, 4))}, {"seconds": 12.5}).name
    'step-000000500.ckpt'
    """
    folder = make_folder(folder)
    path = folder / f"step-{step:09d}.ckpt"
    buffer = io.BytesIO()
    header = np.frombuffer(json.dumps({"step": step, **extra}).encode(), np.uint8)
    # mypy takes the arrays for the argument `allow_pickle`.
    np.savez(buffer, __header__=header, **arrays)  # type: ignore[arg-type]
    payload = buffer.getbuffer()
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        file.write(payload)
        file.write(hashlib.sha256(payload).digest())
    for old in paths(folder)[:-_CHECKPOINTS_TO_KEEP]:
        old.unlink(missing_ok=True)
    return path


def paths(folder: Path | str) -> list[Path]:
    """Returns the checkpoint files in a folder, in the order of their steps.

    Args:
        folder: the folder of checkpoints. It need not exist.

    Example:

    >>> for step in (1000, 500):
    ...     _ = save("checkpoints", step, {}, {})
    >>> [path.name for path in paths("checkpoints")]
    ['step-000000500.ckpt', 'step-000001000.ckpt']
    """
    found = [(_step_of(path), path) for path in Path(folder).glob("step-*.ckpt")]
    return [path for _, path in sorted((step, path) for step, path in found if step is not None)]


def load(path: Path | str) -> Checkpoint:
    """Reads a checkpoint.

    Args:
        path: the file.

    Raises:
        UserError: if it cannot be read, is damaged, or is not a checkpoint.

    Example:

    >>> path = save("checkpoints", 500, {"weights": np.zeros((3, 4))}, {"seconds": 12.5})
    >>> checkpoint = load(path)
    >>> checkpoint.step, checkpoint.arrays["weights"].shape, checkpoint.extra
    (500, (3, 4), {'seconds': 12.5})
    """
    return parse(_read(Path(path)), Path(path))


def parse(data: bytes, path: Path) -> Checkpoint:
    """Parses the contents of a checkpoint file.

    Args:
        data: the bytes of the whole file.
        path: the file, for messages and for the result.

    Raises:
        UserError: if the file is damaged or is not a checkpoint.

    Example:

    >>> path = save("checkpoints", 500, {}, {})
    >>> parse(path.read_bytes(), path).step
    500
    """
    payload, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if len(data) <= _DIGEST_BYTES or hashlib.sha256(payload).digest() != digest:
        raise UserError(f"the checkpoint {path} is damaged: its checksum does not match")
    try:
        with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        extra = json.loads(arrays.pop("__header__").tobytes())
        return Checkpoint(extra.pop("step"), arrays, extra, path)
    except (KeyError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is not a checkpoint of this program: {error}") from error


def load_newest(folder: Path | str, report: Callable[[str], None]) -> Checkpoint | None:
    """Returns the newest intact checkpoint, or `None` if there are no checkpoints.

    Damaged checkpoints are renamed, so that they do not count among those to keep.

    Args:
        folder: the folder of checkpoints. It need not exist.
        report: called with one line for each damaged checkpoint.

    Raises:
        UserError: if all checkpoints are damaged, including those renamed earlier, or if one cannot
            be read. Such a checkpoint is not renamed, because the cause may be temporary.

    Example:

    >>> for step in (500, 1000):
    ...     path = save("checkpoints", step, {}, {})
    >>> path.write_bytes(path.read_bytes()[:-1]) > 0
    True
    >>> load_newest("checkpoints", report=lambda line: None).step
    500
    """
    for path in reversed(paths(folder)):
        data = _read(path)
        try:
            return parse(data, path)
        except UserError as error:
            renamed = path.with_suffix(_DAMAGED_SUFFIX)
            report(f"{error}; it is renamed to {renamed.name}")
            path.rename(renamed)
    damaged = list(Path(folder).glob(f"step-*{_DAMAGED_SUFFIX}"))
    if damaged:
        raise UserError(
            f"all {len(damaged)} checkpoints in {folder} are damaged (their names now end in "
            f"{_DAMAGED_SUFFIX}): restore a copy, or start over with --resume never"
        )
    return None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def _step_of(path: Path) -> int | None:
    match = re.fullmatch(r"step-(\d+)\.ckpt", path.name)
    return int(match[1]) if match else None
