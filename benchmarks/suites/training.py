"""The training step of this program, of stock Keras and of PyTorch."""

from typing import Any

from benchmarks import machine
from benchmarks.contest import Contestant, run_contest
from benchmarks.options import Options
from benchmarks.report import Comparison, Report

# Network, side of the images in pixels, images per step.
NETWORKS = (("resnet20", 32, 128), ("resnet56", 32, 128), ("resnet50", 64, 32))
STEPS = {"resnet20": 10, "resnet56": 4, "resnet50": 4}

OURS = {"float32": "this program, float32", "mixed_bfloat16": "this program, bfloat16"}
STOCK = "stock Keras, float32"
TORCH = "PyTorch, float32"
TORCH_BFLOAT16 = "PyTorch, bfloat16 channels-last"
TORCH_COMPILED = "PyTorch, bfloat16 + compile"

# This program in the precision that is faster on this machine, if it takes part.
_BEST = machine.by_preference(bfloat16=OURS["mixed_bfloat16"], float32=OURS["float32"])
WITH_GOAL = [
    Comparison(_BEST, STOCK, 2.2),
    Comparison(_BEST, TORCH, 1.6),
    Comparison(_BEST, TORCH_COMPILED, 0.8),
]
WITHOUT_GOAL = [
    Comparison((OURS["float32"],), STOCK),
    Comparison((OURS["float32"],), TORCH),
    Comparison(_BEST, TORCH_BFLOAT16),
]


def contestants(
    network: str, size: int, batch: int, precisions: tuple[str, ...]
) -> list[Contestant]:
    """Returns the contestants for one network.

    Args:
        network: the name of the network.
        size: the side of the images in pixels.
        batch: images per step.
        precisions: those in which this program takes part; PyTorch takes part in bfloat16 if
            `"mixed_bfloat16"` is among them.
    """
    labels = {"network": network, "image_size": size, "batch_size": batch}
    common = {"network": network, "size": size, "batch": batch}

    def keras(name: str, implementation: str, precision: str) -> Contestant:
        arguments = {**common, "implementation": implementation, "precision": precision}
        return Contestant(name, "keras_training", arguments, batch, "tensorflow", labels)

    def torch(name: str, **variant: Any) -> Contestant:
        arguments = {**common, "training": True, **variant}
        return Contestant(name, "torch_steps", arguments, batch, "torch", labels)

    found = [keras(OURS[precision], "ours", precision) for precision in precisions]
    found += [keras(STOCK, "stock", "float32"), torch(TORCH)]
    if "mixed_bfloat16" in precisions:
        found += [
            torch(TORCH_BFLOAT16, bfloat16=True),
            torch(TORCH_COMPILED, bfloat16=True, compiled=True),
        ]
    return found


def run(options: Options) -> Report:
    """Runs one contest per network."""
    report = Report("training")
    for network, size, batch in NETWORKS[:1] if options.quick else NETWORKS:
        result = run_contest(
            f"training step, {network}, {size} px, batch {batch}",
            contestants(network, size, batch, options.precisions),
            options.rounds,
            options.steps or STEPS[network],
        )
        result.check_same_network()
        bfloat16 = "mixed_bfloat16" in options.precisions
        with_goal = WITH_GOAL if bfloat16 else WITH_GOAL[:2]
        report.add(result, with_goal + WITHOUT_GOAL)
    return report
