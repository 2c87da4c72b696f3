"""Sets of classes that hold the true one of nearly all images: split conformal prediction.

https://arxiv.org/abs/2107.07511, section 1, with the score of https://arxiv.org/abs/1609.00451, by
which sets are the smallest.
"""

import math

import numpy as np

from kerastl.training.bootstrap import find_intervals, in_columns
from kerastl.training.class_sets import ClassSets
from kerastl.training.evaluation import Evaluation
from kerastl.training.scores import accuracy_interval, cut_off

_PERCENT = 95


def fit_sets(validation: Evaluation) -> ClassSets | None:
    """Finds the probability that decides; None for fewer images than can vouch for the level."""
    count = len(validation.labels)
    # So many may have a lower one, the next image counted.
    rank = (count + 1) * (100 - _PERCENT) // 100
    if not rank:
        return None
    lowest = np.sort(_true_probabilities(validation))[rank - 1]
    return ClassSets(_PERCENT / 100, cut_off(float(lowest), math.floor), count)


def measure_sets(sets: ClassSets, evaluation: Evaluation, *, seed: int) -> dict[str, float]:
    """Measures the sets of images.

    Returns:
        `coverage`, the share of sets that hold the true class, with its interval from
        `coverage_low` to `coverage_high`; and `mean_size`, the classes in a set, with its own by
        `find_intervals`, unless there are more in one than the evaluation knows.
    """
    held = _true_probabilities(evaluation) >= sets.min_probability
    held |= evaluation.predicted == evaluation.labels
    low, high = accuracy_interval(int(held.sum()), len(held))
    scores = {"coverage": float(held.mean()), "coverage_low": low, "coverage_high": high}
    inside = sets.contain(evaluation.probabilities)
    if evaluation.classes is None or not inside[:, -1].any():
        sizes = inside.sum(axis=1)
        scores["mean_size"] = float(sizes.mean())
        scores |= find_intervals(
            {"sizes": in_columns(sizes)},
            lambda means: {"mean_size": means["sizes"][:, 0]},
            seed=seed,
        )
    return scores


def _true_probabilities(evaluation: Evaluation) -> np.ndarray:
    return np.asarray(np.exp(-evaluation.losses))
