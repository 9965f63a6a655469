"""What produced a run: the versions, the commit and the command line."""

import importlib.metadata
import platform
import shlex
import subprocess
import sys
from pathlib import Path

import resnet_keras

_PACKAGES = ("tensorflow", "keras", "numpy", "jax")


def made_with(backend: str) -> dict:
    """Returns what `config.json` and model cards record: versions, commit and command line.

    Args:
        backend: the Keras backend.
    """
    return {
        "versions": versions(backend),
        "git_commit": git_commit(),
        "command": command(),
    }


def versions(backend: str) -> dict[str, str]:
    """Returns the versions of this program, of Python and of the packages that compute.

    Args:
        backend: the Keras backend, which is recorded beside them.
    """
    found = {"resnet_keras": resnet_keras.__version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    found["backend"] = backend
    return found


def git_commit() -> str | None:
    """Returns the commit that this program was checked out at.

    Returns:
        The abbreviated hash, with a trailing `+` if files were changed; `None` if the program was
        not started from a checkout.
    """
    here = Path(resnet_keras.__file__).parent
    if not (here.parent / ".git").exists():
        return None
    try:
        commit = _git(here, "rev-parse", "--short=12", "HEAD")
        return commit + ("+" if _git(here, "status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def command() -> str:
    """Returns the command line, in a form that works again from the same folder."""
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        words = ["python", "-m", program.parent.name]
    else:
        words = ["python", program.name] if program.suffix == ".py" else [program.name]
    return shlex.join([*words, *sys.argv[1:]])


def _git(folder: Path, *words: str) -> str:
    answer = subprocess.run(
        ["git", "-C", folder, *words], capture_output=True, text=True, timeout=10, check=True
    )
    return answer.stdout.strip()
