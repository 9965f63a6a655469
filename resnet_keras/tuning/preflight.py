"""Checks that run once before a search, so that no trial fails for a reason that all share."""

import dataclasses

from resnet_keras.data.holdout import stratified_sample
from resnet_keras.data.sources import load_for_recipe
from resnet_keras.recipe import Recipe
from resnet_keras.training import hardware
from resnet_keras.training.resolve import resolve_for_dataset


def check_base(base: Recipe, data_dir: str | None) -> None:
    """Checks the base recipe of a search against the data set and the hardware.

    Args:
        base: the recipe that the trials vary.
        data_dir: the folder of the data set; `None` searches the usual places.

    Raises:
        UsageError: if the recipe does not suit the data set or the hardware, whatever values a
            trial changes.
        UserError: if the data set is missing or cannot be read.

    Example:

    >>> check_base(Recipe("resnet8", dataset="digits", validation_size=300), data_dir=None)
    """
    # Decoding every file takes long, and each trial does it anyway.
    dataset = load_for_recipe(dataclasses.replace(base, skip_corrupt=False), data_dir)
    resolve_for_dataset(base, dataset)
    stratified_sample(dataset.train.labels, base.validation_size)
    if base.devices:
        # Trials may vary the batch size; only those that the devices cannot share fail.
        hardware.choose(dataclasses.replace(base, batch_size=base.devices))
