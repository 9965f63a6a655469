"""When the training error falls below 80 %, where the paper ends the warm-up of ResNet-110."""

import numpy as np
import pytest

from resnet_keras.recipe import Recipe
from resnet_keras.training.callbacks import WatchWarmUp
from resnet_keras.training.state import TrainingState

BATCH = 16


class Counted:
    """Stands for the accuracy metric: images answered rightly, images seen."""

    def __init__(self):
        self.variables = [np.float32(0), np.float32(0)]

    def add(self, right):
        self.variables = [self.variables[0] + right, self.variables[1] + BATCH]

    def reset_state(self):
        self.variables = [np.float32(0), np.float32(0)]


def walk(rights, rows_after=(), interrupted_after=None):
    """Trains by these counts of right answers; returns the step that was reported and found."""
    recipe = Recipe(arch="resnet8", batch_size=BATCH, steps=len(rights))
    metric, said = Counted(), []
    journey = TrainingState(recipe, [Counted(), metric])
    watch = WatchWarmUp(journey, said.append)
    for step, right in enumerate(rights, start=1):
        watch.on_train_batch_begin(step - 1)
        metric.add(right)
        journey.arrive(step)
        watch.on_train_batch_end(step - 1)
        if step in rows_after:
            journey.new_interval()
        if step == interrupted_after:
            extra = journey.extra()
            journey = TrainingState(recipe, [Counted(), metric])
            journey.go_on_from(step, extra)
            watch = WatchWarmUp(journey, said.append)
    assert len(said) == (journey.below_80_at is not None)
    return journey.below_80_at


# One of 16 right is 93.75 % wrong, four are 75 %.
RIGHTS = [1] * 9 + [4] * 12


def expected(rights):
    errors = 100 * (1 - np.array(rights) / BATCH)
    below = [end for end in range(10, len(errors) + 1) if errors[end - 10 : end].mean() < 80 - 1e-9]
    return below[0] if below else None


@pytest.mark.parametrize("rights", [RIGHTS, [4] * 10, [4] * 9, [1] * 30])
def test_it_is_the_mean_of_the_last_ten_batches(rights):
    assert walk(rights) == expected(rights)


@pytest.mark.parametrize("step", range(1, len(RIGHTS)))
def test_neither_a_row_nor_an_interruption_moves_it(step):
    assert walk(RIGHTS, rows_after=(step,)) == expected(RIGHTS)
    assert walk(RIGHTS, interrupted_after=step) == expected(RIGHTS)
