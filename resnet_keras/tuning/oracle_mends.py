"""What our oracles do otherwise than keras-tuner's."""

import keras_tuner


class Mended(keras_tuner.Oracle):
    """Goes before one of keras-tuner's oracles among the bases of a class."""

    def reload(self):
        """Reads the state back; keras-tuner calls it.

        A new trial's own file is written before the state that knows of it. A kill between the two
        leaves a trial that nobody would ever run: it is forgotten, and made again as it was.
        """
        super().reload()
        known = set(self.start_order)
        self.trials = {name: one for name, one in self.trials.items() if name in known}


class RandomSearch(Mended, keras_tuner.oracles.RandomSearchOracle):
    """Tries values by chance."""


class Hyperband(Mended, keras_tuner.oracles.HyperbandOracle):
    """Gives short schedules first, and longer ones to what did well."""


class Bayesian(Mended, keras_tuner.oracles.BayesianOptimizationOracle):
    """Tries what a Gaussian process, fitted to the scores so far, expects the most of."""
