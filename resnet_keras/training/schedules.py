"""The learning rate as a function of the step: in Python, and as a Keras schedule.

Steps count from 0. A drop after 32,000 steps therefore lowers the rate of step 32,000, which is the
32,001st.
"""

import bisect
from typing import Any, TypeAlias

import keras

from resnet_keras.recipe import Recipe

Tensor: TypeAlias = Any


def learning_rate(recipe: Recipe, step: int) -> float:
    """Returns the learning rate of a step.

    Args:
        recipe: the recipe of the run.
        step: the step, counted from 0.

    Returns:
        The same as `keras_schedule(recipe)(step)`, in double precision.

    Example:

    >>> recipe = Recipe("resnet20", learning_rate=0.1, drops=(32_000, 48_000))
    >>> [round(learning_rate(recipe, step), 6) for step in (31_999, 32_000, 48_000)]
    [0.1, 0.01, 0.001]
    """
    if recipe.schedule == "one_cycle":
        return _one_cycle_rate(step, recipe.learning_rate, recipe.steps, _peak_step(recipe))
    if _has_linear_warm_up(recipe) and step < recipe.warmup_steps:
        fraction = step / recipe.warmup_steps
        return recipe.warmup_rate + fraction * (recipe.learning_rate - recipe.warmup_rate)
    first_steps, rates = piecewise_rates(recipe)
    return rates[bisect.bisect_right(first_steps, step) - 1]


def keras_schedule(recipe: Recipe) -> keras.optimizers.schedules.LearningRateSchedule:
    """Returns the learning-rate schedule of a recipe for a Keras optimizer.

    Args:
        recipe: the recipe of the run.

    Returns:
        A `OneCycle`, a `PiecewiseConstantDecay`, or a `LinearWarmUp` followed by the latter.

    Example:

    >>> schedule = keras_schedule(Recipe("resnet20", drops=(32_000, 48_000)))
    >>> round(float(schedule(31_999)), 4), round(float(schedule(32_000)), 4)
    (0.1, 0.01)
    """
    if recipe.schedule == "one_cycle":
        return OneCycle(recipe.learning_rate, recipe.steps, _peak_step(recipe))
    first_steps, rates = piecewise_rates(recipe)
    if len(rates) == 1:
        # Keras requires a boundary. One at the end changes nothing.
        first_steps, rates = [0, recipe.steps], rates * 2
    # Keras uses a value as long as step <= boundary, so a rate that starts at step 32,000 needs the
    # boundary 31,999.
    boundaries = [step - 1 for step in first_steps[1:]]
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates)
    if _has_linear_warm_up(recipe):
        return LinearWarmUp(
            recipe.warmup_rate, recipe.learning_rate, recipe.warmup_steps, after=schedule
        )
    return schedule


def piecewise_rates(recipe: Recipe) -> tuple[list[int], list[float]]:
    """Returns the schedule of section 4.2: constant warm-up, full rate and drops.

    Args:
        recipe: a recipe with `schedule="drops"`. A linear warm-up is not reflected.

    Returns:
        `(first_steps, rates)`: each rate applies from its first step to the next. The first steps
        increase from 0.

    Example:

    >>> piecewise_rates(Recipe("resnet110", drops=(32_000,), warmup_steps=400))
    ([0, 400, 32000], [0.01, 0.1, 0.010000000000000002])
    """
    pieces = [(0, recipe.warmup_rate)] if recipe.warmup_steps else []
    pieces.append((recipe.warmup_steps, recipe.learning_rate))
    for number, step in enumerate(recipe.drops, 1):
        pieces.append((step, recipe.learning_rate * recipe.drop_factor**number))
    return [step for step, _ in pieces], [rate for _, rate in pieces]


@keras.saving.register_keras_serializable(package="resnet_keras")
class LinearWarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly from `first` at step 0 to `last` at step `steps`, then follows `after`.

    This is the gradual warm-up of Goyal et al., arXiv:1706.02677, section 2.2.

    Args:
        first: the rate of the first step.
        last: the rate at the end of the warm-up.
        steps: the length of the warm-up in steps.
        after: the schedule after the warm-up. Its steps count from the start of training too.

    Example:

    >>> after = keras.optimizers.schedules.PiecewiseConstantDecay([99], [1.0, 0.1])
    >>> schedule = LinearWarmUp(first=0.0, last=1.0, steps=10, after=after)
    >>> [round(float(schedule(step)), 2) for step in (0, 5, 10, 100)]
    [0.0, 0.5, 1.0, 0.1]
    """

    def __init__(self, first: float, last: float, steps: int, after: Any) -> None:
        super().__init__()
        self.first, self.last, self.steps = float(first), float(last), int(steps)
        if isinstance(after, dict):
            after = keras.optimizers.schedules.deserialize(after)
        self.after = after

    def __call__(self, step: Tensor) -> Tensor:
        """Returns the learning rate of a step: a float32 scalar."""
        fraction = keras.ops.cast(step, "float32") / self.steps
        rate = self.first + fraction * (self.last - self.first)
        return keras.ops.where(step < self.steps, rate, self.after(step))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        after = keras.optimizers.schedules.serialize(self.after)
        return {"first": self.first, "last": self.last, "steps": self.steps, "after": after}


# Version 0.1 registered the class as `Rising`. Its `.keras` files contain that name.
keras.saving.get_custom_objects()["resnet_keras>Rising"] = LinearWarmUp


@keras.saving.register_keras_serializable(package="resnet_keras")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly to `peak` at step `peak_step`, then falls linearly to 0 at step `steps`.

    A piecewise linear form of the cycle of Smith and Topin, *Super-Convergence*, arXiv:1708.07120.
    The line through the rising rates is 0 one step before the first.

    Args:
        peak: the highest rate.
        steps: the length of the training in steps.
        peak_step: the step with the highest rate, counted from 0.

    Example:

    >>> schedule = OneCycle(peak=0.4, steps=10, peak_step=3)
    >>> [round(float(schedule(step)), 2) for step in (0, 3, 9, 10)]
    [0.1, 0.4, 0.06, 0.0]
    """

    def __init__(self, peak: float, steps: int, peak_step: int) -> None:
        super().__init__()
        self.peak, self.steps, self.peak_step = float(peak), int(steps), int(peak_step)

    def __call__(self, step: Tensor) -> Tensor:
        """Returns the learning rate of a step: a float32 scalar."""
        step = keras.ops.cast(step, "float32")
        up = (step + 1) / (self.peak_step + 1)
        down = keras.ops.maximum(0.0, (self.steps - step) / (self.steps - self.peak_step))
        return self.peak * keras.ops.where(step <= self.peak_step, up, down)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {"peak": self.peak, "steps": self.steps, "peak_step": self.peak_step}


def _one_cycle_rate(step: int, peak: float, steps: int, peak_step: int) -> float:
    # The same as OneCycle.
    if step <= peak_step:
        return peak * (step + 1) / (peak_step + 1)
    return peak * max(0.0, (steps - step) / (steps - peak_step))


def _peak_step(recipe: Recipe) -> int:
    return min(round(recipe.peak_at * recipe.steps), recipe.steps - 1)


def _has_linear_warm_up(recipe: Recipe) -> bool:
    return recipe.warmup_steps > 0 and recipe.warmup_shape == "linear"
