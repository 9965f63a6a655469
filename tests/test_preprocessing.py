"""`Preprocessing` and `Description`."""

import dataclasses
import json

import numpy as np
import pytest

from resnet_keras.description import Description
from resnet_keras.errors import UserError
from resnet_keras.preprocessing import Preprocessing

VALUES = {
    "size": (4, 6),
    "resize": "stretch",
    "scale": 1 / 255,
    "mean": np.random.default_rng(0).random((4, 6, 3)).astype(np.float32),
    "std": (1.0, 1.0, 1.0),
    "class_names": ("cat", "dög", "x y"),
}


def make(**changes):
    return Preprocessing(**{**VALUES, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mean": np.float32([0.1, 1e-30, 16777216.0])},
        {"mean": [0.1, 0.2, 0.3], "std": (0.3, 0.1, 1e-7)},
        {"resize": "crop", "shorter_side": 8},
    ],
)
def test_json_round_trip_is_exact(changes):
    made = make(**changes)
    again = Preprocessing.from_json(json.loads(json.dumps(made.to_json())))
    assert again == made and hash(again) == hash(made)
    assert again.mean.dtype == np.float32 and again.mean.shape == made.mean.shape
    np.testing.assert_array_equal(
        again.mean.view(np.uint32), np.asarray(made.mean).view(np.uint32), strict=True
    )
    assert (again.size, again.std, again.class_names) == (made.size, made.std, made.class_names)
    assert (again.scale, again.shorter_side) == (made.scale, made.shorter_side)


def test_objects_with_different_values_are_not_equal():
    other = np.array(VALUES["mean"])
    other[0, 0, 0] += 1e-6
    for changes in (
        {"mean": other},
        {"scale": 1.0},
        {"std": (1.0, 1.0, 2.0)},
        {"class_names": ("dög", "cat", "x y")},
        {"resize": "crop", "shorter_side": 8},
    ):
        assert make(**changes) != make()
    assert make() != "something else"


def test_per_pixel():
    assert make().per_pixel
    assert not make(mean=(0.0, 0.0, 0.0)).per_pixel


def test_objects_are_immutable():
    made = make()
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.scale = 2.0
    with pytest.raises(ValueError, match="read-only"):
        made.mean[0, 0, 0] = 1.0


def test_the_mean_is_copied_if_it_is_converted():
    mean = np.zeros(3, np.float64)
    made = make(mean=mean)
    mean[0] = 5.0
    assert made.mean[0] == 0.0


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"resize": "squeeze"}, ["resize", "'squeeze'", "stretch"]),
        ({"mean": np.zeros((6, 4, 3))}, ["mean", "(6, 4, 3)", "(4, 6, 3)"]),
        ({"mean": 0.5}, ["mean", "()"]),
        ({"std": (1.0, 0.0, 1.0)}, ["std"]),
        ({"std": (1.0, 1.0)}, ["std"]),
        ({"resize": "crop"}, ["shorter_side"]),
        ({"shorter_side": 8}, ["shorter_side"]),
    ],
)
def test_invalid_values(changes, words):
    with pytest.raises(UserError) as caught:
        make(**changes)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.pop("mean"),
        lambda values: values.pop("scale"),
        lambda values: values.pop("mean_shape"),
        lambda values: values.update(mean_shape=[5, 5, 3]),
        lambda values: values.update(mean="zero"),
        lambda values: values.update(size=None),
        lambda values: values.update(colour="red"),
        lambda values: values.update(std=["a", 1, 1]),
    ],
)
def test_from_json_rejects_invalid_values(change):
    values = make().to_json()
    change(values)
    with pytest.raises(UserError, match="preprocessing"):
        Preprocessing.from_json(values)


def test_description_round_trip():
    made = Description(make(), {"name": "resnet20-A", "dataset": "digits", "steps": 3})
    again = Description.from_json(json.loads(json.dumps(made.to_json())), "x.keras")
    assert again == made
    assert (again.name, again.dataset) == ("resnet20-A", "digits")
    assert (Description(make()).name, Description(make()).dataset) == ("model", None)


@pytest.mark.parametrize("values", [None, [], {}, {"preprocessing": 3}, {"preprocessing": {}}])
def test_description_rejects_invalid_values(values):
    with pytest.raises(UserError):
        Description.from_json(values, "x.keras")
