"""The errors that users can fix themselves.

The command-line programs print these as one line on standard error and exit with the status of the
class. Any other exception that escapes is a bug in this program and keeps its traceback.
"""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something outside the program is wrong: a file, a folder, a data set or a machine.

    The message says what was received and what would work. Exit status 1.

    Example:

    >>> UserError("cannot read config.json: no such file").exit_status
    1
    """

    exit_status = 1


class UsageError(UserError):
    """A command, or a value passed to a function, can never work as given. Exit status 2.

    Example:

    >>> UsageError("--top must be from 1 to 5. Received: 6").exit_status
    2
    """

    exit_status = 2


def unknown(kind: str, received: object, known: Iterable[str]) -> UsageError:
    """Returns the error for a name that is not among the known names.

    Args:
        kind: what the name stands for, such as `"architecture"`.
        received: the name that was received. Any other value is formatted with `repr`.
        known: the valid names.

    Returns:
        The error to raise. Its message lists the known names, the most similar one first.

    Example:

    >>> print(unknown("architecture", "rsnet20", ["plain20", "resnet20"]))
    unknown architecture 'rsnet20'; known: resnet20, plain20
    """
    known = list(known)
    position = {name: i for i, name in enumerate(known)}
    similarity = {
        name: difflib.SequenceMatcher(None, str(received).lower(), name.lower()).ratio()
        for name in known
    }
    nearest = sorted(known, key=lambda name: (-round(similarity[name], 6), position[name]))
    return UsageError(f"unknown {kind} {received!r}; known: {', '.join(nearest)}")


def first_line(error: BaseException) -> str:
    """Returns the first line of an exception's message, for use in a message of one line.

    TensorFlow, Keras and h5py raise errors whose messages have many lines, or none.

    Args:
        error: any exception.

    Returns:
        The first line that is not blank, or `repr(error)` if the message is empty.

    Example:

    >>> first_line(ValueError("the file is damaged\\n\\nCall stack: …"))
    'the file is damaged'
    >>> first_line(KeyError())
    'KeyError()'
    """
    lines = str(error).strip().splitlines()
    return lines[0] if lines else repr(error)


def last_line(text: str | None) -> str | None:
    """Returns the last line of what a program printed, or of a traceback: usually the error.

    Args:
        text: the text; `None` is treated as empty.

    Returns:
        The last line that is not blank, or `None` if there is none.

    Example:

    >>> last_line("Traceback (most recent call last):\\n  …\\nValueError: no images\\n")
    'ValueError: no images'
    >>> last_line("") is None
    True
    """
    lines = (text or "").strip().splitlines()
    return lines[-1].strip() if lines else None
