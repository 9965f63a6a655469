"""A run as the processes beside the first see it: they compute their share and write nothing."""

from collections.abc import Callable

from resnet_keras.training import checkpoint
from resnet_keras.training.assembly import Assembly
from resnet_keras.training.callbacks import (
    Arrive,
    EndOnSignal,
    Resume,
    WriteRows,
)
from resnet_keras.training.fit import fit
from resnet_keras.training.places import Result
from resnet_keras.training.processes import Processes
from resnet_keras.training.run_folder import RunFolder

# What process 0 says instead of a checkpoint.
DONE = b"done"


def follow(make: Callable[[], Assembly], folder: RunFolder, processes: Processes) -> Result:
    """Trains along with process 0, from where that says; how it ends, that one knows. The loss is
    the same everywhere: process 0 alone judges it.

    Args:
        make: puts the parts of the run together. Not before process 0 does so too: variables
            that are spread over processes are made by all of them at once.
        folder: process 0's; it need not exist here.
        processes: those that train together.
    """
    opening = processes.from_leader(None)
    if opening == DONE:
        return Result(None, folder.path)
    saved = checkpoint.parse(opening, folder.checkpoints) if opening else None
    parts = make()
    parts.begin(saved)
    _train(parts, folder, saved, processes)
    return Result(None, folder.path)


def _train(parts, folder, saved, processes):
    journey = parts.journey
    if saved and saved.step >= parts.recipe.steps:
        parts.take_end(saved)
        return
    end_on_signal = EndOnSignal(journey, lambda: None, processes)
    between = [
        Arrive(journey),
        Resume(journey, saved),
        # What process 0 forgets after each row has to be forgotten everywhere.
        WriteRows(journey, lambda: None),
        end_on_signal,
    ]
    fit(parts.model, journey, parts.train, parts.preprocessing, between, end_on_signal, processes)
