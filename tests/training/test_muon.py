"""The direction of Muon's step, against NumPy and a singular value decomposition."""

import numpy as np
import pytest

from resnet_keras.training.optimizers import frobenius_norm, orthogonalized
from tests.training import numpy_muon

SHAPES = {
    "first layer": (3, 3, 3, 16),
    "block": (3, 3, 16, 16),
    "wider": (3, 3, 16, 32),
    "projection": (1, 1, 16, 32),
    "one channel": (1, 1, 1, 8),
    "one filter": (3, 3, 4, 1),
}
KERNELS = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def kernel(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def polar(values):
    """`U V^T` of the matrix whose columns are the filters."""
    matrix = values.reshape(-1, values.shape[-1])
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    return (left @ right).reshape(values.shape)


@KERNELS
def test_against_numpy(shape):
    found = np.array(orthogonalized(kernel(shape)))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, numpy_muon.direction(kernel(shape)), atol=1e-6)
    single = np.array(orthogonalized(kernel(shape).astype(np.float32)))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, found, atol=1e-4)


@KERNELS
def test_it_is_nearly_the_orthogonal_factor(shape):
    values = kernel(shape)
    found = np.array(orthogonalized(values))
    exact = polar(values) / np.linalg.norm(polar(values))
    assert np.sum(found * exact) > 0.97  # the cosine of the angle between them
    sizes = np.linalg.svd(found.reshape(-1, shape[-1]), compute_uv=False)
    assert sizes.max() / sizes.min() < 2


def test_small_directions_count_as_much_as_large_ones():
    # Singular values from 1 down to a fiftieth: a gradient's own step would go along the first.
    left, _, right = np.linalg.svd(kernel((3, 3, 4, 8)).reshape(36, 8), full_matrices=False)
    values = (left * np.geomspace(1, 0.02, 8)) @ right
    found = np.array(orthogonalized(values.reshape(3, 3, 4, 8))).reshape(36, 8)
    along = np.diag(left.T @ found @ right.T)
    assert along.max() / along.min() < 2
    own = np.diag(left.T @ values @ right.T)
    assert own.max() / own.min() == pytest.approx(50)


@KERNELS
def test_its_length_is_one_whatever_the_kernels(shape):
    for factor in (1e-4, 1.0, 1e4):
        found = np.array(orthogonalized(factor * kernel(shape)))
        assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)
        assert np.array(frobenius_norm(found)) == pytest.approx(1, abs=1e-5)


def test_no_gradient_is_no_direction():
    assert not np.array(orthogonalized(np.zeros((3, 3, 2, 4), np.float32))).any()
