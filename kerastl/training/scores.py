"""Scores, their intervals, and weights for classes of different sizes.

Scores and weights equal scikit-learn's bit for bit; but they are computed after each epoch, which
on stored features takes milliseconds, and scikit-learn takes 50 to 80 times as long.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import scipy.special

# That of every interval that is reported.
CONFIDENCE = 0.95
# Digits of a number that decides.
_DIGITS = 4
CLASS_SCORES = (
    *("precision", "recall", "f1", "num_images", "recall_low", "recall_high"),
    *("precision_low", "precision_high", "f1_low", "f1_high"),
)
# How often images of a class are named as a class: their number, and their share of its images.
CONFUSION = ("class_name", "predicted", "num_images", "share", "share_low", "share_high")


def cut_off(value: float, rounded: Callable[[float], int]) -> float:
    """Leaves few digits: an export that rounds otherwise decides as before on the image behind it.

    `rounded` is `math.ceil` or `math.floor`.
    """
    if not value:
        return value
    step = 10.0 ** (_DIGITS - 1 - math.floor(math.log10(value)))
    return rounded(value * step) / step


def accuracy_interval(correct: int, count: int) -> tuple[float, float]:
    """Computes Wilson's interval at 95 %, see `wilson_intervals`."""
    low, high = wilson_intervals(np.array([correct]), np.array([count]))
    return float(low[0]), float(high[0])


def wilson_intervals(
    correct: np.ndarray, count: np.ndarray, *, confidence: float = CONFIDENCE
) -> tuple[np.ndarray, np.ndarray]:
    """Computes Wilson's intervals, https://doi.org/10.1080/01621459.1927.10502953.

    They equal those of `scipy.stats` bit for bit, whose import takes a second. A count of 0 has the
    interval 0 to 1.

    Args:
        correct: Successes, int64 (intervals,).
        count: Trials, int64 (intervals,).
        confidence: That of each interval.

    Returns:
        The lower and the upper ends, float64 (intervals,).
    """
    z = float(scipy.special.ndtri(0.5 + 0.5 * confidence))
    share, width = correct / np.maximum(count, 1), 2 * (count + z**2)
    center = (2 * count * share + z**2) / width
    distance = z / width * np.sqrt(4 * count * share * (1 - share) + z**2)
    low = np.where(correct == 0, 0.0, center - distance)
    return low, np.where(correct == count, 1.0, center + distance)


@dataclasses.dataclass(frozen=True, eq=False)
class ClassCounts:
    """Numbers of images, (classes,); nothing grows with the square of the classes.

    Attributes:
        images: Images of each class.
        predicted: Images predicted as each class.
        right: Images of each class that were predicted as it.
    """

    images: np.ndarray
    predicted: np.ndarray
    right: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, predicted: np.ndarray, num_classes: int = 0) -> "ClassCounts":
        """Counts images by their true and predicted classes, both int64 (images,).

        Without `num_classes` the highest class is the last.
        """
        count = max(num_classes, int(labels.max()) + 1, int(predicted.max()) + 1)
        right = labels == predicted
        return cls(
            np.bincount(labels, minlength=count),
            np.bincount(predicted, minlength=count),
            np.bincount(labels[right], minlength=count),
        )


def class_scores(counts: ClassCounts) -> dict[str, np.ndarray]:
    """Computes CLASS_SCORES for each class.

    `NAME_low` to `NAME_high` is the interval, see `wilson_intervals`: recall and precision are
    proportions, and F1 follows from one, 2 p / (1 + p), where p is the share of right images among
    those that are of the class or named as it. A score is 0 where a class was never predicted or
    never there, as in
    https://scikit-learn.org/stable/modules/generated/sklearn.metrics.precision_recall_fscore_support.html
    """
    named = counts.images + counts.predicted
    low, high = wilson_intervals(counts.right, counts.images)
    precision_low, precision_high = wilson_intervals(counts.right, counts.predicted)
    f1 = [2 * share / (1 + share) for share in wilson_intervals(counts.right, named - counts.right)]
    return {
        "precision": counts.right / np.maximum(counts.predicted, 1),
        "recall": counts.right / np.maximum(counts.images, 1),
        "f1": 2 * counts.right / np.maximum(named, 1),
        "num_images": counts.images,
        "recall_low": low,
        "recall_high": high,
        "precision_low": precision_low,
        "precision_high": precision_high,
        "f1_low": f1[0],
        "f1_high": f1[1],
    }


def balanced_accuracy(counts: ClassCounts) -> float:
    """Computes the mean over classes of the share of their images that are recognized, 0 to 1.

    Classes without images do not count,
    https://scikit-learn.org/stable/modules/model_evaluation.html#balanced-accuracy-score
    """
    there = counts.images > 0
    return float(np.mean(counts.right[there] / counts.images[there]))


def macro_f1(counts: ClassCounts) -> float:
    """Computes the mean of F1 over the classes that occur or were predicted, 0 to 1.

    https://scikit-learn.org/stable/modules/model_evaluation.html#precision-recall-f-measure-metrics
    """
    counted = counts.images + counts.predicted
    seen = counted > 0
    return float(np.mean(2 * counts.right[seen] / counted[seen]))


def class_weights(counts: np.ndarray, rule: str) -> np.ndarray:
    """Weighs the loss of each class, so that the mean weight over all images is 1.

    Args:
        counts: Training images of each class, int64 (classes,), all above 0.
        rule: "balanced" weighs a class by images / (classes * images of the class), as in
            https://scikit-learn.org/stable/modules/generated/sklearn.utils.class_weight.compute_class_weight.html
            "sqrt" by the square root of that, times what makes the mean weight 1 again.

    Returns:
        float32 (classes,).
    """
    weights = counts.sum() / (len(counts) * counts)
    if rule == "sqrt":
        weights = np.sqrt(weights)
        weights = weights * counts.sum() / (weights * counts).sum()
    return np.asarray(weights, np.float32)
