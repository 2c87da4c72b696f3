"""How sure it is that one trial is better than another, from the same validation images."""

import dataclasses
from typing import Protocol

import numpy as np
import scipy.sparse

from kerastl.tuning.options import SearchOptions
from kerastl.tuning.trials import COMPLETED, Trial

_RESAMPLES = 2000
_CHUNK = 100
_PERCENTILES = (2.5, 97.5)
# How many are compared with the best: a tie far below would be luck.
_COMPARED = 20


class Answered(Protocol):
    """What a model said of the same images, once or several times.

    Attributes:
        predicted: The most probable class of each image, int64 (executions, images).
        losses: Cross-entropy of each, in nats, float64 (executions, images).
    """

    @property
    def predicted(self) -> np.ndarray:
        """See the class."""

    @property
    def losses(self) -> np.ndarray:
        """See the class."""


@dataclasses.dataclass(frozen=True)
class Standing:
    """A completed trial's place.

    Attributes:
        trial: The trial.
        behind: By how much the best has a better objective, 0 for the best itself.
        low: Lower end of the difference's 95 % interval, NaN where it was not compared.
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


def order(trials: list[Trial], labels: np.ndarray, options: SearchOptions) -> list[Standing]:
    """Orders completed trials, the best first; of equal ones the earlier comes first.

    Args:
        trials: All that ended.
        labels: True classes of the validation images, int64 (images,).
        options: What the objective is.
    """
    name, sign = options.objective, options.sign
    completed = [trial for trial in trials if trial.status == COMPLETED]
    completed.sort(key=lambda trial: (-sign * trial.scores[name], trial.number))
    standings = []
    for place, trial in enumerate(completed):
        best = completed[0]
        behind = sign * (best.scores[name] - trial.scores[name])
        low, high = (0.0, 0.0) if place == 0 else (np.nan, np.nan)
        if 0 < place < _COMPARED:
            low, high = difference_interval(best, trial, labels, options)
        standings.append(Standing(trial, behind, low, high))
    return standings


def difference_interval(
    better: Answered, worse: Answered, labels: np.ndarray, options: SearchOptions
) -> tuple[float, float]:
    """Gives the 95 % interval of how much better one model is than another.

    Images are drawn with replacement, the same for both, 2,000 times: the percentile bootstrap of
    a paired difference, https://doi.org/10.1201/9780429246593. The executions of a trial are
    averaged, so what another seed would give is no part of the interval.
    """
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(_RESAMPLES // _CHUNK):
        counts = rng.multinomial(len(labels), np.full(len(labels), 1 / len(labels)), _CHUNK)
        differences.append(
            _score(better, labels, counts, options.objective)
            - _score(worse, labels, counts, options.objective)
        )
    low, high = np.percentile(options.sign * np.concatenate(differences), _PERCENTILES)
    return float(low), float(high)


def _score(
    answered: Answered, labels: np.ndarray, counts: np.ndarray, objective: str
) -> np.ndarray:
    """Computes an objective of resampled images.

    Args:
        answered: Whose answers.
        labels: True classes, int64 (images,).
        counts: How often each image was drawn, int64 (resamples, images).
        objective: Which one.

    Returns:
        The mean over the executions, float64 (resamples,).
    """
    if objective == "val_loss":
        return np.asarray(counts @ answered.losses.mean(axis=0) / len(labels))
    if objective == "val_accuracy":
        right = (answered.predicted == labels).mean(axis=0)
        return np.asarray(counts @ right / len(labels))
    classes = int(max(labels.max(), answered.predicted.max())) + 1
    scored = _balanced_accuracy if objective == "val_balanced_accuracy" else _macro_f1
    executions = [scored(one, labels, counts, classes) for one in answered.predicted]
    return np.asarray(np.mean(executions, axis=0))


def _balanced_accuracy(
    predicted: np.ndarray, labels: np.ndarray, counts: np.ndarray, classes: int
) -> np.ndarray:
    images = counts @ _indicators(labels, classes)
    right = (counts * (predicted == labels)) @ _indicators(labels, classes)
    recalls = right / np.maximum(images, 1)
    return np.asarray(recalls.sum(1) / (images > 0).sum(1))


def _macro_f1(
    predicted: np.ndarray, labels: np.ndarray, counts: np.ndarray, classes: int
) -> np.ndarray:
    there = counts @ _indicators(labels, classes) + counts @ _indicators(predicted, classes)
    right = (counts * (predicted == labels)) @ _indicators(labels, classes)
    scores = 2 * right / np.maximum(there, 1)
    return np.asarray(scores.sum(1) / (there > 0).sum(1))


def _indicators(classes_of: np.ndarray, classes: int) -> scipy.sparse.csr_array:
    """Gives a one in the column of each image's class, (images, classes)."""
    rows = np.arange(len(classes_of))
    return scipy.sparse.csr_array(
        (np.ones(len(rows)), (rows, classes_of)), shape=(len(rows), classes)
    )
