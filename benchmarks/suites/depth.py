"""How the speed and the peak memory of training depend on depth and batch size."""

from benchmarks.contest import Contestant, run_contest
from benchmarks.options import Options
from benchmarks.report import Comparison, Report

DEPTHS = (20, 32, 44, 56, 110)
BATCH_SIZES = (32, 128, 256)
STEPS = 3


def contestants(precision: str, quick: bool) -> list[Contestant]:
    """Returns a contestant for every depth with batch 128, and for ResNet-20 with every batch size.

    Args:
        precision: `"float32"` or `"mixed_bfloat16"`.
        quick: return only the first two.
    """
    sizes = [(depth, 128) for depth in DEPTHS] + [(20, batch) for batch in BATCH_SIZES]
    sizes = list(dict.fromkeys(sizes))[: 2 if quick else None]
    return [
        Contestant(
            _name(depth, batch),
            "keras_training",
            {
                "implementation": "ours",
                "network": f"resnet{depth}",
                "size": 32,
                "batch": batch,
                "precision": precision,
            },
            batch,
            labels={"network": f"resnet{depth}", "image_size": 32, "batch_size": batch},
        )
        for depth, batch in sizes
    ]


def run(options: Options) -> Report:
    """Runs one contest of all sizes per precision."""
    report = Report("depth")
    for precision in options.precisions:
        sizes = contestants(precision, options.quick)
        result = run_contest(
            f"training step by depth and batch, {precision}",
            sizes,
            options.rounds,
            options.steps or STEPS,
        )
        # Relative to ResNet-20 with batch 128: the reciprocal of the ratio is the cost of the size.
        baseline = _name(20, 128)
        report.add(result, [Comparison((size.name,), baseline) for size in sizes[1:]])
    return report


def _name(depth: int, batch: int) -> str:
    return f"resnet{depth}, batch {batch}"
