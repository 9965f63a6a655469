"""`python -m benchmarks`: measures, prints ratios, writes csv files."""

import argparse
import importlib
import sys
from pathlib import Path

from benchmarks import machine
from benchmarks.flags import out_folder, run
from benchmarks.options import Options
from resnet_keras.cli.flags import positive

USUAL = Path("results/benchmarks")
SUITES = ("training", "input", "inference", "depth", "start")


def main(words: list[str] | None = None) -> int:
    """Runs the benchmarks that were asked for; returns the exit status."""
    args = _parser().parse_args(words)
    options = Options(
        rounds=args.rounds or (2 if args.quick else 7),
        steps=args.steps or (2 if args.quick else None),
        out=out_folder(args.out, USUAL, args.quick),
        precision=args.precision,
        quick=args.quick,
    )
    described = machine.describe()
    _introduce(described, options)
    for name in SUITES if args.which == "all" else (args.which,):
        report = importlib.import_module(f"benchmarks.suites.{name}").run(options)
        for path in report.write(options.out, described):
            print(f"  wrote {path}")
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("which", nargs="?", default="all", choices=(*SUITES, "all"))
    parser.add_argument("--rounds", type=positive, help="turns of each contestant (default: 7)")
    parser.add_argument(
        "--steps", type=positive, help="steps a turn (default: a few seconds' worth)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR",
        help=f"where the csv files go (default: {USUAL}; with --quick a new temporary folder)",
    )  # fmt: skip
    parser.add_argument(
        "--precision",
        default="auto",
        choices=("auto", "float32", "mixed_bfloat16", "both"),
        help="auto (the default) measures bfloat16 beside float32 where the processor has it",
    )
    parser.add_argument("--quick", action="store_true", help="small and few: does it work?")
    return parser


def _introduce(described, options):
    print(
        f"{described['cpu']}, {described['cores']} cores, {described['memory_gb']} GB, "
        f"TensorFlow {described['tensorflow']}, Keras {described['keras']}, "
        f"PyTorch {described['torch'] or 'not installed'}"
    )
    if described["bfloat16_hardware"]:
        print(f"bfloat16 in hardware: {described['bfloat16_hardware']}")
    else:
        flags = " nor ".join(machine.BFLOAT16_FLAGS)
        print(
            f"no bfloat16 in hardware (neither {flags}): the goals are for processors that have "
            f"it. Measured here: {', '.join(options.precisions)}"
        )
    if not described["torch"]:
        print("without PyTorch: pip install -r benchmarks/requirements.txt to compare with it")
    if described["load_average"] > 0.5:
        print(f"load average {described['load_average']}: others are at work, trust ratios only")


if __name__ == "__main__":
    sys.exit(run(main))
