"""The learning rate as a function of the step."""

import bisect

import keras

from resnet_keras.recipe import Recipe


def rate_pieces(recipe: Recipe) -> tuple[list[int], list[float]]:
    """Returns the schedule of section 4.2 as `(first steps, rates)`, in order, from step 0 on.

    Warm-up, full rate and drops are one schedule. Steps count from 0, so a drop after 32,000
    steps gives step 32,000, the 32,001st, the lower rate.
    """
    pieces = [(0, recipe.warmup_rate)] if recipe.warmup_steps else []
    pieces.append((recipe.warmup_steps, recipe.learning_rate))
    for number, step in enumerate(recipe.drops, 1):
        pieces.append((step, recipe.learning_rate * recipe.drop_factor**number))
    return [step for step, _ in pieces], [rate for _, rate in pieces]


def learning_rate(recipe: Recipe, step: int) -> float:
    """Returns the rate that step number `step`, from 0 on, is taken with."""
    if recipe.schedule == "one_cycle":
        return one_cycle_rate(step, recipe.learning_rate, recipe.steps, peak_step(recipe))
    if rises_linearly(recipe) and step < recipe.warmup_steps:
        risen = step / recipe.warmup_steps
        return recipe.warmup_rate + risen * (recipe.learning_rate - recipe.warmup_rate)
    starts, rates = rate_pieces(recipe)
    return rates[bisect.bisect_right(starts, step) - 1]


def rises_linearly(recipe: Recipe) -> bool:
    """Whether the rate rises during the warm-up, instead of waiting for its end."""
    return recipe.warmup_steps > 0 and recipe.warmup_shape == "linear"


def peak_step(recipe: Recipe) -> int:
    """Returns the step, from 0 on, that a cycle takes with its highest rate."""
    return min(round(recipe.peak_at * recipe.steps), recipe.steps - 1)


def one_cycle_rate(step: int, peak: float, steps: int, peak_step: int) -> float:
    """Returns the rate of a cycle: a straight line from 0, one step before the first, to `peak`
    at `peak_step`, and another to 0 at step number `steps`, which is never taken."""
    if step <= peak_step:
        return peak * (step + 1) / (peak_step + 1)
    return peak * max(0.0, (steps - step) / (steps - peak_step))


def keras_schedule(recipe: Recipe):
    """Returns the same as a `keras.optimizers.schedules.PiecewiseConstantDecay`, or a cycle,
    or with a linear rise before it."""
    import keras

    if recipe.schedule == "one_cycle":
        pass

        return OneCycle(recipe.learning_rate, recipe.steps, peak_step(recipe))
    starts, rates = rate_pieces(recipe)
    if len(rates) == 1:
        # Keras wants at least one boundary. One at the end changes nothing.
        starts, rates = [0, recipe.steps], rates * 2
    # Keras keeps a value while step <= boundary: the piece that begins at step 32,000 has the
    # boundary 31,999.
    pieces = keras.optimizers.schedules.PiecewiseConstantDecay(
        [start - 1 for start in starts[1:]], rates
    )
    if rises_linearly(recipe):
        pass

        return LinearWarmUp(recipe.warmup_rate, recipe.learning_rate, recipe.warmup_steps, pieces)
    return pieces


@keras.saving.register_keras_serializable(package="resnet_keras")
class LinearWarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly from `first` at step 0 to `last` at step `steps`, then follows `after`.

    The gradual warm-up of Goyal et al., arXiv:1706.02677, section 2.2.

    Args:
        first: rate of the first step.
        last: rate at the end of the warm-up.
        steps: its length.
        after: the schedule from there on; its steps count from the same 0.
    """

    def __init__(self, first: float, last: float, steps: int, after):
        super().__init__()
        self.first, self.last, self.steps = float(first), float(last), int(steps)
        if isinstance(after, dict):
            after = keras.optimizers.schedules.deserialize(after)
        self.after = after

    def __call__(self, step):
        """Returns the rate of step number `step`, from 0 on: a float32 scalar."""
        risen = keras.ops.cast(step, "float32") / self.steps
        rate = self.first + risen * (self.last - self.first)
        return keras.ops.where(step < self.steps, rate, self.after(step))

    def get_config(self):
        """Returns the arguments, for saving."""
        after = keras.optimizers.schedules.serialize(self.after)
        return {"first": self.first, "last": self.last, "steps": self.steps, "after": after}


@keras.saving.register_keras_serializable(package="resnet_keras")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly to `peak` at step `peak_step` and falls linearly to 0 at step `steps`.

    A straight-line form of the cycle of Smith and Topin, *Super-Convergence*, arXiv:1708.07120.

    Args:
        peak: the highest rate.
        steps: length of the training in steps.
        peak_step: the step, from 0 on, that is taken with it.
    """

    def __init__(self, peak: float, steps: int, peak_step: int):
        super().__init__()
        self.peak, self.steps, self.peak_step = float(peak), int(steps), int(peak_step)

    def __call__(self, step):
        """Returns the rate of step number `step`, from 0 on: a float32 scalar."""
        step = keras.ops.cast(step, "float32")
        up = (step + 1) / (self.peak_step + 1)
        down = keras.ops.maximum(0.0, (self.steps - step) / (self.steps - self.peak_step))
        return self.peak * keras.ops.where(step <= self.peak_step, up, down)

    def get_config(self):
        """Returns the arguments, for saving."""
        return {"peak": self.peak, "steps": self.steps, "peak_step": self.peak_step}
