"""Callbacks without a network. `test_resume.py` and `test_faults.py` test the others.

The paper ends the warm-up of ResNet-110 when the training error falls below 80 %.
"""

import numpy as np
import pytest

from resnet_keras.recipe import Recipe
from resnet_keras.training.callbacks import (
    NonFiniteLoss,
    PrimaryOutputs,
    StepTimer,
    StopOnNonFinite,
    WatchWarmUp,
    training_callbacks,
)
from resnet_keras.training.progress import Progress
from resnet_keras.training.state import TrainingState

BATCH = 16


class AccuracyCounts:
    """Replaces the accuracy metric: images classified correctly, images seen."""

    def __init__(self):
        self.variables = [np.float32(0), np.float32(0)]

    def add(self, correct):
        self.variables = [self.variables[0] + correct, self.variables[1] + BATCH]

    def reset_state(self):
        self.variables = [np.float32(0), np.float32(0)]


def simulate(correct_counts, rows_after=(), interrupted_after=None):
    """Simulates training with the given number of correct images per batch.

    Returns the step that was reported and stored.
    """
    recipe = Recipe(arch="resnet8", batch_size=BATCH, steps=len(correct_counts))
    metric, reports = AccuracyCounts(), []
    state = TrainingState(recipe, [AccuracyCounts(), metric])
    watch = WatchWarmUp(state, reports.append)
    for step, correct in enumerate(correct_counts, start=1):
        watch.on_train_batch_begin(step - 1)
        metric.add(correct)
        state.end_step(step)
        watch.on_train_batch_end(step - 1)
        if step in rows_after:
            state.reset_interval()
        if step == interrupted_after:
            stored = state.to_checkpoint()
            state = TrainingState(recipe, [AccuracyCounts(), metric])
            state.resume(step, stored)
            watch = WatchWarmUp(state, reports.append)
    assert len(reports) == (state.below_80_at is not None)
    return state.below_80_at


# One correct image of 16 is an error of 93.75 %, four are 75 %.
CORRECT = [1] * 9 + [4] * 12


def expected(correct_counts):
    errors = 100 * (1 - np.array(correct_counts) / BATCH)
    below = [end for end in range(10, len(errors) + 1) if errors[end - 10 : end].mean() < 80 - 1e-9]
    return below[0] if below else None


@pytest.mark.parametrize("correct", [CORRECT, [4] * 10, [4] * 9, [1] * 30])
def test_the_step_is_where_the_mean_of_ten_batches_falls_below_80(correct):
    assert simulate(correct) == expected(correct)


@pytest.mark.parametrize("step", range(1, len(CORRECT)))
def test_neither_a_row_nor_an_interruption_changes_the_step(step):
    assert simulate(CORRECT, rows_after=(step,)) == expected(CORRECT)
    assert simulate(CORRECT, interrupted_after=step) == expected(CORRECT)


def test_the_order_of_the_callbacks(tmp_path):
    state = TrainingState(Recipe("resnet8"), metrics=[])
    outputs = PrimaryOutputs(tmp_path, 10, lambda: None, Progress(10), watch_warm_up=True)
    names = [type(one).__name__ for one in training_callbacks(state, None, outputs=outputs)]
    # The timer first, so that the others see the new step. A row before the checkpoint that
    # promises it. The end of the run last, when everything else is written.
    assert names == [
        *("StepTimer", "RestoreCheckpoint", "StopOnNonFinite", "WatchWarmUp", "ShowProgress"),
        *("WriteRows", "SaveCheckpoints", "EndOnSignal"),
    ]


def test_only_the_time_of_steps_counts_for_the_speed(monkeypatch):
    now = 0.0
    monkeypatch.setattr("resnet_keras.training.state.time.monotonic", lambda: now)
    state = TrainingState(Recipe("resnet8", batch_size=BATCH), metrics=[])
    timer = StepTimer(state)
    for batch, seconds in enumerate((60.0, 2.0, 2.0)):
        timer.on_train_batch_begin(batch)
        now += seconds
        timer.on_train_batch_end(batch)
        now += 100.0  # other callbacks
    # The first step includes tracing.
    assert state.step == 3
    assert state.images_per_second == 2 * BATCH / 4.0


def test_an_infinite_loss_is_an_error_that_names_the_step(tmp_path):
    state = TrainingState(Recipe("resnet8"), metrics=[], step=7)
    callback = StopOnNonFinite(state, tmp_path)
    callback.on_train_batch_end(6, {"loss": 2.3})
    with pytest.raises(NonFiniteLoss, match=r"the loss at step 7 is inf.*There is no checkpoint"):
        callback.on_train_batch_end(6, {"loss": float("inf")})
