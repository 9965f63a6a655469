"""What happens between the steps of `model.fit`, a callback each.

They share one `Journey`, which knows the step and the time, and run in the order in which
`fit.py` lists them: a row is written before the checkpoint of the same step, so the checkpoint
never promises a row that is not there.
"""

import math
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

import keras
import numpy as np

from resnet_keras.errors import UserError
from resnet_keras.recipe import Recipe
from resnet_keras.training import checkpoint, signals, state
from resnet_keras.training.processes import ALONE, LOOK_EVERY, Processes
from resnet_keras.training.progress import Progress


class NonFiniteLoss(UserError):
    """Loss or weights became infinite or not a number."""


@dataclass
class Journey:
    """Where a run is.

    Attributes:
        start: steps that were done before this process took over.
        step: steps done.
        seconds_before: wall time of the run before this process.
        metrics: the running loss and accuracy since the last row.
        recipe: the run's.
        sync: brings the model's variables up to date, where the backend keeps them elsewhere
            while it trains (JAX).
        below_80_at: the step at which the training error fell below 80 %, if it has.
        last_errors: percent, of each of the last batches; see `WatchWarmUp`.
        stopped_by: the signal that asked it to end, if one did.
    """

    recipe: Recipe
    metrics: list[keras.Metric]
    sync: Callable[[], None] = lambda: None
    start: int = 0
    step: int = 0
    seconds_before: float = 0.0
    below_80_at: int | None = None
    last_errors: list[float] = field(default_factory=list)
    stopped_by: signal.Signals | None = None
    _began: float = field(default_factory=time.monotonic)
    _mark: float | None = None
    _trained_seconds: float = 0.0
    _trained_steps: int = 0

    @property
    def seconds(self) -> float:
        """Wall time of the run, this process and those before it."""
        return self.seconds_before + time.monotonic() - self._began

    @property
    def loss(self) -> float:
        """Mean cross-entropy since the last row."""
        self.sync()
        return float(self.metrics[0].result())

    @property
    def train_error(self) -> float:
        """Percent wrong since the last row, from the counts: exact, unlike the mean in float32."""
        right, count = self.counts
        return 100.0 * (count - right) / count if count else 0.0

    @property
    def images_per_second(self) -> float:
        """Of training alone, since the last row; 0 before two steps are done."""
        images = self._trained_steps * self.recipe.batch_size
        return images / self._trained_seconds if self._trained_seconds else 0.0

    @property
    def counts(self) -> tuple[float, float]:
        """Images answered rightly and images seen, since the last row, over all devices."""
        self.sync()
        right, count = self.metrics[1].variables
        # Under MirroredStrategy each replica has a part of the sum; this adds them up.
        return float(keras.ops.convert_to_numpy(right)), float(keras.ops.convert_to_numpy(count))

    def extra(self) -> dict:
        """Returns what a checkpoint keeps of this, beside the step and the arrays."""
        return {
            "seconds": self.seconds,
            "below_80_at": self.below_80_at,
            "last_errors": self.last_errors,
        }

    def go_on_from(self, step: int, extra: dict) -> None:
        """Moves to a checkpoint's step; `extra` is what it kept."""
        self.start = self.step = step
        self.seconds_before = extra["seconds"]
        # Checkpoints of earlier versions lack these.
        self.below_80_at = extra.get("below_80_at")
        self.last_errors = extra.get("last_errors", [])

    def arrive(self, step: int) -> None:
        """Notes that a step is done. The first of a process is not timed: it is traced."""
        if self._mark is not None:
            self._trained_seconds += time.monotonic() - self._mark
            self._trained_steps += step - self.step
        self.step = step

    def depart(self) -> None:
        """Starts the clock for the next step: what was done since the last is no training."""
        self._mark = time.monotonic()

    def new_interval(self) -> None:
        """Forgets metrics and speed: a row was written."""
        self.sync()
        for metric in self.metrics:
            metric.reset_state()
        self._trained_seconds, self._trained_steps = 0.0, 0


class Arrive(keras.callbacks.Callback):
    """First in the list: counts the step."""

    def __init__(self, journey: Journey):
        super().__init__()
        self.journey = journey

    def on_train_batch_end(self, batch, logs=None):
        """`batch` counts from 0 in this process."""
        self.journey.arrive(self.journey.start + batch + 1)


class Depart(keras.callbacks.Callback):
    """Last in the list: training goes on."""

    def __init__(self, journey: Journey):
        super().__init__()
        self.journey = journey

    def on_train_batch_end(self, batch, logs=None):
        """Restarts the clock."""
        self.journey.depart()


class Resume(keras.callbacks.Callback):
    """Puts a checkpoint's state in place once `fit` has reset its metrics."""

    def __init__(self, journey: Journey, saved: checkpoint.Checkpoint | None):
        super().__init__()
        self.journey, self.saved = journey, saved

    def on_epoch_begin(self, epoch, logs=None):
        """Restores weights, optimizer and running metrics."""
        if self.saved:
            state.restore(self.model, self.journey.metrics, self.saved.arrays, str(self.saved.path))


class StopOnNonFinite(keras.callbacks.Callback):
    """Ends the run at the first loss that is no number, before anything of it is saved."""

    def __init__(self, journey: Journey, checkpoints: Path):
        super().__init__()
        self.journey, self.checkpoints = journey, checkpoints

    def on_train_batch_end(self, batch, logs=None):
        """Looks at the running mean: one bad step makes it infinite or NaN for good."""
        if math.isfinite(logs["loss"]):
            return
        raise _non_finite(
            f"the loss at step {self.journey.step} is {logs['loss']}", self.checkpoints
        )


