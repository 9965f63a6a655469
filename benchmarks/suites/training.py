"""(a) The training step: this program, stock Keras, PyTorch."""

from benchmarks import machine
from benchmarks.contest import Contestant, hold
from benchmarks.options import Options
from benchmarks.report import Goal, Report

# network, side of the images, images a step
NETWORKS = (("resnet20", 32, 128), ("resnet56", 32, 128), ("resnet50", 64, 32))
STEPS = {"resnet20": 10, "resnet56": 4, "resnet50": 4}

OURS = {"float32": "this program, float32", "mixed_bfloat16": "this program, bfloat16"}
STOCK = "stock Keras, float32"
TORCH = "PyTorch, float32"
TORCH_BFLOAT16 = "PyTorch, bfloat16 channels-last"
TORCH_COMPILED = "PyTorch, bfloat16 + compile"

# Against whom this program stands in the precision it would choose for itself.
_BEST = (OURS["mixed_bfloat16"], OURS["float32"])[:: machine.preference()]
GOALS = [Goal(_BEST, STOCK, 2.2), Goal(_BEST, TORCH, 1.6), Goal(_BEST, TORCH_COMPILED, 0.8)]
TOLD = [
    Goal((OURS["float32"],), STOCK),
    Goal((OURS["float32"],), TORCH),
    Goal(_BEST, TORCH_BFLOAT16),
]


def contestants(network: str, size: int, batch: int, precisions: tuple[str, ...]):
    """Returns who takes part, for one network."""
    labels = {"network": network, "image_size": size, "batch_size": batch}
    same = {"network": network, "size": size, "batch": batch}

    def keras(name, who, precision):
        arguments = {**same, "who": who, "precision": precision}
        return Contestant(name, "keras_training", arguments, batch, "tensorflow", labels)

    def torch(name, **more):
        arguments = {**same, "training": True, **more}
        return Contestant(name, "torch_both", arguments, batch, "torch", labels)

    entered = [keras(OURS[precision], "ours", precision) for precision in precisions]
    entered += [keras(STOCK, "stock", "float32"), torch(TORCH)]
    if "mixed_bfloat16" in precisions:
        entered += [
            torch(TORCH_BFLOAT16, bfloat16=True),
            torch(TORCH_COMPILED, bfloat16=True, compiled=True),
        ]
    return entered


def run(options: Options) -> Report:
    """Holds a contest a network."""
    report = Report("training")
    for network, size, batch in NETWORKS[:1] if options.quick else NETWORKS:
        outcome = hold(
            f"training step, {network}, {size} px, batch {batch}",
            contestants(network, size, batch, options.precisions),
            options.rounds,
            options.steps or STEPS[network],
        )
        outcome.check_same_network()
        with_goals = GOALS if "mixed_bfloat16" in options.precisions else GOALS[:2]
        report.add(outcome, with_goals + TOLD)
    return report
