"""Runs the benchmarks: prints speeds and ratios, and writes CSV files. See benchmarks/README.md."""

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.options import Options, output_folder, run_command
from resnet_keras.cli.flags import positive
from resnet_keras.cpu import BFLOAT16_FLAGS

DEFAULT_FOLDER = Path("results/benchmarks")
SUITES = ("training", "input", "inference", "depth", "start")


def main(argv: list[str] | None = None) -> int:
    """Runs one suite or all of them, and returns the exit status."""
    args = _parser().parse_args(argv)
    options = Options(
        rounds=args.rounds or (2 if args.quick else 7),
        steps=args.steps or (2 if args.quick else None),
        out=output_folder(args.out, DEFAULT_FOLDER, args.quick),
        precision=args.precision,
        quick=args.quick,
    )
    description = machine.describe()
    _print_machine(description, options)
    for name in SUITES if args.suite == "all" else (args.suite,):
        report = importlib.import_module(f"benchmarks.suites.{name}").run(options)
        for path in report.write(options.out, description):
            print(f"  wrote {path}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "suite", nargs="?", default="all", choices=(*SUITES, "all"), help="default: all"
    )
    parser.add_argument(
        "--rounds", type=positive, metavar="N", help="turns of each contestant (default: 7)"
    )
    parser.add_argument(
        "--steps", type=positive, metavar="N",
        help="steps per turn (default: as many as take a few seconds)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="DIR",
        help=f"the folder for the results (default: {DEFAULT_FOLDER}; with --quick a new temporary "
        "folder)",
    )  # fmt: skip
    parser.add_argument(
        "--precision",
        default="auto",
        choices=("auto", "float32", "mixed_bfloat16", "both"),
        help="auto (the default) measures bfloat16 in addition to float32 if the processor has it",
    )
    parser.add_argument(
        "--quick", action="store_true", help="small and short, to check that it works"
    )
    return parser


def _print_machine(description: dict[str, Any], options: Options) -> None:
    print(
        f"{description['cpu']}, {description['cores']} cores, {description['memory_gb']} GB, "
        f"TensorFlow {description['tensorflow']}, Keras {description['keras']}, "
        f"PyTorch {description['torch'] or 'not installed'}"
    )
    if description["bfloat16_hardware"]:
        print(f"bfloat16 in hardware: {description['bfloat16_hardware']}")
    else:
        print(
            f"no bfloat16 in hardware (neither {' nor '.join(BFLOAT16_FLAGS)}): the goals apply to "
            f"processors that have it. Measured here: {', '.join(options.precisions)}"
        )
    if not description["torch"]:
        print("to compare with PyTorch: pip install -r benchmarks/requirements.txt")
    if description["load_average"] > 0.5:
        print(
            f"load average {description['load_average']}: other programs are running, so only the "
            "ratios are meaningful"
        )


if __name__ == "__main__":
    sys.exit(run_command(main))
