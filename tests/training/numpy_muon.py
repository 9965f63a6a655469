"""The step of Muon in NumPy and float64, written from the article rather than from the package."""

import numpy as np


def direction(kernel):
    """Applies five iterations of the quintic polynomial to the kernel as a matrix.

    The matrix has one column per filter. The result has Frobenius norm 1.
    """
    x = np.float64(kernel).reshape(-1, kernel.shape[-1])
    x = x / np.linalg.norm(x)
    for _ in range(5):
        x = 3.4445 * x - 4.7750 * x @ x.T @ x + 2.0315 * x @ x.T @ x @ x.T @ x
    return (x / np.linalg.norm(x)).reshape(kernel.shape)


def step(weight, direction, rate, muon, decay):
    """Returns the kernel after a step.

    A direction orthogonal to the kernel turns it by the angle whose tangent is `rate * muon`.
    """
    turn = rate * muon
    change = turn * np.linalg.norm(weight) * direction
    return (np.float64(weight) * (1 - rate * decay) - change) / np.hypot(1, turn)
