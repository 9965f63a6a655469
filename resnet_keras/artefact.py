"""Finds the trained network that a path from the command line refers to.

Every command that takes a run folder, a `.keras` file or a SavedModel resolves its path with
`resolve_artefact`.
"""

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from resnet_keras.errors import UserError

# The trained network in a run folder.
MODEL_FILE = "model.keras"
# The graph in a version folder. TensorFlow chooses the name.
SAVED_MODEL_FILE = "saved_model.pb"
# A run folder has it from the start of the run; `MODEL_FILE` is added at the end.
RUN_CONFIG_FILE = "config.json"


class Format(enum.Enum):
    """The file format of a trained network."""

    KERAS = "Keras"
    SAVED_MODEL = "SavedModel"


@dataclass(frozen=True)
class Artefact:
    """A trained network on disk.

    Attributes:
        path: a `.keras` file, or the version folder of a SavedModel, such as
            `saved_models/resnet20-A/1`.
        format: which of the two it is.
    """

    path: Path
    format: Format


def resolve_artefact(
    path: Path | str, *formats: Format, alternative: str | None = None
) -> Artefact:
    """Returns the trained network that a path refers to.

    | `path` | returns |
    |---|---|
    | a file | that `.keras` file |
    | a run folder, `runs/NAME` | its `model.keras` |
    | an export folder, `saved_models/NAME` | its newest version |
    | a version folder, `saved_models/NAME/1` | that version |

    Only names and existence are checked; the network is not loaded.

    Args:
        path: what the user typed.
        formats: the formats that the caller can use; all of them if none is given. If a folder
            contains both, the SavedModel takes precedence.
        alternative: what else the caller accepts, for the message about a missing path, such as
            `"a model's URL"`.

    Raises:
        UserError: if the path does not exist or cannot be read, contains no network in one of
            these formats, or is the folder of a run that is not complete.

    Example:

    >>> from pathlib import Path
    >>> for version in ("1", "2"):
    ...     folder = Path("saved_models", "resnet20-A", version)
    ...     folder.mkdir(parents=True)
    ...     (folder / "saved_model.pb").touch()
    >>> artefact = resolve_artefact("saved_models/resnet20-A")
    >>> artefact.path.as_posix(), artefact.format.value
    ('saved_models/resnet20-A/2', 'SavedModel')
    """
    path, formats = Path(path), formats or tuple(Format)
    try:
        found = list(_networks(path))
        for artefact in found:
            if artefact.format in formats:
                _check_complete(artefact)
                return artefact
        raise UserError(_why_not(path, formats, bool(found), alternative))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def newest_version(folder: Path | str) -> Path | None:
    """Returns the version folder with the highest number, or `None` if there is no version.

    Versions are numbered as TensorFlow Serving numbers them: see `version_number`. If two names
    mean the same number, such as `1` and `01`, the shorter one is returned.

    Args:
        folder: an export folder, such as `saved_models/resnet20-A`.

    Raises:
        OSError: if the folder cannot be read.

    Example:

    >>> from pathlib import Path
    >>> for name in ("9", "10", "draft"):
    ...     Path("resnet20-A", name).mkdir(parents=True)
    >>> newest_version("resnet20-A").name
    '10'
    """
    versions = [
        (number, -len(entry.name), entry)
        for entry in Path(folder).iterdir()
        if (number := version_number(entry.name)) is not None and entry.is_dir()
    ]
    return max(versions)[-1] if versions else None


def version_number(name: str) -> int | None:
    """Returns the version that a file name stands for, or `None` if it is not a version.

    TensorFlow Serving ignores folders whose names are not numbers, and reads `01` as 1.

    Example:

    >>> version_number("12"), version_number("01"), version_number(".3.tmp")
    (12, 1, None)
    """
    return int(name) if re.fullmatch("[0-9]+", name) else None


def _networks(path: Path) -> Iterator[Artefact]:
    """Yields the networks that a path may refer to, by precedence."""
    if path.is_file():
        yield Artefact(path, Format.KERAS)
    if not path.is_dir():
        return
    version = path if (path / SAVED_MODEL_FILE).is_file() else newest_version(path)
    if version:
        yield Artefact(version, Format.SAVED_MODEL)
    if (path / MODEL_FILE).is_file():
        yield Artefact(path / MODEL_FILE, Format.KERAS)


def _check_complete(artefact: Artefact) -> None:
    if artefact.format is Format.KERAS or (artefact.path / SAVED_MODEL_FILE).is_file():
        return
    raise UserError(
        f"{artefact.path} is the newest version but contains no {SAVED_MODEL_FILE}: delete it or "
        "choose another version"
    )


def _why_not(
    path: Path, formats: tuple[Format, ...], has_other_format: bool, alternative: str | None
) -> str:
    """Returns the message for a path that refers to no network in one of `formats`."""
    keras, saved_model = Format.KERAS in formats, Format.SAVED_MODEL in formats
    if not path.exists():
        expected = ["an export folder such as saved_models/NAME"] if saved_model else []
        expected += ["the folder of a finished run", "a .keras file"] if keras else []
        expected += [alternative] if alternative else []
        return f"{path} does not exist: give {_either(expected)}"
    if has_other_format and saved_model:
        return (
            f"{path} is not a SavedModel: create one from a finished run or a .keras file with "
            f"python -m resnet_keras export {path}"
        )
    if has_other_format:
        return (
            f"{path} is a SavedModel, which cannot be used here: give the folder of a finished "
            "run or a .keras file"
        )
    if (path / RUN_CONFIG_FILE).is_file():
        return (
            f"the run folder {path} has no {MODEL_FILE}: the run is not complete, or it is a copy "
            "without the network. The command that started the run resumes it"
        )
    if not saved_model:
        return (
            f"{path} contains no {MODEL_FILE}: give the folder of a finished run or a .keras file"
        )
    if not keras:
        return (
            f"{path} is not a SavedModel: it contains neither {SAVED_MODEL_FILE} nor version "
            "folders (1, 2, …)"
        )
    return (
        f"{path} is neither a SavedModel nor a finished run: it contains no {SAVED_MODEL_FILE}, "
        f"no version folders (1, 2, …) and no {MODEL_FILE}"
    )


def _either(options: list[str]) -> str:
    *first, last = options
    return f"{', '.join(first)} or {last}" if first else last
