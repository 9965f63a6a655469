"""The callbacks of `model.fit`, in the order in which they run.

`training_callbacks` is the only place that lists them, for the primary process and for workers.
They share one `TrainingState`.
"""

import math
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import keras
import numpy as np

from resnet_keras.distributed.process_group import SINGLE_PROCESS, STOP_CHECK_INTERVAL, ProcessGroup
from resnet_keras.errors import UserError
from resnet_keras.processes import SignalHandlers
from resnet_keras.training import checkpoint
from resnet_keras.training.progress import Progress
from resnet_keras.training.state import TrainingState, capture, restore


class NonFiniteLoss(UserError):
    """Loss or weights became infinite or not a number."""


@dataclass(frozen=True)
class PrimaryOutputs:
    """What the primary process writes during training. Workers write nothing.

    Attributes:
        checkpoints: the folder of checkpoints.
        checkpoint_every: steps between checkpoints; `None` saves every two minutes.
        write_row: evaluates and writes a row of `metrics.csv`.
        progress: prints the progress of the run.
        watch_warm_up: whether to report when the training error falls below 80 %.
    """

    checkpoints: Path
    checkpoint_every: int | None
    write_row: Callable[[], None]
    progress: Progress
    watch_warm_up: bool


def training_callbacks(
    state: TrainingState,
    saved: checkpoint.Checkpoint | None,
    process_group: ProcessGroup = SINGLE_PROCESS,
    outputs: PrimaryOutputs | None = None,
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks of a run in the order in which they run after each step.

    A row is written before the checkpoint of the same step, so that a checkpoint never promises a
    row that does not exist. `EndOnSignal` is last: it saves and stops once everything else that
    belongs to the step is done.

    Args:
        state: where the run is.
        saved: the checkpoint to resume from, if any.
        process_group: the processes that train together.
        outputs: what the primary process writes; `None` for a worker, which only has to reset its
            metrics and to stop at the same steps as the primary process.

    Example:

    >>> from resnet_keras.recipe import Recipe
    >>> state = TrainingState(Recipe("resnet20"), metrics=[])
    >>> [type(callback).__name__ for callback in training_callbacks(state, saved=None)]
    ['StepTimer', 'RestoreCheckpoint', 'WriteRows', 'EndOnSignal']
    """
    first = [StepTimer(state), RestoreCheckpoint(state, saved)]
    if outputs is None:
        rows = WriteRows(state, lambda: None)
        return [*first, rows, EndOnSignal(state, lambda: None, process_group)]
    save_checkpoints = SaveCheckpoints(state, outputs.checkpoints, outputs.checkpoint_every)
    return [
        *first,
        StopOnNonFinite(state, outputs.checkpoints),
        *([WatchWarmUp(state, outputs.progress.line)] if outputs.watch_warm_up else []),
        ShowProgress(state, outputs.progress),
        WriteRows(state, outputs.write_row),
        save_checkpoints,
        EndOnSignal(state, save_checkpoints.save, process_group),
    ]


class StepTimer(keras.callbacks.Callback):
    """Counts and times the steps. It comes first, so that the others see the new step.

    The time between two steps, in which the other callbacks run, is not counted as training.

    Args:
        state: where the run is.
    """

    def __init__(self, state: TrainingState) -> None:
        super().__init__()
        self.state = state

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Starts the timer."""
        self.state.begin_step()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Records the step; `batch` counts from 0 in this process."""
        self.state.end_step(self.state.start + batch + 1)


class RestoreCheckpoint(keras.callbacks.Callback):
    """Restores a checkpoint when training starts, after `fit` has reset the metrics.

    Args:
        state: where the run is.
        saved: the checkpoint; `None` to start with the model as it is.
    """

    def __init__(self, state: TrainingState, saved: checkpoint.Checkpoint | None) -> None:
        super().__init__()
        self.state, self.saved = state, saved

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Restores the weights, the optimizer and the running metrics.

        A run is a single epoch, and `model.fit` resets the metrics at the start of an epoch before
        it calls this.
        """
        if self.saved:
            restore(self.model, self.state.metrics, self.saved.arrays, str(self.saved.path))


class StopOnNonFinite(keras.callbacks.Callback):
    """Ends the run at the first infinite or NaN loss, before any of that step is saved.

    Args:
        state: where the run is.
        checkpoints: the folder of checkpoints, for the message.
    """

    def __init__(self, state: TrainingState, checkpoints: Path) -> None:
        super().__init__()
        self.state, self.checkpoints = state, checkpoints

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Checks the running mean of the loss, which stays infinite or NaN after one such step.

        Raises:
            NonFiniteLoss: if it is not finite.
        """
        loss = 0.0 if logs is None else logs["loss"]
        if not math.isfinite(loss):
            raise _non_finite(f"the loss at step {self.state.step} is {loss}", self.checkpoints)


class WatchWarmUp(keras.callbacks.Callback):
    """Reports when the training error falls below 80 %, where the paper ends its warm-up.

    Args:
        state: where the run is.
        report: prints one line.
    """

    LEVEL = 80.0

    # The error of one batch scatters by several percent, the mean of ten by about one.
    BATCHES = 10

    def __init__(self, state: TrainingState, report: Callable[[str], None]) -> None:
        super().__init__()
        self.state, self.report = state, report
        self.counts_before: tuple[float, float] | None = None

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Reads the running sums before the first step; after a resume they are not zero."""
        if self.counts_before is None:
            self.counts_before = self.state.counts

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Computes the error of the batch from the running sums."""
        state = self.state
        if state.below_80_at is not None or self.counts_before is None:
            return
        correct, count = state.counts
        before = self.counts_before if count > self.counts_before[1] else (0.0, 0.0)
        self.counts_before = (correct, count)
        error = 100.0 * (1.0 - (correct - before[0]) / (count - before[1]))
        state.last_errors = [*state.last_errors, error][-self.BATCHES :]
        if len(state.last_errors) == self.BATCHES and mean(state.last_errors) < self.LEVEL:
            state.below_80_at = state.step
            self.report(f"the training error fell below 80 % at step {state.step}")


class ShowProgress(keras.callbacks.Callback):
    """Updates the progress bar in a terminal.

    Args:
        state: where the run is.
        progress: prints the bar.
    """

    def __init__(self, state: TrainingState, progress: Progress) -> None:
        super().__init__()
        self.state, self.progress = state, progress

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Draws the bar if the output is a terminal."""
        state = self.state
        if not self.progress.on_terminal or not state.images_per_second or logs is None:
            return
        images_left = (state.recipe.steps - state.step) * state.recipe.batch_size
        self.progress.bar(
            state.step,
            logs["loss"],
            100.0 * (1.0 - logs["accuracy"]),
            state.images_per_second,
            images_left / state.images_per_second,
        )


class WriteRows(keras.callbacks.Callback):
    """Writes a row of `metrics.csv` every `eval_every` steps.

    The last row is not written here, because it is measured on the export.

    Args:
        state: where the run is.
        write_row: evaluates and writes the row.
    """

    def __init__(self, state: TrainingState, write_row: Callable[[], None]) -> None:
        super().__init__()
        self.state, self.write_row = state, write_row

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Evaluates if it is time."""
        step, recipe = self.state.step, self.state.recipe
        if step % recipe.eval_every == 0 and step < recipe.steps:
            self.state.sync()
            self.write_row()
            self.state.reset_interval()


class SaveCheckpoints(keras.callbacks.Callback):
    """Saves a checkpoint at regular intervals and at the end.

    Args:
        state: where the run is.
        folder: the folder of checkpoints.
        every: steps between checkpoints; `None` saves every two minutes.
    """

    SECONDS = 120.0

    def __init__(self, state: TrainingState, folder: Path, every: int | None) -> None:
        super().__init__()
        self.state, self.folder, self.every = state, folder, every
        self.saved_step = state.start
        self.saved_at = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Saves if it is time."""
        step = self.state.step
        if self.every:
            due = step % self.every == 0
        else:
            due = time.monotonic() - self.saved_at >= self.SECONDS
        if due or step == self.state.recipe.steps:
            self.save()

    def save(self) -> None:
        """Saves this step, unless it has been saved already."""
        if self.saved_step != self.state.step:
            self.state.sync()
            arrays = capture(self.model, self.state.metrics)
            _check_finite(arrays, self.state.step, self.folder)
            checkpoint.save(self.folder, self.state.step, arrays, self.state.to_checkpoint())
            self.saved_step = self.state.step
        self.saved_at = time.monotonic()


class EndOnSignal(keras.callbacks.Callback):
    """On SIGTERM or Ctrl-C, finishes the step, saves and stops. A second signal ends it at once.

    Several processes all stop after the same step, whichever of them received the signal.

    Args:
        state: where the run is.
        save: saves the step.
        process_group: the processes that train together.
    """

    def __init__(
        self,
        state: TrainingState,
        save: Callable[[], None],
        process_group: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        super().__init__()
        self.state, self.save, self.process_group = state, save, process_group
        self.handlers = SignalHandlers(self._on_signal)

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Installs the signal handlers."""
        self.handlers.install()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Stops if a signal has arrived."""
        state = self.state
        is_last = state.step == state.recipe.steps
        if self.process_group.count > 1:
            if state.step % STOP_CHECK_INTERVAL and not is_last:
                return
            if self.process_group.any(state.stopped_by is not None):
                state.stopped_by = state.stopped_by or signal.SIGTERM
        if state.stopped_by is not None and not is_last:
            self.save()
            self.model.stop_training = True

    def restore_handlers(self) -> None:
        """Restores the previous signal handlers. Calling it twice is harmless."""
        self.handlers.restore()

    def _on_signal(self, number: int, frame: Any) -> None:
        self.state.stopped_by = signal.Signals(number)
        self.restore_handlers()


def _check_finite(arrays: dict[str, np.ndarray], step: int, checkpoints: Path) -> None:
    # The loss is computed before the update, so a step that ruins the weights shows only in the
    # loss of the next step. Saving such weights would replace the last good checkpoint.
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise _non_finite(f"after step {step}, {name} is no longer finite", checkpoints)


def _non_finite(what: str, checkpoints: Path) -> NonFiniteLoss:
    existing = checkpoint.paths(checkpoints)
    where = f"The last good checkpoint is {existing[-1]}" if existing else "There is no checkpoint"
    return NonFiniteLoss(
        f"{what}. {where}. Try a lower --learning-rate, --warmup-steps 400 or --precision float32"
    )
