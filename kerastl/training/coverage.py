"""How right a model is about the images that it is surest of."""

import math

import numpy as np

from kerastl.training.scores import wilson_intervals

COVERAGE = ("coverage", "num_images", "min_confidence", "accuracy", "accuracy_low", "accuracy_high")
# Percent of the images.
_SHARES = (100, 99, 95, 90, 80, 70, 60, 50, 40, 30, 20, 10)


def measure_coverage(
    confidence: np.ndarray, correct: np.ndarray
) -> tuple[tuple[float, int, float, float, float, float], ...]:
    """Measures the accuracy where only the surest predictions are used.

    This is the risk-coverage curve of https://arxiv.org/abs/1705.08500, whose risk is 1 less the
    accuracy.

    Args:
        confidence: Probability of the class that is named for each image, (images,), at least 1.
        correct: Whether it is the true one, bool (images,).

    Returns:
        Values of COVERAGE for falling shares of the images: those at or above a confidence, so
        that equal ones are used together, with the interval of their accuracy.
    """
    order = np.sort(confidence)[::-1]
    ends = [order[math.ceil(share * len(order) / 100) - 1] for share in _SHARES]
    rows = []
    for least in dict.fromkeys(ends):
        used = confidence >= least
        right, count = int(correct[used].sum()), int(used.sum())
        low, high = wilson_intervals(np.array([right]), np.array([count]))
        share, accuracy = count / len(order), right / count
        rows.append((share, count, float(least), accuracy, float(low[0]), float(high[0])))
    return tuple(rows)