def _refuse_non_finite(arrays, step, checkpoints):
    # The loss is computed before the update: a step's ruin shows in the next one's loss. A
    # checkpoint of it would be the last good one no longer.
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise _non_finite(f"after step {step} {name} is no longer finite", checkpoints)


def _non_finite(what, checkpoints):
    kept = checkpoint.paths(checkpoints)
    where = f"The checkpoint {kept[-1]} is from before it" if kept else "There is no checkpoint"
    return NonFiniteLoss(
        f"{what}. {where}. Try a lower --learning-rate, --warmup-steps 400 or --precision float32"
    )


class WatchWarmUp(keras.callbacks.Callback):
    """Reports when the training error falls below 80 %, where the paper ends its warm-up."""

    LEVEL = 80.0

    # One batch's error scatters by several percent, ten batches' by about one.
    BATCHES = 10

    def __init__(self, journey: Journey, report: Callable[[str], None]):
        super().__init__()
        self.journey, self.report = journey, report
        self.seen = None

    def on_train_batch_begin(self, batch, logs=None):
        """Notes the running sums, the first time: after a resume they are not empty."""
        if self.seen is None:
            self.seen = self.journey.counts

    def on_train_batch_end(self, batch, logs=None):
        """Takes the batch's own error from the running sums."""
        journey = self.journey
        if journey.below_80_at is not None:
            return
        total, count = journey.counts
        before = self.seen if count > self.seen[1] else (0.0, 0.0)
        self.seen = (total, count)
        error = 100.0 * (1.0 - (total - before[0]) / (count - before[1]))
        journey.last_errors = [*journey.last_errors, error][-self.BATCHES :]
        if len(journey.last_errors) == self.BATCHES and mean(journey.last_errors) < self.LEVEL:
            journey.below_80_at = journey.step
            self.report(f"the training error fell below 80 % at step {journey.step}")


class ShowBar(keras.callbacks.Callback):
    """Keeps the progress bar up to date."""

    def __init__(self, journey: Journey, progress: Progress):
        super().__init__()
        self.journey, self.progress = journey, progress

    def on_train_batch_end(self, batch, logs=None):
        """Draws it, where there is a terminal."""
        journey = self.journey
        if not self.progress.on_terminal or not journey.images_per_second:
            return
        left = (journey.recipe.steps - journey.step) * journey.recipe.batch_size
        self.progress.bar(
            journey.step,
            logs["loss"],
            100.0 * (1.0 - logs["accuracy"]),
            journey.images_per_second,
            left / journey.images_per_second,
        )


class WriteRows(keras.callbacks.Callback):
    """Writes a row of `metrics.csv` every `eval_every` steps. The last one is not its business:
    that is measured on the export."""

    def __init__(self, journey: Journey, write_row: Callable[[], None]):
        super().__init__()
        self.journey, self.write_row = journey, write_row

    def on_train_batch_end(self, batch, logs=None):
        """Evaluates if it is time."""
        step, recipe = self.journey.step, self.journey.recipe
        if step % recipe.eval_every == 0 and step < recipe.steps:
            self.journey.sync()
            self.write_row()
            self.journey.new_interval()


class SaveCheckpoints(keras.callbacks.Callback):
    """Saves every so many steps, or every two minutes, and at the end.

    Args:
        every: steps between checkpoints; `None` goes by the clock.
    """

    SECONDS = 120.0

    def __init__(self, journey: Journey, folder: Path, every: int | None):
        super().__init__()
        self.journey, self.folder, self.every = journey, folder, every
        self.saved_step = journey.start
        self.saved_at = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        """Saves if it is time."""
        step = self.journey.step
        if self.every:
            due = step % self.every == 0
        else:
            due = time.monotonic() - self.saved_at >= self.SECONDS
        if due or step == self.journey.recipe.steps:
            self.save()

    def save(self):
        """Saves this step, unless it is saved already."""
        if self.saved_step != self.journey.step:
            self.journey.sync()
            arrays = state.capture(self.model, self.journey.metrics)
            _refuse_non_finite(arrays, self.journey.step, self.folder)
            checkpoint.save(self.folder, self.journey.step, arrays, self.journey.extra())
            self.saved_step = self.journey.step
        self.saved_at = time.monotonic()


class EndOnSignal(keras.callbacks.Callback):
    """On SIGTERM or Ctrl-C lets the step end, saves, and stops. A second signal ends it at once.

    Of several processes all stop after the same step, whichever was asked to.

    Args:
        save: saves the step.
        processes: those that train together.
    """

    def __init__(self, journey: Journey, save: Callable[[], None], processes: Processes = ALONE):
        super().__init__()
        self.journey, self.save, self.processes = journey, save, processes
        self.taken = signals.Taken(self._note)

    def on_train_begin(self, logs=None):
        """Takes the signals over."""
        self.taken.take()

    def on_train_batch_end(self, batch, logs=None):
        """Stops if a signal came."""
        journey = self.journey
        last = journey.step == journey.recipe.steps
        if self.processes.count > 1:
            if journey.step % LOOK_EVERY and not last:
                return
            if self.processes.any(journey.stopped_by is not None):
                journey.stopped_by = journey.stopped_by or signal.SIGTERM
        if journey.stopped_by is not None and not last:
            self.save()
            self.model.stop_training = True

    def give_back(self):
        """Hands the signals back."""
        self.taken.give_back()

    def _note(self, number, frame):
        self.journey.stopped_by = signal.Signals(number)
        self.give_back()
