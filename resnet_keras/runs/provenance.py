"""The provenance of a run: package versions, the Git commit and the command line."""

import contextlib
import importlib.metadata
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import resnet_keras

_PACKAGES = ("tensorflow", "keras", "numpy", "jax")


def collect(backend: str) -> dict[str, Any]:
    """Returns what `config.json` and model cards record about the program that wrote them.

    Args:
        backend: the Keras backend.

    Returns:
        A JSON object with the keys `versions`, `git_commit` and `command`.

    Example:

    >>> sorted(collect("tensorflow"))
    ['command', 'git_commit', 'versions']
    """
    return {
        "versions": versions(backend),
        "git_commit": git_commit(),
        "command": command_line(),
    }


def versions(backend: str) -> dict[str, str]:
    """Returns the versions of this program, of Python and of the numerical packages.

    Args:
        backend: the Keras backend, which is recorded as well.

    Returns:
        Versions by package name. Packages that are not installed are left out.

    Example:

    >>> versions("jax")["backend"]
    'jax'
    >>> {"resnet_keras", "python", "keras"} <= versions("jax").keys()
    True
    """
    found = {"resnet_keras": resnet_keras.__version__, "python": platform.python_version()}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    found["backend"] = backend
    return found


def git_commit() -> str | None:
    """Returns the Git commit of the program.

    Returns:
        The abbreviated hash, with a trailing `+` if tracked files were changed; `None` if the
        program does not run from a Git checkout.

    Example:

    >>> commit = git_commit()
    >>> commit is None or len(commit.rstrip("+")) >= 12
    True
    """
    package = Path(resnet_keras.__file__).parent
    if not (package.parent / ".git").exists():
        return None
    try:
        commit = _git(package, "rev-parse", "--short=12", "HEAD")
        return commit + ("+" if _git(package, "status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def command_line() -> str:
    """Returns the command line of this process, quoted for a shell.

    Returns:
        A command that does the same if it is run in the same folder.

    Example:

    >>> isinstance(command_line(), str)
    True
    """
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        words = ["python", "-m", program.parent.name]
    else:
        words = ["python", program.name] if program.suffix == ".py" else [program.name]
    return shlex.join([*words, *sys.argv[1:]])


def _git(folder: Path, *arguments: str) -> str:
    completed = subprocess.run(
        ["git", "-C", folder, *arguments], capture_output=True, text=True, timeout=10, check=True
    )
    return completed.stdout.strip()
