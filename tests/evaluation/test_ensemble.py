"""The mean of the probabilities of several networks, compared with NumPy."""

import numpy as np
import pytest
from PIL import Image

from resnet_keras.errors import UserError
from resnet_keras.evaluation.ensemble import evaluate_ensemble
from resnet_keras.evaluation.evaluate import evaluate
from resnet_keras.models.keras_file import save_keras_file
from tests.evaluation.networks import (
    CLASS_NAMES,
    expected_probabilities,
    make_description,
    make_network,
    make_preprocessing,
)


def test_networks_of_different_sizes(any_size, tmp_path, few_digits):
    model = make_network((48, 48), seed=1)
    path = tmp_path / "second.keras"
    save_keras_file(model, path, make_description(48, per_pixel=True))
    ensemble = evaluate_ensemble([any_size.version, path], None, None)
    for member, member_path in zip(ensemble.members, (any_size.version, path), strict=True):
        alone = evaluate(member_path, None, None).measurement
        assert member.measurement.top1_error == alone.top1_error
        assert member.measurement.loss == pytest.approx(alone.loss, rel=1e-6)
    resized = [
        np.asarray(Image.fromarray(image).resize((48, 48), Image.BILINEAR))
        for image in few_digits.images
    ]
    first = expected_probabilities(any_size.model, any_size.preprocessing, few_digits.images)
    second = expected_probabilities(model, make_preprocessing(48, per_pixel=True), resized)
    expected = (first + second) / 2
    true_probabilities = expected[np.arange(30), few_digits.labels]
    assert ensemble.measurement.loss == pytest.approx(-np.log(true_probabilities).mean(), rel=1e-3)
    correct = expected.argmax(axis=1) == few_digits.labels
    assert ensemble.measurement.top1_error == pytest.approx(100 * (1 - correct.mean()))


def test_different_classes_are_refused(any_size, tmp_path):
    path = tmp_path / "other.keras"
    description = make_description(32, class_names=CLASS_NAMES[::-1])
    save_keras_file(make_network((None, None)), path, description)
    with pytest.raises(UserError, match="predict different classes"):
        evaluate_ensemble([any_size.version, path], None, None)
