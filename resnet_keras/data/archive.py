"""Reads named files from a folder or a `.tar.gz` archive into memory.

Nothing is extracted to disk, so a malicious archive cannot write outside its folder.
"""

import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from resnet_keras.errors import UserError

# The largest of CIFAR's files is the training file of CIFAR-100, with 155 million bytes.
MAX_BYTES = 256 * 2**20
_MAX_MEMBERS = 1000


def read_files(path: Path, folder: str, names: Sequence[str]) -> Iterator[tuple[str, str, bytes]]:
    """Reads files from a folder or an archive.

    Args:
        path: the folder that contains the files, or a `.tar.gz` that contains `folder`.
        folder: the folder inside the archive that contains the files.
        names: the names of the files.

    Yields:
        `(name, source, content)` for each file. `source` identifies the file in error messages.
        Files of a folder come in the order of `names`, files of an archive in the order in which
        it stores them.

    Raises:
        UserError: if a file is missing, is not a regular file, or is larger than `MAX_BYTES`; or
            if the archive is damaged, or contains links or paths that leave its folder.

    Example:

    >>> Path("notes").mkdir()
    >>> Path("notes", "a.txt").write_bytes(b"hello")
    5
    >>> [(name, content) for name, _, content in read_files(Path("notes"), "", ["a.txt"])]
    [('a.txt', b'hello')]
    """
    return _read_folder(path, names) if path.is_dir() else _read_archive(path, folder, names)


def _read_folder(path: Path, names: Sequence[str]) -> Iterator[tuple[str, str, bytes]]:
    for name in names:
        file = path / name
        if not file.is_file():
            raise UserError(f"{file}: no such file; {path} should contain {', '.join(names)}")
        try:
            _check_size(file, file.stat().st_size)
            content = file.read_bytes()
        except OSError as error:
            raise UserError(f"cannot read {file}: {error.strerror or error}") from error
        yield name, str(file), content


def _read_archive(
    path: Path, folder: str, names: Sequence[str]
) -> Iterator[tuple[str, str, bytes]]:
    remaining = {f"{folder}/{name}": name for name in names}
    members = _read_members(path, remaining)
    # Stop after the last requested file, so that the rest need not be decompressed.
    while remaining:
        try:
            member, content = next(members)
        except StopIteration:
            raise UserError(
                f"{path}: the archive does not contain {', '.join(sorted(remaining))}; it is "
                "incomplete, or not the official archive"
            ) from None
        except UserError:
            raise
        except OSError as error:
            if error.filename is None:
                raise _damaged_archive_error(path, error) from error
            raise UserError(f"cannot read {path}: {error.strerror}") from error
        # On damaged archives, tarfile raises its own errors and those of zlib and struct.
        except Exception as error:
            raise _damaged_archive_error(path, error) from error
        yield remaining.pop(member), f"{path}: {member}", content


def _read_members(path: Path, remaining: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """Yields `(name, content)` of the members in `remaining`, which the caller shrinks.

    All members up to the last of these are checked, including those that are not read.
    """
    with tarfile.open(path, "r:gz") as archive:
        for count, member in enumerate(archive):
            name = _checked_name(path, member)
            if count >= _MAX_MEMBERS:
                raise UserError(
                    f"{path}: the archive has more than {_MAX_MEMBERS} members, but CIFAR's have "
                    "about ten; download it again"
                )
            if name not in remaining:
                continue
            file = archive.extractfile(member) if member.isreg() else None
            if file is None:
                raise UserError(f"{path}: {name} is not a regular file in this archive")
            content = file.read()
            if len(content) != member.size:
                raise EOFError(f"{name} has {len(content)} of {member.size} bytes")
            yield name, content


def _checked_name(path: Path, member: tarfile.TarInfo) -> str:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or member.issym() or member.islnk():
        raise UserError(
            f"{path}: the archive contains {member.name!r}, which is a link or a path outside its "
            "folder; the official archive contains neither"
        )
    _check_size(f"{path}: {member.name}", member.size)
    return str(name)


def _check_size(source: Path | str, size: int) -> None:
    if not 0 <= size <= MAX_BYTES:
        raise UserError(
            f"{source}: the file has {size} bytes, but CIFAR's files have at most {MAX_BYTES}"
        )


def _damaged_archive_error(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{path}: the archive is truncated or damaged ({type(error).__name__}: {error}); "
        "download it again"
    )
