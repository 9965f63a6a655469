"""The state of a run in training: where it is, and its variables as named arrays."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import numpy as np

from resnet_keras.errors import UserError
from resnet_keras.recipe import Recipe


@dataclass
class TrainingState:
    """Where a run is. The callbacks of `model.fit` share one object.

    Attributes:
        recipe: the recipe of the run.
        metrics: the running loss and accuracy since the last row of `metrics.csv`.
        sync: brings the model's variables up to date on backends that keep them elsewhere during
            training (JAX).
        start: the number of steps that were done before this process started.
        step: the number of steps that are done.
        seconds_before: the wall time of the run before this process started.
        below_80_at: the step at which the training error fell below 80 %, if it has.
        last_errors: the error of each of the last batches, in percent; see `WatchWarmUp`.
        stopped_by: the signal that asked the run to end, if one did.
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
    _started_at: float = field(default_factory=time.monotonic)
    _step_started_at: float | None = None
    _training_seconds: float = 0.0
    _timed_steps: int = 0

    @property
    def seconds(self) -> float:
        """The wall time of the run, in this process and in those before it."""
        return self.seconds_before + time.monotonic() - self._started_at

    @property
    def loss(self) -> float:
        """The mean cross-entropy since the last row."""
        self.sync()
        return float(self.metrics[0].result())

    @property
    def train_error(self) -> float:
        """The training error since the last row in percent.

        It is computed from the counts and therefore exact, unlike a mean in float32.
        """
        correct, count = self.counts
        return 100.0 * (count - correct) / count if count else 0.0

    @property
    def images_per_second(self) -> float:
        """The speed of training alone since the last row; 0 before two steps are done."""
        images = self._timed_steps * self.recipe.batch_size
        return images / self._training_seconds if self._training_seconds else 0.0

    @property
    def counts(self) -> tuple[float, float]:
        """The images classified correctly and the images seen since the last row, over all
        devices."""
        self.sync()
        correct, count = self.metrics[1].variables
        # Under MirroredStrategy each replica holds a part of the sum; reading adds them up.
        return float(keras.ops.convert_to_numpy(correct)), float(keras.ops.convert_to_numpy(count))

    def to_checkpoint(self) -> dict:
        """Returns what a checkpoint stores of this object, besides the step and the arrays."""
        return {
            "seconds": self.seconds,
            "below_80_at": self.below_80_at,
            "last_errors": self.last_errors,
        }

    def resume(self, step: int, stored: dict) -> None:
        """Moves to the step of a checkpoint.

        Args:
            step: the number of steps that are done.
            stored: what `to_checkpoint` returned. Checkpoints of earlier versions lack some keys.
        """
        self.start = self.step = step
        self.seconds_before = stored["seconds"]
        self.below_80_at = stored.get("below_80_at")
        self.last_errors = stored.get("last_errors", [])

    def begin_step(self) -> None:
        """Starts the timer of a step."""
        self._step_started_at = time.monotonic()

    def end_step(self, step: int) -> None:
        """Records that a step is done.

        The first step of a process is not timed, because it includes tracing.

        Args:
            step: the number of steps that are done now.
        """
        if self._step_started_at is not None and self.step > self.start:
            self._training_seconds += time.monotonic() - self._step_started_at
            self._timed_steps += step - self.step
        self.step = step

    def reset_interval(self) -> None:
        """Resets metrics and speed after a row was written."""
        self.sync()
        for metric in self.metrics:
            metric.reset_state()
        self._training_seconds, self._timed_steps = 0.0, 0


def capture(model: keras.Model, metrics: list[keras.Metric]) -> dict[str, np.ndarray]:
    """Returns copies of the weights, the optimizer's slots and the running metrics.

    Args:
        model: compiled, with its optimizer built.
        metrics: the running metrics.

    Returns:
        One array per variable, under a unique name.

    Example:

    >>> inputs = keras.Input((3,))
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="dense")(inputs))
    >>> model.compile("sgd", "mse")
    >>> capture(model, model.metrics[:1])["model/0/dense/kernel"].shape
    (3, 2)
    """
    named = _variables(model, metrics)
    return {name: np.array(keras.ops.convert_to_numpy(value)) for name, value in named.items()}


def restore(
    model: keras.Model, metrics: list[keras.Metric], arrays: dict[str, np.ndarray], source: str
) -> None:
    """Assigns what `capture` returned.

    Args:
        model: compiled, with its optimizer built.
        metrics: those given to `capture`. `fit` resets them when it starts, so restore after that.
        arrays: the arrays by name.
        source: where the arrays come from, for messages.

    Raises:
        UserError: if names or shapes differ from those of the model.

    Example:

    >>> inputs = keras.Input((3,))
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="dense")(inputs))
    >>> model.compile("sgd", "mse")
    >>> arrays = capture(model, model.metrics[:1])
    >>> model.set_weights([np.ones((3, 2)), np.ones(2)])
    >>> restore(model, model.metrics[:1], arrays, "the start")
    >>> model.get_weights()[1].tolist()
    [0.0, 0.0]
    """
    variables = _variables(model, metrics)
    if variables.keys() != arrays.keys():
        different = sorted(variables.keys() ^ arrays.keys())
        raise UserError(
            f"{source} belongs to another network or optimizer: {len(different)} names differ, "
            f"such as {different[0]!r}"
        )
    for name, variable in variables.items():
        if tuple(variable.shape) != arrays[name].shape:
            raise UserError(
                f"{source} belongs to another network: {name} has shape {arrays[name].shape} "
                f"there and {tuple(variable.shape)} here"
            )
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _variables(model: keras.Model, metrics: list[keras.Metric]) -> dict[str, keras.Variable]:
    groups = {
        "model": model.variables,
        "optimizer": model.optimizer.variables,
        "metrics": [variable for metric in metrics for variable in metric.variables],
    }
    # A path alone is not unique among metrics; with the position it is.
    return {
        f"{group}/{index}/{variable.path}": variable
        for group, variables in groups.items()
        for index, variable in enumerate(variables)
    }
