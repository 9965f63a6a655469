"""What our oracles do otherwise than keras-tuner's."""

import keras_tuner


class Mended(keras_tuner.Oracle):
    """Goes before one of keras-tuner's oracles among the bases of a class.

    Attributes:
        after_end: called when a trial has ended, on a chief too, where keras-tuner's loop says
            nothing of its workers' trials.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.after_end = lambda: None

    @property
    def too_many_failed(self) -> bool:
        """Whether so many trials in a row failed that the search ends."""
        most, row = self.max_consecutive_failed_trials, 0
        for name in self.end_order:
            row = row + 1 if self.trials[name].status == "FAILED" else 0
            if row >= most:
                return True
        return False

    def populate_space(self, trial_id: str) -> dict:
        """Chooses a new trial's values, or ends the search; keras-tuner calls it."""
        return {"status": "STOPPED"} if self.too_many_failed else super().populate_space(trial_id)

    def end_trial(self, trial: keras_tuner.engine.trial.Trial) -> None:
        """Takes a trial's end.

        After a chief's restart a trial that a worker still has is queued, and may have been given
        to a second one: the first end of the two counts, and calls the second worker's off.
        """
        name = trial.trial_id
        if name in self._retry_queue:
            self._retry_queue.remove(name)
        elif all(one.trial_id != name for one in self.ongoing_trials.values()):
            return
        super().end_trial(trial)
        self.after_end()

    def reload(self):
        """Reads the state back; keras-tuner calls it.

        A new trial's own file is written before the state that knows of it. A kill between the two
        leaves a trial that nobody would ever run: it is forgotten, and made again as it was.
        """
        super().reload()
        known = set(self.start_order)
        self.trials = {name: one for name, one in self.trials.items() if name in known}

    def _check_consecutive_failures(self):
        # keras-tuner's raises, holding a lock that is then never released: a chief would hang.
        # `populate_space` ends the search instead, and all its workers hear of it.
        pass


class RandomSearch(Mended, keras_tuner.oracles.RandomSearchOracle):
    """Tries values by chance."""


class Hyperband(Mended, keras_tuner.oracles.HyperbandOracle):
    """Gives short schedules first, and longer ones to what did well."""


class Bayesian(Mended, keras_tuner.oracles.BayesianOptimizationOracle):
    """Tries what a Gaussian process, fitted to the scores so far, expects the most of."""
