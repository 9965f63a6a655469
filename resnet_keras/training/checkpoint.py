"""Checkpoints: the state of a run at one step, complete or absent, and never silently wrong."""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resnet_keras.errors import UserError
from resnet_keras.files import make_folder, written_whole

KEPT = 2
DAMAGED = ".damaged"
_DIGEST_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Checkpoint:
    """What `load` read.

    Attributes:
        step: steps done.
        arrays: the state's arrays by name.
        extra: the JSON values that were saved along.
        path: the file.
    """

    step: int
    arrays: dict[str, np.ndarray]
    extra: dict
    path: Path


def save(folder: Path, step: int, arrays: dict[str, np.ndarray], extra: dict) -> Path:
    """Writes a checkpoint and removes all but the last two.

    The file is an npz archive with the SHA-256 of its bytes behind it; it is written beside its
    place, synced and renamed.

    Raises:
        UserError: if it cannot be written. Earlier checkpoints are then intact.
    """
    folder = make_folder(folder)
    path = folder / f"step-{step:09d}.ckpt"
    buffer = io.BytesIO()
    header = np.frombuffer(json.dumps({"step": step, **extra}).encode(), np.uint8)
    np.savez(buffer, __header__=header, **arrays)
    payload = buffer.getbuffer()
    with written_whole(path) as beside, open(beside, "wb") as file:
        file.write(payload)
        file.write(hashlib.sha256(payload).digest())
    for old in paths(folder)[:-KEPT]:
        old.unlink(missing_ok=True)
    return path


def paths(folder: Path) -> list[Path]:
    """Returns the checkpoint files of a folder, oldest step first."""
    found = [path for path in Path(folder).glob("step-*.ckpt") if _step_of(path) is not None]
    return sorted(found, key=_step_of)


def load(path: Path) -> Checkpoint:
    """Reads one checkpoint.

    Raises:
        UserError: if it is truncated, altered or no checkpoint.
    """
    return parse(_read(path), path)


def parse(data: bytes, path: Path) -> Checkpoint:
    """Reads the bytes of a checkpoint.

    Args:
        data: the whole file's.
        path: where they come from.

    Raises:
        UserError: as `load`.
    """
    payload, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if len(data) <= _DIGEST_BYTES or hashlib.sha256(payload).digest() != digest:
        raise UserError(f"the checkpoint {path} is damaged: its checksum does not match")
    try:
        with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        extra = json.loads(arrays.pop("__header__").tobytes())
        return Checkpoint(extra.pop("step"), arrays, extra, Path(path))
    except (KeyError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is no checkpoint of this program: {error}") from error


def load_newest(folder: Path, report: Callable[[str], None]) -> Checkpoint | None:
    """Returns the newest checkpoint that is whole, or `None` if there never was one.

    Args:
        folder: the run's checkpoint folder.
        report: takes a line for each damaged checkpoint that was passed over.

    Raises:
        UserError: if there are checkpoints and every one is damaged, now or the last time; or if
            one cannot be read, which may pass.
    """
    for path in reversed(paths(folder)):
        data = _read(path)
        try:
            return parse(data, path)
        except UserError as error:
            # Out of the way: it shall not count among those that are kept.
            aside = path.with_suffix(DAMAGED)
            report(f"{error}; it is called {aside.name} now")
            path.rename(aside)
    aside = list(Path(folder).glob(f"step-*{DAMAGED}"))
    if aside:
        raise UserError(
            f"all {len(aside)} checkpoints in {folder} are damaged. "
            f"Start over with --resume never, or put a copy back (they end in {DAMAGED} now)"
        )
    return None


def _read(path):
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def _step_of(path):
    match = re.fullmatch(r"step-(\d+)\.ckpt", path.name)
    return int(match[1]) if match else None
