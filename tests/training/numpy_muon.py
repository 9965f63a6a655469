"""Muon's step in NumPy and float64, written from the article and not from the package."""

import numpy as np


def direction(kernel):
    """Five rounds of the quintic on the kernel's matrix, a filter a column; Frobenius norm 1."""
    x = np.float64(kernel).reshape(-1, kernel.shape[-1])
    x = x / np.linalg.norm(x)
    for _ in range(5):
        x = 3.4445 * x - 4.7750 * x @ x.T @ x + 2.0315 * x @ x.T @ x @ x.T @ x
    return (x / np.linalg.norm(x)).reshape(kernel.shape)


def step(weight, along, rate, muon, decay):
    """The kernel turned by the angle whose tangent is `rate * muon`, if `along` is across it."""
    turn = rate * muon
    across = turn * np.linalg.norm(weight) * along
    return (np.float64(weight) * (1 - rate * decay) - across) / np.hypot(1, turn)
