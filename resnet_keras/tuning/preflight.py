"""What every trial of a search needs, tried once before the first: no trial shall fail for it."""

import dataclasses

from resnet_keras.data.holdout import stratified
from resnet_keras.data.sources import load_for
from resnet_keras.recipe import Recipe
from resnet_keras.training import hardware
from resnet_keras.training.resolve import resolve_for_dataset


def check_base(base: Recipe, data_dir: str | None) -> None:
    """Loads the data set, counts the images to hold out, and looks for the devices.

    Args:
        base: the recipe searched from.
        data_dir: where the data set is.

    Raises:
        UsageError: if the recipe suits neither data set nor machine, whatever a trial changes.
        UserError: if the data set is not there or cannot be read.
    """
    # To try each file takes long, and each trial does it.
    dataset = load_for(dataclasses.replace(base, skip_corrupt=False), data_dir)
    resolve_for_dataset(base, dataset)
    stratified(dataset.train.labels, base.validation_size)
    if base.devices:
        # Whether a batch divides among them is a trial's matter.
        hardware.choose(dataclasses.replace(base, batch_size=base.devices))
