"""Errors and loss, compared with scikit-learn and with brute force."""

import numpy as np
import pytest
from sklearn import metrics

from resnet_keras.data.dataset import Images
from resnet_keras.evaluation.measure import (
    BATCH_SIZE,
    MetricsAccumulator,
    NonFinitePredictions,
    batch_size_for,
    measure,
)
from resnet_keras.preprocessing import Preprocessing


def make_images(labels):
    """Images whose first pixel encodes their index."""
    count = len(labels)
    images = np.zeros((count, 2, 2, 3), np.uint8)
    indices = np.arange(count)
    images[:, 0, 0] = np.stack([indices % 256, indices // 256, indices * 0], axis=1)
    return Images(images, np.asarray(labels, np.int32))


def make_preprocessing(classes):
    """Does not change images of 2x2 pixels."""
    class_names = tuple(f"class {number}" for number in range(classes))
    return Preprocessing((2, 2), "stretch", 1.0, (0, 0, 0), (1, 1, 1), class_names)


def measure_table(table, labels, batch_sizes=None):
    """Measures a network that predicts the rows of a table."""

    def predict(images):
        if batch_sizes is not None:
            batch_sizes.append(len(images))
        low, high = images[:, 0, 0, :2].astype(int).T
        return table[low + 256 * high]

    return measure(predict, make_images(labels), make_preprocessing(table.shape[1]))


def random_case(count, classes, seed=0):
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.ones(classes), count).astype(np.float32)
    return table, rng.integers(0, classes, count)


@pytest.mark.parametrize("count", [1, BATCH_SIZE - 1, BATCH_SIZE, BATCH_SIZE + 1, 777])
@pytest.mark.parametrize("classes", [2, 10, 23])
def test_against_scikit_learn(count, classes):
    table, labels = random_case(count, classes)
    names = list(range(classes))
    measurement = measure_table(table, labels)
    predictions = table.argmax(axis=1)
    assert measurement.examples == count
    accuracy = metrics.accuracy_score(labels, predictions)
    assert measurement.top1_error == pytest.approx(100 * (1 - accuracy))
    np.testing.assert_array_equal(
        measurement.confusion, metrics.confusion_matrix(labels, predictions, labels=names)
    )
    if classes > 5:
        accuracy = metrics.top_k_accuracy_score(labels, table, k=5, labels=names)
        assert measurement.top5_error == pytest.approx(100 * (1 - accuracy))
    else:
        assert measurement.top5_error == 0
    wide = table.astype(np.float64)
    wide /= wide.sum(axis=1, keepdims=True)
    assert measurement.loss == pytest.approx(metrics.log_loss(labels, wide, labels=names), rel=1e-5)


def test_every_image_is_predicted_once():
    table, labels = random_case(777, 10)
    batch_sizes = []
    measure_table(table, labels, batch_sizes)
    assert sum(batch_sizes) == 777 and max(batch_sizes) == BATCH_SIZE


def test_of_equal_probabilities_the_class_with_the_lower_index_comes_first():
    # All are equal: class 0 is the prediction, classes 0 to 4 are the top five.
    table = np.full((10, 10), 0.1, np.float32)
    measurement = measure_table(table, np.arange(10))
    assert (measurement.top1_error, measurement.top5_error) == (90.0, 50.0)
    np.testing.assert_array_equal(measurement.confusion[:, 0], np.ones(10))
    np.testing.assert_array_equal(measurement.top5_correct, [1] * 5 + [0] * 5)


@pytest.mark.parametrize("seed", range(5))
def test_coarse_probabilities_against_brute_force(seed):
    # There are few different values, so nearly every image has ties.
    rng = np.random.default_rng(seed)
    table = rng.integers(1, 4, (300, 12)).astype(np.float32)
    table /= table.sum(axis=1, keepdims=True)
    labels = rng.integers(0, 12, 300)
    measurement = measure_table(table, labels)
    wrong1 = wrong5 = 0
    for row, label in zip(table, labels, strict=True):
        best = sorted(range(12), key=lambda k: (-row[k], k))
        wrong1 += best[0] != label
        wrong5 += label not in best[:5]
    assert measurement.top1_error == pytest.approx(100 * wrong1 / 300)
    assert measurement.top5_error == pytest.approx(100 * wrong5 / 300)


def test_per_class():
    table, labels = random_case(400, 8)
    labels[labels == 3] = 4
    measurement = measure_table(table, labels)
    rows = measurement.per_class(tuple("abcdefgh"))
    assert [row["class"] for row in rows] == list("abcdefgh")
    for index, row in enumerate(rows):
        in_class = labels == index
        assert row["examples"] == in_class.sum()
        if index == 3:
            assert row["top1_error"] is None and row["top5_error"] is None
            continue
        best = np.argsort(-table[in_class], axis=1)[:, :5]
        assert row["top1_error"] == pytest.approx(100 * np.mean(best[:, 0] != index))
        assert row["top5_error"] == pytest.approx(100 * np.mean(~(best == index).any(axis=1)))
    total = sum(row["examples"] * row["top1_error"] for row in rows if row["examples"])
    assert total / 400 == pytest.approx(measurement.top1_error)


def test_a_probability_of_zero_has_a_large_but_finite_loss():
    table = np.array([[1.0, 0.0], [1.0, 0.0]], np.float32)
    measurement = measure_table(table, [0, 1])
    assert np.isfinite(measurement.loss)
    assert measurement.loss == pytest.approx(-np.log(np.finfo(np.float32).tiny) / 2)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_predictions_are_refused(value):
    accumulator = MetricsAccumulator(2)
    with pytest.raises(NonFinitePredictions, match="infinite or not a number"):
        accumulator.update(np.array([[0.5, value]], np.float32), np.zeros(1, np.int32))


def test_all_correct_and_all_wrong():
    table = np.eye(3, dtype=np.float32)
    assert measure_table(table, [0, 1, 2]).top1_error == 0
    assert measure_table(table, [1, 2, 0]).top1_error == 100


def test_batches_of_large_images_are_smaller():
    assert batch_size_for(32, 32) == BATCH_SIZE
    assert 1 <= batch_size_for(224, 224) < 32
    assert batch_size_for(4000, 4000) == 1


@pytest.mark.parametrize("classes, shows_top5", [(5, False), (6, True)])
def test_the_table_has_no_top_5_error_for_up_to_five_classes(classes, shows_top5):
    table, labels = random_case(40, classes)
    lines = measure_table(table, labels).table(make_preprocessing(classes).class_names)
    assert len(lines) == 3 + classes
    assert ("top-5 error" in lines[0]) is ("top-5 error" in lines[2]) is shows_top5
    assert {line.count(" %") for line in lines[3:]} == {1 + shows_top5}
