"""A run as the processes beside the first see it: they compute their share and write nothing."""

from resnet_keras.training import checkpoint, state
from resnet_keras.training.assembly import Assembly
from resnet_keras.training.callbacks import (
    Arrive,
    EndOnSignal,
    Resume,
    StopOnNonFinite,
    WriteRows,
)
from resnet_keras.training.fit import fit
from resnet_keras.training.places import Result
from resnet_keras.training.processes import Processes
from resnet_keras.training.run_folder import RunFolder

# What process 0 says instead of a checkpoint.
DONE = b"done"


def follow(parts: Assembly, folder: RunFolder, processes: Processes) -> Result:
    """Trains along with process 0, from where that says; how it ends, that one knows.

    Args:
        parts: of the run.
        folder: process 0's; it need not exist here.
        processes: those that train together.
    """
    opening = processes.from_leader(None)
    if opening != DONE:
        saved = checkpoint.parse(opening, folder.checkpoints) if opening else None
        parts.begin(saved)
        _train(parts, folder, saved, processes)
    stopped_by = parts.journey.stopped_by
    return Result(stopped_by and int(stopped_by), folder.path)


def _train(parts, folder, saved, processes):
    journey = parts.journey
    if saved and saved.step >= parts.recipe.steps:
        state.restore(parts.model, journey.metrics, saved.arrays, "process 0's checkpoint")
        return
    end_on_signal = EndOnSignal(journey, lambda: None, processes)
    between = [
        Arrive(journey),
        Resume(journey, saved),
        StopOnNonFinite(journey, folder.checkpoints),
        # What process 0 forgets after each row has to be forgotten everywhere.
        WriteRows(journey, lambda: None),
        end_on_signal,
    ]
    fit(parts.model, journey, parts.train, parts.preprocessing, between, end_on_signal, processes)
