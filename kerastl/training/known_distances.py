"""Finds how far from the training images an image may be that still counts as known.

The method was chosen on validation images of classes that were left out of training, three of ten
at a time: docs/how_it_works/numbers.md has the numbers.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kerastl.data.splits import Splits
from kerastl.errors import bad_value
from kerastl.training.bootstrap import in_columns
from kerastl.training.known_images import KnownImages, normalize
from kerastl.training.scores import accuracy_interval, cut_off
from kerastl.training.trained import Trained
from kerastl.training.whitening import find_whitening

# Directions of the largest variance within classes that count, so that the file stays small.
MOST_DIRECTIONS = 256
# Parts of the classes that are left out in turn: as in the measurements in docs, about a third.
_PARTS = 3


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


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """How many images of no class would count as known, where a part of the classes is none.

    Attributes:
        known: Share of the validation images of a class that are known by the distances from the
            classes of the other parts, each part in turn.
        known_low: Lower end of its interval.
        known_high: Upper end.
        num_images: Validation images.
        num_parts: Parts of the classes.
    """

    known: float
    known_low: float
    known_high: float
    num_images: int
    num_parts: int


class Fitted(NamedTuple):
    """What the validation images decide.

    Attributes:
        known: Which images are known.
        validation: The coverage of the validation images, as `measure_known` has it.
        left_out: None where a part of the classes has too few validation images.
    """

    known: KnownImages
    validation: dict[str, float]
    left_out: LeftOut | None


def fit_known(trained: Trained, coverage: float) -> Fitted:
    """Measures the training images, and finds the distance by the validation images.

    It is the smallest distance that covers `coverage` of them and of one more: split conformal
    prediction, https://arxiv.org/abs/2107.07511, section 1. `check_known` has accepted `coverage`.
    """
    splits, num_classes = trained.splits, len(trained.splits.source.class_names)
    labels = splits.source.labels
    parts = np.arange(num_classes) % min(_PARTS, num_classes)
    moments = _Moments.of(trained.features(splits.train), labels[splits.train], parts)
    count = len(splits.validation)
    models = [
        KnownImages(coverage, math.inf, count, *moments.arrays(left_out))
        for left_out in (None, *range(parts.max() + 1))
    ]
    measured = [
        [model.describe(tf.constant(part))["distance"].numpy() for model in models]
        for part in trained.features(splits.validation)
    ]
    own, *others = np.concatenate(measured, axis=1)
    largest = float(np.sort(own)[_rank(count, coverage) - 1])
    known = dataclasses.replace(models[0], max_distance=cut_off(largest, math.ceil))
    left_out = _leave_out(others, parts[labels[splits.validation]], coverage)
    return Fitted(known, _cover(known, own), left_out)


def _leave_out(
    distances: Sequence[np.ndarray], part_of: np.ndarray, coverage: float
) -> LeftOut | None:
    """Counts the images of each part that are known without it.

    Args:
        distances: From the classes of the other parts, for each part float32 (images,).
        part_of: The part that the class of each image is in, int64 (images,).
        coverage: Share of the images of the other parts that are known.
    """
    num_known = 0
    for part, values in enumerate(distances):
        others = np.sort(values[part_of != part])
        rank = _rank(len(others), coverage)
        if rank > len(others):
            return None
        num_known += int(np.sum(values[part_of == part] <= others[rank - 1]))
    count = len(part_of)
    return LeftOut(num_known / count, *accuracy_interval(num_known, count), count, len(distances))


def measure_distances(known: KnownImages, features: Iterator[np.ndarray]) -> np.ndarray:
    """Measures the distance of each image, from features in parts, float32 (images,)."""
    parts = [known.describe(tf.constant(part))["distance"].numpy() for part in features]
    return np.concatenate(parts)


def measure_known(known: KnownImages, trained: Trained, indices: np.ndarray) -> dict[str, float]:
    """Measures the `coverage` of images, with its interval `coverage_low` to `coverage_high`."""
    return _cover(known, measure_distances(known, trained.features(indices)))


def _cover(known: KnownImages, distances: np.ndarray) -> dict[str, float]:
    inside = distances <= np.float32(known.max_distance)
    low, high = accuracy_interval(int(inside.sum()), len(inside))
    return {"coverage": float(inside.mean()), "coverage_low": low, "coverage_high": high}


@dataclasses.dataclass(frozen=True, eq=False)
class _Moments:
    """Sums over normalized features, less a shift; memory does not grow with the images.

    Attributes:
        parts: The part that each class is in, int64 (classes,).
        counts: Images of each class, int64 (classes,).
        shift: What was subtracted, float32 (channels,).
        sums: Of each class, float64 (classes, channels).
        squares: Of the products of channels, for each part float64 (parts, channels, channels).
    """

    parts: np.ndarray
    counts: np.ndarray
    shift: np.ndarray
    sums: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(
        cls, features: Iterator[np.ndarray], labels: np.ndarray, parts: np.ndarray
    ) -> "_Moments":
        """Sums in one pass."""
        shift = sums = squares = np.zeros(0)
        done, num_classes = 0, len(parts)
        for part in features:
            values = normalize(tf.constant(part)).numpy()
            if not done:
                # Near the mean, so that little is lost when squares are subtracted.
                shift = values.mean(axis=0)
                sums = np.zeros((num_classes, len(shift)))
                squares = np.zeros((parts.max() + 1, len(shift), len(shift)))
            values -= shift
            of_part = labels[done : done + len(values)]
            one_hot = in_columns(np.ones(len(values)), of_part, num_classes)
            sums += one_hot.T @ values.astype(np.float64)
            for number in range(len(squares)):
                chosen = values[parts[of_part] == number]
                squares[number] += chosen.T @ chosen
            done += len(values)
        return cls(parts, np.bincount(labels, minlength=num_classes), shift, sums, squares)

    def arrays(self, left_out: int | None) -> tuple[np.ndarray, ...]:
        """Computes `mean`, `whitening` and `centers` of `KnownImages` without a part."""
        kept = self.parts != left_out
        counts, sums = self.counts[kept, np.newaxis], self.sums[kept]
        squares = (
            np.delete(self.squares, left_out, axis=0) if left_out is not None else self.squares
        )
        count, centers = int(counts.sum()), sums / counts
        within = squares.sum(axis=0) - centers.T @ (counts * centers)
        whitening = find_whitening(within / count, count)[:, -MOST_DIRECTIONS:]
        mean = sums.sum(axis=0) / count
        white = (centers - mean) @ whitening
        return tuple(one.astype(np.float32) for one in (self.shift + mean, whitening, white))


def _rank(count: int, coverage: float) -> int:
    # Rounded first, since 20 * 0.95 may be a little above 19.
    return math.ceil(round((count + 1) * coverage, 9))
