"""Random lighting, the color augmentation of AlexNet, against NumPy."""

import numpy as np
import tensorflow as tf

from resnet_keras.data.augmentation import (
    EIGENVALUES,
    EIGENVECTORS,
    add_lighting,
    normalize_with_lighting,
    random_lighting,
)
from resnet_keras.preprocessing import Preprocessing


def test_lighting_depends_on_seed_and_step_alone():
    step = tf.constant(5, tf.int64)
    first = random_lighting(3, 1, step, 0.1)
    np.testing.assert_array_equal(first, random_lighting(3, 1, step, 0.1))
    assert not np.array_equal(first, random_lighting(3, 2, step, 0.1))
    assert not np.array_equal(first, random_lighting(3, 1, step + 1, 0.1))


def test_distribution_is_that_of_alexnet():
    # fb.resnet.torch: the rows of the eigenvectors, times random factors, times the eigenvalues.
    found = random_lighting(40_000, 0, tf.constant(0, tf.int64), 0.1).numpy()
    vectors, values = EIGENVECTORS.astype(float), EIGENVALUES.astype(float)
    expected = vectors @ np.diag((0.1 * values) ** 2) @ vectors.T
    np.testing.assert_allclose(np.cov(found.T), expected, atol=1.5e-5)
    assert np.abs(found.mean(axis=0)).max() < 4e-4
    # Inverting the transformation gives factors with the requested standard deviation.
    factors = found @ vectors / values
    np.testing.assert_allclose(factors.std(axis=0), 0.1, rtol=0.03)
    # Principal components are orthonormal.
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-3)


def test_lighting_is_added_in_the_units_of_the_network():
    images = np.full((2, 4, 4, 3), 100, np.uint8)
    preprocessing = Preprocessing((4, 4), "stretch", 1 / 127.5, (0.9, 1, 1.1), (0.5, 1, 2), ("a",))
    lighting = np.array([[0.1, -0.2, 0.05], [0, 0, 0]], np.float32)
    normalized = (images / 127.5 - preprocessing.mean) / preprocessing.std
    found = add_lighting(normalized.astype(np.float32), lighting, preprocessing).numpy()
    brighter = images + 255 * lighting[:, None, None]
    expected = (brighter / 127.5 - preprocessing.mean) / preprocessing.std
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    for image, color, wanted in zip(images, lighting, expected, strict=True):
        found = normalize_with_lighting(tf.constant(image), tf.constant(color), preprocessing)
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
