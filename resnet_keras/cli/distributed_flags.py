"""The flags of `train` for training one network in several processes."""

import argparse
import os
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

from resnet_keras import __version__
from resnet_keras.errors import UsageError
from resnet_keras.recipe import Recipe

if TYPE_CHECKING:
    from resnet_keras.distributed.process_group import ProcessGroup

_WAIT_SECONDS = 300.0


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags `--coordinator`, `--processes`, `--process` and `--wait` to a parser.

    Args:
        parser: the parser of a command.

    Example:

    >>> parser = argparse.ArgumentParser()
    >>> add_flags(parser)
    >>> parser.parse_args(["--processes", "4"]).processes
    4
    """
    group = parser.add_argument_group(
        "several processes, on one or more machines",
        "Requires KERAS_BACKEND=jax. Run the same command in every process, each with its own "
        "--process. Under Slurm, Open MPI and Kubernetes, none of these flags is needed "
        "(see docs/several).",
    )
    group.add_argument("--coordinator", metavar="HOST:PORT", help="the address of process 0")
    group.add_argument("--processes", type=int, metavar="N", help="the number of processes")
    group.add_argument(
        "--process", type=int, metavar="I", help="the number of this process, from 0 to N-1"
    )
    group.add_argument(
        "--wait",
        type=float,
        default=_WAIT_SECONDS,
        metavar="SECONDS",
        help=f"how long to wait for the other processes (default: {_WAIT_SECONDS:.0f})",
    )


def check(args: argparse.Namespace) -> None:
    """Checks the flags before anything slow is imported.

    Args:
        args: the parsed flags.

    Raises:
        UsageError: if some of the flags are missing, or `KERAS_BACKEND` is not `jax`.

    Example:

    >>> check(argparse.Namespace(coordinator=None, processes=4, process=0))
    Traceback (most recent call last):
    resnet_keras.errors.UsageError: training in several processes also requires --coordinator
    """
    given = {"--coordinator": args.coordinator, "--processes": args.processes,
             "--process": args.process}  # fmt: skip
    missing = [name for name, value in given.items() if value is None]
    if missing and len(missing) < len(given):
        raise UsageError(f"training in several processes also requires {', '.join(missing)}")
    if not missing and os.environ.get("KERAS_BACKEND") != "jax":
        raise UsageError(
            "several processes need Keras' JAX backend: KERAS_BACKEND=jax python train.py …. "
            f"Received: KERAS_BACKEND={os.environ.get('KERAS_BACKEND', '')}"
        )


def join(args: argparse.Namespace, recipe: Recipe) -> "ProcessGroup":
    """Returns the processes that train together, once all of them are connected.

    They are given by the flags, or by the variables of a launcher. Without either, and on other
    backends than JAX, the group consists of this process.

    Args:
        args: the parsed flags.
        recipe: the recipe, which must be the same in all processes.

    Raises:
        UserError: if a process is missing, or process 0 rejects this one.

    Example:

    >>> join(argparse.Namespace(coordinator=None), Recipe(arch="resnet20")).count
    1
    """
    import keras

    from resnet_keras.distributed import launchers, process_group

    if keras.backend.backend() != "jax":
        return process_group.SINGLE_PROCESS
    if args.coordinator:
        spec = launchers.ProcessSpec(args.coordinator, args.processes, args.process)
    else:
        launcher = launchers.detect_launcher()
        if launcher is None:
            return process_group.SINGLE_PROCESS
        spec = launchers.process_spec(launcher, args.wait)
    return process_group.join(
        spec.address,
        spec.count,
        spec.index,
        _shared_settings(recipe),
        args.wait,
        lambda line: print(line, file=sys.stderr, flush=True),
        spec.local_devices,
    )


def _shared_settings(recipe: Recipe) -> dict[str, str]:
    """What must be the same in all processes: the recipe and the versions."""
    flags = {f"--{name.replace('_', '-')}": str(value) for name, value in recipe.to_json().items()}
    versions = {name: version(name) for name in ("keras", "jax")}
    return {**flags, "resnet_keras": __version__, **versions}
