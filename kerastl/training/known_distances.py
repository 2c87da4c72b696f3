"""Finds how far from the training images an image may be that still counts as known.

The method was chosen on validation images of classes that were left out of training, three of ten
at a time: docs/how_it_works/numbers.md has the numbers.
"""

import math
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from scipy.sparse import csr_array

from kerastl.data.splits import Splits
from kerastl.errors import bad_value
from kerastl.training.known_images import KnownImages, normalize
from kerastl.training.scores import accuracy_interval
from kerastl.training.trained import Trained

# Directions of the largest variance within classes that count, so that the file stays small.
MOST_DIRECTIONS = 256
# Digits of the distance that decides.
_DIGITS = 4


def check_known(splits: Splits, coverage: float) -> None:
    """Refuses a coverage for which there are too few validation images; 0 needs none.

    Raises:
        UsageError: If there are.
    """
    count = len(splits.validation)
    if _rank(count, coverage) > count:
        needed = math.ceil(round(coverage / (1 - coverage), 6))
        raise bad_value(
            "known_coverage",
            coverage,
            f"needs {needed} validation images, and there are {count}",
            "Lower it, or raise --validation_fraction",
        )


def fit_known(trained: Trained, coverage: float) -> KnownImages:
    """Measures the training images, and finds the distance by the validation images.

    It is the smallest distance that covers `coverage` of them and of one more: split conformal
    prediction, https://arxiv.org/abs/2107.07511, section 1. `check_known` has accepted `coverage`.
    """
    splits = trained.splits
    labels = splits.source.labels[splits.train]
    arrays = _measure(trained.features(splits.train), labels, len(splits.source.class_names))
    known = KnownImages(coverage, math.inf, len(splits.validation), *arrays)
    distances = np.sort(measure_distances(known, trained.features(splits.validation)))
    largest = float(distances[_rank(len(distances), coverage) - 1])
    return KnownImages(coverage, _round_up(largest), len(distances), *arrays)


def measure_distances(known: KnownImages, features: Iterator[np.ndarray]) -> np.ndarray:
    """Measures the distance of each image, from features in parts, float32 (images,)."""
    parts = [known.describe(tf.constant(part))["distance"].numpy() for part in features]
    return np.concatenate(parts)


def measure_known(known: KnownImages, trained: Trained, indices: np.ndarray) -> dict[str, float]:
    """Measures the `coverage` of images, with its interval `coverage_low` to `coverage_high`."""
    distances = measure_distances(known, trained.features(indices))
    inside = distances <= np.float32(known.max_distance)
    low, high = accuracy_interval(int(inside.sum()), len(inside))
    return {"coverage": float(inside.mean()), "coverage_low": low, "coverage_high": high}


def _measure(
    features: Iterator[np.ndarray], labels: np.ndarray, num_classes: int
) -> tuple[np.ndarray, ...]:
    """Measures normalized features in one pass: `mean`, `whitening` and `centers`.

    Memory does not grow with the images.
    """
    shift = sums = moments = np.zeros(0)
    done = 0
    for part in features:
        values = normalize(tf.constant(part)).numpy()
        if not done:
            # Near the mean, so that little is lost when squares are subtracted.
            shift = values.mean(axis=0)
            sums = np.zeros((num_classes, len(shift)))
            moments = np.zeros((len(shift), len(shift)))
        values -= shift
        of_part = labels[done : done + len(values)]
        one_hot = csr_array(
            (np.ones(len(values)), of_part, np.arange(len(values) + 1)),
            shape=(len(values), num_classes),
        )
        sums += one_hot.T @ values.astype(np.float64)
        moments += values.T @ values
        done += len(values)
    counts = np.bincount(labels, minlength=num_classes)[:, np.newaxis]
    centers = sums / counts
    covariance = _shrink((moments - centers.T @ (counts * centers)) / done, done)
    variances, directions = np.linalg.eigh(covariance)
    largest = slice(max(0, len(variances) - MOST_DIRECTIONS), None)
    whitening = directions[:, largest] / np.sqrt(variances[largest])
    mean = sums.sum(axis=0) / done
    white = (centers - mean) @ whitening
    return tuple(one.astype(np.float32) for one in (shift + mean, whitening, white))


def _shrink(covariance: np.ndarray, count: int) -> np.ndarray:
    """Shrinks the covariance of few images, https://arxiv.org/abs/0907.4698, equation 23.

    As scikit-learn's `OAS`, which takes the images themselves.
    """
    size = len(covariance)
    mean_square, mean_variance = np.mean(covariance**2), np.trace(covariance) / size
    spread = (count + 1) * (mean_square - mean_variance**2 / size)
    shrinkage = min(1.0, (mean_square + mean_variance**2) / spread) if spread else 1.0
    floor = max(mean_variance, np.finfo(np.float32).eps ** 2)
    shrunk: np.ndarray = (1 - shrinkage) * covariance + shrinkage * floor * np.eye(size)
    return shrunk


def _rank(count: int, coverage: float) -> int:
    # Rounded first, since 20 * 0.95 may be a little above 19.
    return math.ceil(round((count + 1) * coverage, 9))


def _round_up(value: float) -> float:
    """Leaves few digits: an export that rounds otherwise keeps the image that decided."""
    if not value:
        return value
    step = 10.0 ** (_DIGITS - 1 - math.floor(math.log10(value)))
    return math.ceil(value * step) / step
