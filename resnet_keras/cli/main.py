"""Parses, calls a command, and turns what went wrong into one line and an exit status."""

import argparse
import contextlib
import importlib
import os
import sys
from collections.abc import Iterator

from resnet_keras import __version__
from resnet_keras.errors import UserError, unknown


@contextlib.contextmanager
def missing_packages_named() -> Iterator[None]:
    """Turns a failed import of somebody else's package into an error that a user can mend.

    Most who see it have not activated the environment in which they installed the packages.
    A module of this program that is not found is a defect, and stays what it is.

    Raises:
        UserError: instead of `ModuleNotFoundError`.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", __name__.partition(".")[0]):
            raise
        raise UserError(
            f"{package} is not installed for {sys.executable}: activate the environment that has "
            "this program's packages, or python -m pip install -r requirements.txt"
        ) from error


# Command -> module; imported only when it is asked for, since TensorFlow takes seconds.
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
    def error(self, message):
        # argparse would print all the flags first, and the one line that matters behind them.
        self.exit(2, f"{self.prog}: {message} (--help lists what there is)\n")


def main(argv: list[str] | None = None) -> int:
    """Runs `python -m resnet_keras COMMAND …`; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in COMMANDS:
        return command(argv[0], argv[1:], prog=f"resnet-keras {argv[0]}")
    if argv and not argv[0].startswith("-"):
        print(f"resnet-keras: {unknown('command', argv[0], COMMANDS)}", file=sys.stderr)
        return 2
    parser = _Parser(prog="resnet-keras")
    try:
        with missing_packages_named():
            parser.description = _overview()
    except UserError as error:
        return _said(parser.prog, error)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    parser.parse_args(argv or ["--help"])
    return 2


def command(name: str, argv: list[str] | None = None, prog: str | None = None) -> int:
    """Runs one command with its arguments; returns the exit status.

    0 for success, 1 for what is wrong outside, 2 for a command that can never work, 128 + n for
    the signal n.
    """
    parser = _Parser(prog=prog, allow_abbrev=False)
    try:
        with missing_packages_named():
            module = importlib.import_module(f"resnet_keras.cli.{COMMANDS[name]}")
            parser.description = module.HELP
            module.configure(parser)
            status = module.run(parser.parse_args(argv))
        sys.stdout.flush()
        return status or 0
    except UserError as error:
        return _said(parser.prog, error)
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _said(prog, error):
    """Prints the error as one line; returns its exit status."""
    print(f"{prog}: {' '.join(str(error).split())}", file=sys.stderr)
    return error.exit_status


def _overview():
    lines = ["Networks of 'Deep Residual Learning for Image Recognition'. Commands:", ""]
    for name, module in COMMANDS.items():
        lines.append(f"  {name:12}{importlib.import_module(f'resnet_keras.cli.{module}').HELP}")
    return "\n".join(lines)
