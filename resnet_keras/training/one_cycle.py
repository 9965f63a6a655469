"""A cycle of the learning rate as Keras takes it; `schedule.py` has the same in plain numbers."""

import keras


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
