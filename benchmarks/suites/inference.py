"""Inference: the exported SavedModel, the plain export of Keras, and PyTorch."""

import tempfile
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.contest import Contestant, run_contest
from benchmarks.options import Options
from benchmarks.report import Comparison, Report
from benchmarks.worker import Worker

NETWORK, SIZE = "resnet20", 32
# Batch size -> steps per turn.
BATCHES = {1: 100, 32: 10, 256: 3}

FOLDED, FOLDED_BFLOAT16 = "export, folded", "export, folded, bfloat16"
UNFOLDED, PLAIN = "export, --no-fold", "plain Keras export"
TORCH, TORCH_BFLOAT16 = "PyTorch, float32", "PyTorch, bfloat16 channels-last"

# The export in the precision that is faster on this machine, if it takes part.
_BEST = machine.by_preference(bfloat16=FOLDED_BFLOAT16, float32=FOLDED)


def contestants(folder: Path, batch: int, bfloat16: bool) -> list[Contestant]:
    """Returns the contestants for one batch size.

    Args:
        folder: the folder of the exports; see `contestants.exports`.
        batch: images per step.
        bfloat16: whether bfloat16 takes part.
    """
    labels = {"network": NETWORK, "image_size": SIZE, "batch_size": batch}

    def saved_model(name: str, path: Path, precision: str = "float32") -> Contestant:
        arguments = {"folder": str(path), "batch": batch, "size": SIZE, "precision": precision}
        return Contestant(name, "savedmodel_inference", arguments, batch, "tensorflow", labels)

    def torch(name: str, **variant: Any) -> Contestant:
        common = {"network": NETWORK, "size": SIZE, "batch": batch, "training": False}
        return Contestant(name, "torch_steps", {**common, **variant}, batch, "torch", labels)

    found = [
        saved_model(FOLDED, folder / "folded" / "1"),
        saved_model(UNFOLDED, folder / "unfolded" / "1"),
        saved_model(PLAIN, folder / "plain"),
        torch(TORCH),
    ]
    if bfloat16:
        found.insert(1, saved_model(FOLDED_BFLOAT16, folder / "folded-bfloat16" / "1", "bfloat16"))
        found.append(torch(TORCH_BFLOAT16, bfloat16=True))
    return found


def comparisons(batch: int, bfloat16: bool) -> list[Comparison]:
    """Returns the comparisons for one batch size. Those with a goal come first."""
    if batch == 1:
        found = [Comparison((FOLDED,), PLAIN, 1.0)]
    elif batch == 256:
        found = [Comparison(_BEST, PLAIN, 4.0)]
        if bfloat16:
            found.append(Comparison(_BEST, TORCH_BFLOAT16, 1.5))
    else:
        found = [Comparison(_BEST, PLAIN)]
    return found + [Comparison((FOLDED,), baseline) for baseline in (PLAIN, UNFOLDED, TORCH)]


def run(options: Options) -> Report:
    """Exports the network, then runs one contest per batch size."""
    report = Report("inference")
    bfloat16 = "mixed_bfloat16" in options.precisions
    with tempfile.TemporaryDirectory() as folder:
        _export(folder)
        for batch, steps in list(BATCHES.items())[: 1 if options.quick else None]:
            result = run_contest(
                f"inference, {NETWORK}, batch {batch}",
                contestants(Path(folder), batch, bfloat16),
                options.rounds,
                options.steps or steps,
            )
            report.add(result, comparisons(batch, bfloat16))
    return report


def _export(folder: str) -> None:
    arguments = {"network": NETWORK, "size": SIZE, "folder": folder}
    worker = Worker("benchmarks.contestants.exports", arguments)
    try:
        worker.build()
        worker.run_steps(1)
    finally:
        worker.close()
