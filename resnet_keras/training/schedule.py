"""The learning rate as a function of the step."""

import bisect

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
        from resnet_keras.training.one_cycle import OneCycle

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
        from resnet_keras.training.rising import Rising

        return Rising(recipe.warmup_rate, recipe.learning_rate, recipe.warmup_steps, pieces)
    return pieces
