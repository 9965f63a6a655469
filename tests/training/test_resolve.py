"""Tests of `training.resolve`: values that only the data set decides."""

import dataclasses

import numpy as np
import pytest

from resnet_keras.data.dataset import Dataset, Images
from resnet_keras.errors import UsageError
from resnet_keras.recipe import Recipe
from resnet_keras.training.resolve import resolve_for_dataset

RECIPE = Recipe("resnet8", dataset="made_up")


def dataset_with(flip):
    images = Images(np.zeros((2, 8, 8, 3), np.uint8), np.zeros(2, np.int32))
    return Dataset("made_up", ("a", "b"), images, images, flip=flip)


@pytest.mark.parametrize("flip", [True, False])
def test_the_data_set_decides_whether_images_are_mirrored(flip):
    assert resolve_for_dataset(RECIPE, dataset_with(flip)).flip is flip


def test_flip_is_refused_if_mirroring_changes_the_classes():
    with pytest.raises(UsageError, match="Omit --flip"):
        resolve_for_dataset(dataclasses.replace(RECIPE, flip=True), dataset_with(False))


def test_alternate_flip_is_refused_if_images_are_not_mirrored():
    recipe = dataclasses.replace(RECIPE, alternate_flip=True)
    assert resolve_for_dataset(recipe, dataset_with(True)).alternate_flip
    with pytest.raises(UsageError, match=r"--alternate-flip has no effect on made_up.*Omit"):
        resolve_for_dataset(recipe, dataset_with(False))


def test_a_resolved_recipe_may_contain_alternate_flip_without_effect():
    # Runs of earlier versions recorded both values.
    recipe = dataclasses.replace(RECIPE, alternate_flip=True, flip=False)
    assert resolve_for_dataset(recipe, dataset_with(False)).alternate_flip


def test_scale_needs_images_in_files():
    recipe = dataclasses.replace(RECIPE, augmentation="scale")
    with pytest.raises(UsageError, match="--augmentation pad would work"):
        resolve_for_dataset(recipe, dataset_with(True))
