"""The entry point: parses the command line, runs a command, and reports errors in one line."""

import argparse
import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

from resnet_keras import __version__
from resnet_keras.cli.flags import SIGNAL_STATUS
from resnet_keras.errors import UserError, unknown


@contextlib.contextmanager
def missing_packages_reported() -> Iterator[None]:
    """Within the block, a missing third-party package raises an error that says what to do.

    Most users who see it have not activated the environment that contains the packages. A missing
    module of this program is a defect and is raised unchanged.

    Raises:
        UserError: instead of `ModuleNotFoundError`.

    Example:

    >>> with missing_packages_reported():
    ...     import a_package_that_does_not_exist
    Traceback (most recent call last):
        ...
    resnet_keras.errors.UserError: a_package_that_does_not_exist is not installed for ...
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", __name__.partition(".")[0]):
            raise
        raise UserError(
            f"{package} is not installed for {sys.executable}: activate the environment that "
            "contains the requirements, or run python -m pip install -r requirements.txt"
        ) from error


# Command -> module. Only the module of the command is imported, since TensorFlow takes seconds.
COMMANDS = {
    "train": "train",
    "evaluate": "evaluate",
    "export": "export",
    "import": "import_",
    "describe": "describe",
    "compare": "compare",
    "reproduce": "reproduce",
    "tune": "tune",
    "responses": "responses",
    "report": "report",
    "predict": "predict",
    "load-test": "load_test",
}


class _Parser(argparse.ArgumentParser):
    """Reports a wrong command line in a single line."""

    def error(self, message: str) -> NoReturn:
        # argparse would print all flags before the one line that matters.
        self.exit(2, f"{self.prog}: {message} (--help lists all flags)\n")


def main(argv: list[str] | None = None) -> int:
    """Runs `resnet-keras COMMAND …`.

    Args:
        argv: the arguments after the program's name; `None` takes those of the process.

    Returns:
        The exit status; see `command`.

    Example:

    >>> main(["describe", "--arch", "resnet56", "--json"])
    [
      {
        "name": "resnet56",
    ...
    0
    """
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in COMMANDS:
        return command(argv[0], argv[1:], prog=f"resnet-keras {argv[0]}")
    if argv and not argv[0].startswith("-"):
        print(f"resnet-keras: {unknown('command', argv[0], COMMANDS)}", file=sys.stderr)
        return 2
    parser = _Parser(prog="resnet-keras")
    try:
        with missing_packages_reported():
            parser.description = _overview()
    except UserError as error:
        return _report(parser.prog, error)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "command",
        choices=COMMANDS,
        metavar="COMMAND",
        help="one of the above; COMMAND --help lists its flags",
    )
    parser.parse_args(argv or ["--help"])
    return 2


def command(name: str, argv: list[str] | None = None, prog: str | None = None) -> int:
    """Runs one command.

    Args:
        name: a key of `COMMANDS`.
        argv: the arguments of the command; `None` takes those of the process.
        prog: the name of the program in messages; `None` takes that of the process.

    Returns:
        The exit status: 0 for success, 1 if something outside the program is wrong, 2 if the
        command line can never work, 128 + n after the signal n.

    Example:

    >>> command("describe", ["--arch", "resnet18", "--json"])
    [
      {
        "name": "resnet18",
    ...
    0
    """
    parser = _Parser(prog=prog, allow_abbrev=False)
    try:
        with missing_packages_reported():
            module = importlib.import_module(f"resnet_keras.cli.{COMMANDS[name]}")
            parser.description = module.HELP
            module.configure(parser)
            status = module.run(parser.parse_args(argv))
        sys.stdout.flush()
        return status or 0
    except UserError as error:
        return _report(parser.prog, error)
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        return SIGNAL_STATUS + signal.SIGINT
    except BrokenPipeError:
        # The reader of the output has gone away. Without this, Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _report(prog: str, error: UserError) -> int:
    """Prints an error in one line and returns its exit status."""
    print(f"{prog}: {' '.join(str(error).split())}", file=sys.stderr)
    return error.exit_status


def _overview() -> str:
    """Returns a list of all commands with a line of help for each."""
    lines = ["Networks of 'Deep Residual Learning for Image Recognition'. Commands:", ""]
    for name, module in COMMANDS.items():
        lines.append(f"  {name:12}{importlib.import_module(f'resnet_keras.cli.{module}').HELP}")
    return "\n".join(lines)
