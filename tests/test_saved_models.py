"""The trained network that is part of the repository."""

import json
from pathlib import Path

import numpy as np
import pytest

from resnet_keras.errors import UserError

FOLDER = Path(__file__).resolve().parents[1] / "saved_models"
EXPORT, KERAS_FILE = FOLDER / "resnet20-A", FOLDER / "resnet20-A.keras"


def test_the_files_are_small():
    sizes = [path.stat().st_size for path in EXPORT.rglob("*") if path.is_file()]
    assert 0 < sum(sizes) < 3e6 and 0 < KERAS_FILE.stat().st_size < 3e6


def test_the_card_describes_the_training():
    card = json.loads((EXPORT / "1/assets.extra/model_card.json").read_text())
    assert (card["name"], card["arch"], card["option"]) == ("resnet20-A", "resnet20", "A")
    assert card["test_error"]["examples"] == 10_000 and card["serving"]["folded"]
    assert card["recipe"]["schedule"] == "one_cycle" and card["git_commit"]


@pytest.fixture(scope="module")
def cifar_images():
    """The test images of CIFAR-10."""
    from resnet_keras.data.sources import load_dataset

    try:
        return load_dataset("cifar10").test
    except UserError as error:
        pytest.skip(f"CIFAR-10 is not available: {error}")


def test_the_export_and_the_keras_file_predict_the_same(cifar_images):
    from resnet_keras.evaluation.predictors import open_predictor

    images, labels = cifar_images.images[:300], cifar_images.labels[:300]
    probabilities = open_predictor(EXPORT).probabilities(images)
    # With an error of 10 %, 30 of 300 images are wrong on average; 51 is four standard deviations
    # more.
    assert (probabilities.argmax(axis=1) != labels).sum() < 51
    # Batch normalization is folded in the export only.
    unfolded = open_predictor(KERAS_FILE).probabilities(images)
    np.testing.assert_allclose(unfolded, probabilities, atol=2e-5)


@pytest.mark.landing
def test_the_error_is_that_of_the_card(cifar_images):
    from resnet_keras.evaluation.evaluate import evaluate
    from resnet_keras.evaluation.predictors import open_predictor

    evaluation = evaluate(EXPORT, None, None)
    card = open_predictor(EXPORT).description.card
    assert evaluation.measurement.top1_error == pytest.approx(card["test_error"]["top1_percent"])
