"""Errors and loss against scikit-learn and brute force."""

import numpy as np
import pytest
from sklearn import metrics

from resnet_keras.data.dataset import Images
from resnet_keras.evaluation.evaluate import class_table
from resnet_keras.evaluation.measure import BATCH_SIZE, batch_size, measure
from resnet_keras.preprocessing import Preprocessing


def labelled(labels):
    """Images whose first pixel says their number."""
    count = len(labels)
    images = np.zeros((count, 2, 2, 3), np.uint8)
    numbers = np.arange(count)
    images[:, 0, 0] = np.stack([numbers % 256, numbers // 256, numbers * 0], axis=1)
    return Images(images, np.asarray(labels, np.int32))


def described(classes, size=(2, 2)):
    """Leaves images of that size alone."""
    names = tuple(f"class {number}" for number in range(classes))
    return Preprocessing(size, "stretch", 1.0, (0, 0, 0), (1, 1, 1), names)


def answering(table, sizes=None):
    """A network that looks an image's answer up by its first pixel."""

    def probabilities(images):
        if sizes is not None:
            sizes.append(len(images))
        numbers = images[:, 0, 0].astype(int)
        return table[numbers[:, 0] + 256 * numbers[:, 1]]

    return probabilities


def random_case(count, classes, seed=0):
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.ones(classes), count).astype(np.float32)
    return table, rng.integers(0, classes, count)


@pytest.mark.parametrize("count", [1, BATCH_SIZE - 1, BATCH_SIZE, BATCH_SIZE + 1, 777])
@pytest.mark.parametrize("classes", [2, 10, 23])
def test_against_scikit_learn(count, classes):
    table, labels = random_case(count, classes)
    names = list(range(classes))
    found = measure(answering(table), labelled(labels), described(classes))
    answers = table.argmax(axis=1)
    assert found.examples == count
    assert found.top1_error == pytest.approx(100 * (1 - metrics.accuracy_score(labels, answers)))
    np.testing.assert_array_equal(
        found.confusion, metrics.confusion_matrix(labels, answers, labels=names)
    )
    if classes > 5:
        right = metrics.top_k_accuracy_score(labels, table, k=5, labels=names)
        assert found.top5_error == pytest.approx(100 * (1 - right))
    else:
        assert found.top5_error == 0
    wide = table.astype(np.float64)
    wide /= wide.sum(axis=1, keepdims=True)
    assert found.loss == pytest.approx(metrics.log_loss(labels, wide, labels=names), rel=1e-5)


def test_every_image_is_asked_once():
    table, labels = random_case(777, 10)
    sizes = []
    measure(answering(table, sizes), labelled(labels), described(10))
    assert sum(sizes) == 777 and max(sizes) == BATCH_SIZE


def test_ties_go_to_the_class_listed_first():
    # All equal: the first is the answer, the first five are the top five.
    table = np.full((10, 10), 0.1, np.float32)
    found = measure(answering(table), labelled(np.arange(10)), described(10))
    assert (found.top1_error, found.top5_error) == (90.0, 50.0)
    np.testing.assert_array_equal(found.confusion[:, 0], np.ones(10))
    np.testing.assert_array_equal(found.top5_right, [1] * 5 + [0] * 5)


@pytest.mark.parametrize("seed", range(5))
def test_coarse_probabilities_against_brute_force(seed):
    # Few different values, so nearly every image has ties.
    rng = np.random.default_rng(seed)
    table = rng.integers(1, 4, (300, 12)).astype(np.float32)
    table /= table.sum(axis=1, keepdims=True)
    labels = rng.integers(0, 12, 300)
    found = measure(answering(table), labelled(labels), described(12))
    wrong1 = wrong5 = 0
    for row, label in zip(table, labels, strict=True):
        best = sorted(range(12), key=lambda k: (-row[k], k))
        wrong1 += best[0] != label
        wrong5 += label not in best[:5]
    assert found.top1_error == pytest.approx(100 * wrong1 / 300)
    assert found.top5_error == pytest.approx(100 * wrong5 / 300)


def test_per_class():
    table, labels = random_case(400, 8)
    labels[labels == 3] = 4
    found = measure(answering(table), labelled(labels), described(8))
    rows = found.per_class(tuple("abcdefgh"))
    assert [row["class"] for row in rows] == list("abcdefgh")
    for index, row in enumerate(rows):
        mine = labels == index
        assert row["examples"] == mine.sum()
        if index == 3:
            assert row["top1_error"] is None and row["top5_error"] is None
            continue
        best = np.argsort(-table[mine], axis=1)[:, :5]
        assert row["top1_error"] == pytest.approx(100 * np.mean(best[:, 0] != index))
        assert row["top5_error"] == pytest.approx(100 * np.mean(~(best == index).any(axis=1)))
    total = sum(row["examples"] * row["top1_error"] for row in rows if row["examples"])
    assert total / 400 == pytest.approx(found.top1_error)


def test_a_probability_of_zero_is_a_large_loss_and_not_infinite():
    table = np.array([[1.0, 0.0], [1.0, 0.0]], np.float32)
    found = measure(answering(table), labelled([0, 1]), described(2))
    assert np.isfinite(found.loss)
    assert found.loss == pytest.approx(-np.log(np.finfo(np.float32).tiny) / 2)


def test_perfect_and_always_wrong():
    table = np.eye(3, dtype=np.float32)[[0, 1, 2]]
    assert measure(answering(table), labelled([0, 1, 2]), described(3)).top1_error == 0
    assert measure(answering(table), labelled([1, 2, 0]), described(3)).top1_error == 100


def test_large_images_are_asked_about_a_few_at_a_time():
    assert batch_size(described(2, (32, 32))) == BATCH_SIZE
    assert 1 <= batch_size(described(2, (224, 224))) < 32
    assert batch_size(described(2, (4000, 4000))) == 1


@pytest.mark.parametrize("classes, told", [(5, False), (6, True)])
def test_the_five_best_of_five_classes_are_not_told(classes, told):
    table, labels = random_case(40, classes)
    setting = described(classes)
    lines = class_table(measure(answering(table), labelled(labels), setting), setting.class_names)
    assert len(lines) == 3 + classes
    assert ("top-5 error" in lines[0]) is ("top-5 error" in lines[2]) is told
    assert {line.count(" %") for line in lines[3:]} == {1 + told}
