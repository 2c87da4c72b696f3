"""Transferability scores: reported beside the accuracy of a probe, not used to rank."""

import numpy as np
from sklearn.covariance import LedoitWolf

# Eigenvalues below this share of the largest are rounding errors.
_NOISE = 1e-12
_MOST_ITERATIONS = 200
_CLOSE = 1e-6


def h_score(features: np.ndarray, labels: np.ndarray) -> float:
    """Computes the regularized H-score: covariance between classes relative to the total one.

    It is `(1 - s) tr(C^-1 B)` with the Ledoit-Wolf covariance `C` of the features, its
    shrinkage `s`, and the covariance `B` of the class means, https://arxiv.org/abs/2110.06893;
    https://github.com/thuml/Transfer-Learning-Library/blob/master/tllib/ranking/hscore.py

    Args:
        features: Float (images, channels).
        labels: Classes, int64 (images,).
    """
    centered = features.astype(np.float64)
    centered -= centered.mean(axis=0)
    estimate = LedoitWolf(store_precision=False).fit(centered)
    sizes = np.bincount(labels)
    means = np.zeros((len(sizes), centered.shape[1]))
    np.add.at(means, labels, centered)
    present = sizes > 0
    # Each mean takes the root of its class's weight, which keeps the product symmetric.
    means = means[present] / np.sqrt(sizes[present] * (len(labels) - 1.0))[:, None]
    # Constant features have no inverse, and no information about the class.
    inverse = np.linalg.pinv(estimate.covariance_, hermitian=True)
    return float((1 - estimate.shrinkage_) * np.sum((means @ inverse) * means))


def logme(features: np.ndarray, labels: np.ndarray) -> float:
    """Computes LogME: the log evidence of a linear model per image, averaged over classes.

    Each class against the others is a regression, whose two precisions maximize the evidence,
    https://arxiv.org/abs/2102.11005; https://github.com/thuml/LogME

    Args:
        features: Float (images, channels).
        labels: Classes, int64 (images,).
    """
    values = features.astype(np.float64)
    # The evidence does not depend on their scale, but the start of the iteration does.
    values /= max(float(np.sqrt(np.mean(values**2))), np.finfo(float).tiny)
    targets = (labels[:, None] == np.unique(labels)).astype(np.float64)
    squares, coordinates = _decompose(values, targets)
    num_images, num_channels = values.shape
    evidences = [
        _evidence(squares, along**2, num_images=num_images, num_channels=num_channels, rest=rest)
        for along, rest in zip(
            coordinates.T, (targets**2).sum(0) - (coordinates**2).sum(0), strict=True
        )
    ]
    return float(np.mean(evidences))


def _decompose(values: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the squared singular values, and the targets along the left singular vectors."""
    is_tall = values.shape[0] > values.shape[1]
    squares, vectors = np.linalg.eigh(values.T @ values if is_tall else values @ values.T)
    kept = squares > _NOISE * max(squares[-1], np.finfo(float).tiny)
    squares, vectors = squares[kept], vectors[:, kept]
    if is_tall:
        return squares, (vectors.T @ (values.T @ targets)) / np.sqrt(squares)[:, None]
    return squares, vectors.T @ targets


def _evidence(
    squares: np.ndarray, along: np.ndarray, *, num_images: int, num_channels: int, rest: float
) -> float:
    """Maximizes the evidence of one regression by a fixed-point iteration.

    `squares` are the features' squared singular values, `along` the squares of the target along
    each of them, and `rest` is its squared norm outside their span.
    """
    ratio = 1.0
    for _ in range(_MOST_ITERATIONS):
        known = np.sum(squares / (squares + ratio))
        size = np.sum(squares * along / (ratio + squares) ** 2)
        error = np.sum(along / (1 + squares / ratio) ** 2) + rest
        # If the features separate a class exactly, the precisions grow without bound.
        prior = max(known, _NOISE) / max(size, _NOISE)
        precision = (num_images - known) / max(error, _NOISE)
        before, ratio = ratio, prior / precision
        if abs(ratio - before) <= _CLOSE * before:
            break
    spread = np.sum(np.log(prior + precision * squares))
    # In directions outside the span of the features only the prior counts.
    spread += (num_channels - len(squares)) * np.log(prior)
    logarithm = num_channels * np.log(prior) + num_images * np.log(precision) - spread
    logarithm -= precision * error + prior * size + num_images * np.log(2 * np.pi)
    return float(logarithm / (2 * num_images))
