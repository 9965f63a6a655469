"""The trained network that comes with the program."""

import json
from pathlib import Path

import numpy as np
import pytest

from resnet_keras.errors import UserError

FOLDER = Path(__file__).resolve().parents[1] / "saved_models"
EXPORT, KERAS = FOLDER / "resnet20-A", FOLDER / "resnet20-A.keras"


def test_it_is_small():
    sizes = [path.stat().st_size for path in EXPORT.rglob("*") if path.is_file()]
    assert 0 < sum(sizes) < 3e6 and 0 < KERAS.stat().st_size < 3e6


def test_its_card_says_how_it_came_about():
    card = json.loads((EXPORT / "1/assets.extra/model_card.json").read_text())
    assert (card["name"], card["arch"], card["option"]) == ("resnet20-A", "resnet20", "A")
    assert card["test_error"]["examples"] == 10_000 and card["serving"]["folded"]
    assert card["recipe"]["schedule"] == "one_cycle" and card["git_commit"]


@pytest.fixture(scope="module")
def cifar_images():
    """CIFAR-10's."""
    from resnet_keras.data.sources import load

    try:
        return load("cifar10").test
    except UserError as error:
        pytest.skip(f"CIFAR-10 is not here: {error}")


def test_the_first_images_are_known_and_the_file_beside_it_is_the_same_function(cifar_images):
    from resnet_keras.evaluation.predictors import open_predictor

    images, labels = cifar_images.images[:300], cifar_images.labels[:300]
    found = open_predictor(EXPORT).probabilities(images)
    # Of 300 images at an error of 10 %, four standard deviations more than 30 are 51.
    assert (found.argmax(axis=1) != labels).sum() < 51
    # Before folding.
    np.testing.assert_allclose(open_predictor(KERAS).probabilities(images), found, atol=2e-5)


@pytest.mark.landing
def test_it_errs_as_its_card_says(cifar_images):
    from resnet_keras.evaluation.evaluate import evaluate
    from resnet_keras.evaluation.predictors import open_predictor

    found = evaluate(EXPORT, None, None)
    card = open_predictor(EXPORT).description.card
    assert found.measurement.top1_error == pytest.approx(card["test_error"]["top1_percent"])
