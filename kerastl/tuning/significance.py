"""Confidence intervals of the difference between trials on the same validation images."""

import dataclasses
import math
from typing import Protocol

import numpy as np
from scipy import stats

from kerastl.training.scores import CONFIDENCE
from kerastl.tuning.search_options import SearchOptions
from kerastl.tuning.trials import COMPLETED, Trial


class _Predicted(Protocol):
    """A model's predictions of some images, (executions, images) or (images,)."""

    @property
    def predicted(self) -> np.ndarray:
        """The most probable class of each image, int64."""

    @property
    def losses(self) -> np.ndarray:
        """Cross-entropy of each image, in nats, float64."""


@dataclasses.dataclass(frozen=True)
class RankedTrial:
    """A completed trial compared with the best.

    Attributes:
        trial: The trial.
        behind: By how much the best has a better objective, 0 for the best itself.
        low: Lower end of the difference's 95 % interval, see `difference_interval`.
        high: Upper end.
    """

    trial: Trial
    behind: float
    low: float
    high: float

    @property
    def is_tie(self) -> bool:
        """Whether the best does not clearly beat it."""
        return self.low <= 0


def order(trials: list[Trial], labels: np.ndarray, options: SearchOptions) -> list[RankedTrial]:
    """Orders completed trials, the best first; of equal ones that with the lower loss.

    Args:
        trials: All trials that ended.
        labels: True classes of the validation images, int64 (images,).
        options: Names the objective.
    """
    name, sign = options.objective, options.sign
    completed = [trial for trial in trials if trial.status == COMPLETED]
    completed.sort(
        key=lambda trial: (-sign * trial.scores[name], trial.scores["val_loss"], trial.number)
    )
    ranking = []
    for trial in completed:
        best = completed[0]
        behind = sign * (best.scores[name] - trial.scores[name])
        low, high = difference_interval(best, trial, labels, options)
        ranking.append(RankedTrial(trial, behind, low, high))
    return ranking


def difference_interval(
    better: _Predicted, worse: _Predicted, labels: np.ndarray, options: SearchOptions
) -> tuple[float, float]:
    """Returns the 95 % interval of how much better one model is than another.

    Both predict the same images, so the interval comes from the difference on each image. The
    delta method, https://en.wikipedia.org/wiki/Delta_method, writes every objective as a mean over
    images, whose error is Student's. The executions of a trial are averaged, so the interval does
    not include the variation between seeds.

    One more image that only the one model has right is assumed, and one that only the other has:
    with few images two models may differ everywhere, or nowhere, by chance. So the interval agrees
    with the sign test on when the difference is more than that. What cannot be larger than 1 has an
    interval within -1..1.

    Returns:
        The ends, both 0 for a model and itself, and for a single image.
    """
    if better is worse:
        return 0.0, 0.0
    bound = math.inf if options.objective == "val_loss" else 1.0
    num_images = len(labels)
    if num_images == 1:
        return -bound, bound
    ours, theirs = (_shares(one, labels, options.objective) for one in (better, worse))
    (value, by_image), (other_value, other_by_image) = ours, theirs
    assumed = [-1.0, 1.0] if math.isfinite(bound) else []
    deviation = np.std(np.append(by_image - other_by_image, assumed), ddof=1)
    factor = stats.t.ppf((1 + CONFIDENCE) / 2, num_images - 1)
    half = float(factor * deviation) / math.sqrt(num_images)
    difference = options.sign * (value - other_value)
    return max(-bound, difference - half), min(bound, difference + half)


def _shares(
    predictions: _Predicted, labels: np.ndarray, objective: str
) -> tuple[float, np.ndarray]:
    """Computes an objective's mean over the executions.

    Returns:
        The mean, and its derivative by the share of each image, float64 (images,), up to a
        constant.
    """
    if objective == "val_loss":
        losses = np.atleast_2d(predictions.losses).mean(axis=0)
        return float(losses.mean()), losses
    predicted = np.atleast_2d(predictions.predicted)
    if objective == "val_accuracy":
        right = (predicted == labels).mean(axis=0)
        return float(right.mean()), right
    shares = _balanced_accuracy if objective == "val_balanced_accuracy" else _macro_f1
    executions = [shares(one, labels) for one in predicted]
    values, by_image = zip(*executions, strict=True)
    return float(np.mean(values)), np.mean(by_image, axis=0)


def _balanced_accuracy(predicted: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean over classes of right / images, each derived by the images' shares."""
    right = predicted == labels
    images = np.bincount(labels)
    recalls = np.bincount(labels, weights=right) / np.maximum(images, 1)
    there = int(np.sum(images > 0))
    by_image = (right - recalls[labels]) * len(labels) / images[labels] / there
    return float(recalls.sum() / there), by_image


def _macro_f1(predicted: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean over classes of 2 right / (images + predicted), derived in the same way."""
    right = predicted == labels
    classes = int(max(labels.max(), predicted.max())) + 1
    counted = np.bincount(labels, minlength=classes) + np.bincount(predicted, minlength=classes)
    scores = 2 * np.bincount(labels, weights=right, minlength=classes) / np.maximum(counted, 1)
    there = int(np.sum(counted > 0))
    weights = len(labels) / np.maximum(counted, 1) / there
    by_image = (
        2 * right * weights[labels]
        - scores[labels] * weights[labels]
        - scores[predicted] * weights[predicted]
    )
    return float(scores.sum() / there), by_image
