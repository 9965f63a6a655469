"""A linear warm-up as Keras takes it; `schedule.py` has the same in plain numbers."""

import keras


@keras.saving.register_keras_serializable(package="resnet_keras")
class Rising(keras.optimizers.schedules.LearningRateSchedule):
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
