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


def test_it_errs_as_its_card_says():
    from resnet_keras.data.load import load
    from resnet_keras.evaluation.evaluate import evaluate
    from resnet_keras.evaluation.predictors import open_predictor

    try:
        images = load("cifar10").test.images[:200]
    except UserError as error:
        pytest.skip(f"CIFAR-10 is not here: {error}")
    found = evaluate(EXPORT, None, None)
    card = open_predictor(EXPORT).description.card
    assert found.measurement.top1_error == pytest.approx(card["test_error"]["top1_percent"])
    # The .keras file beside it is the same function, before folding.
    np.testing.assert_allclose(
        open_predictor(KERAS).probabilities(images),
        open_predictor(EXPORT).probabilities(images),
        atol=2e-5,
    )
