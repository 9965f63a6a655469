"""The flags of `train` by which several processes train one network together."""

import argparse
import os
import sys
from importlib.metadata import version

from resnet_keras import __version__
from resnet_keras.errors import UsageError
from resnet_keras.recipe import Recipe

_WAIT_SECONDS = 300.0


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    group = parser.add_argument_group(
        "several processes, on one machine or more",
        "With KERAS_BACKEND=jax. The same command in each process, but for --process. Slurm, Open "
        "MPI and Kubernetes need none of these flags (docs/several).",
    )
    group.add_argument("--coordinator", metavar="HOST:PORT", help="where process 0 listens")
    group.add_argument("--processes", type=int, metavar="N", help="how many there are")
    group.add_argument("--process", type=int, metavar="I", help="this one's number, from 0 on")
    group.add_argument(
        "--wait",
        type=float,
        default=_WAIT_SECONDS,
        metavar="SECONDS",
        help=f"how long to wait for the others (default: {_WAIT_SECONDS:.0f})",
    )


def check(args: argparse.Namespace) -> None:
    """Refuses flags that do not go together, before anything slow.

    Raises:
        UsageError: if so.
    """
    given = {"--coordinator": args.coordinator, "--processes": args.processes,
             "--process": args.process}  # fmt: skip
    missing = [name for name, value in given.items() if value is None]
    if missing and len(missing) < len(given):
        raise UsageError(f"several processes need {', '.join(missing)} too")
    if not missing and os.environ.get("KERAS_BACKEND") != "jax":
        raise UsageError(
            "several processes train on Keras' JAX backend: KERAS_BACKEND=jax python train.py …. "
            f"Received: KERAS_BACKEND={os.environ.get('KERAS_BACKEND', '')}"
        )


def join(args: argparse.Namespace, recipe: Recipe):
    """Returns the `Processes` that train together, once all are there; one that is alone, if
    neither the flags nor a launcher's variables tell of others."""
    import keras

    from resnet_keras.distributed import launchers, process_group

    if keras.backend.backend() != "jax":
        return process_group.SINGLE_PROCESS
    if args.coordinator:
        place = launchers.Place(args.coordinator, args.processes, args.process)
    else:
        name = launchers.launcher()
        if name is None:
            return process_group.SINGLE_PROCESS
        place = launchers.place(name, args.wait)
    return process_group.join(
        place.coordinator,
        place.count,
        place.index,
        _agreed(recipe),
        args.wait,
        lambda line: print(line, file=sys.stderr, flush=True),
        place.local_devices,
    )


def _agreed(recipe):
    """Returns what all processes must have alike."""
    flags = {f"--{name.replace('_', '-')}": str(value) for name, value in recipe.to_json().items()}
    versions = {name: version(name) for name in ("keras", "jax")}
    return {**flags, "resnet_keras": __version__, **versions}
