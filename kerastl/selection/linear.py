"""Logistic regression on frozen features, judged on images that it has not seen."""

import dataclasses
import math
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from kerastl.selection.folds import Fold

# Variance of a logit before anything was learnt, from a strong L2 penalty to a weak one. Divided
# by the number of channels it is scikit-learn's C for standardised features.
_STRENGTHS = tuple(0.1 * math.sqrt(10) ** step for step in range(9))
# Of the gradient's largest element; more digits change no decision.
_TOLERANCE = 1e-3
_MOST_ITERATIONS = 500
_CONFIDENCE = 0.95
# A class that a probe has never met has this probability, or the logarithm would be infinite.
_LEAST_PROBABILITY = 1e-12


@dataclasses.dataclass(frozen=True, eq=False)
class Judged:
    """What probes said of images that they had not seen, each image once.

    Attributes:
        correct: Whether the likeliest class was right, bool (images,).
        folds: Positions of the images that were judged together.
        strength: The L2 penalty with the least loss over all, as a variance of the logits.
    """

    correct: np.ndarray
    folds: tuple[np.ndarray, ...]
    strength: float

    @property
    def accuracy(self) -> float:
        """Share of images that were judged right."""
        return float(self.correct.mean())

    def interval(self) -> tuple[float, float]:
        """Gives the 95 % interval of the accuracy over the folds."""
        right = [int(self.correct[fold].sum()) for fold in self.folds]
        return interval(right, [len(fold) for fold in self.folds])


def interval(right: Sequence[float], judged: Sequence[float]) -> tuple[float, float]:
    """Gives the 95 % interval of a share that was counted in folds, within 0..1.

    Probes of different folds learn from mostly the same images, so their spread alone tells too
    little; the correction is Nadeau and Bengio's, https://doi.org/10.1023/A:1024068626366
    Folds that agree by chance, as where all is right, make it no narrower than as many images
    that were drawn one by one.

    Args:
        right: Images of each fold that were judged right.
        judged: Images of each fold; a fold weighs as much as it has.
    """
    count, total = len(judged), sum(judged)
    if count == 1:
        return 0.0, 1.0
    share = sum(right) / total
    off = (np.asarray(right) - share * np.asarray(judged)) * count / total
    variance = float(np.sum(off**2)) / (count - 1)
    factor = float(stats.t.ppf((1 + _CONFIDENCE) / 2, count - 1))
    half = max(
        factor * math.sqrt(variance * (1 / count + 1 / (count - 1))),
        float(stats.norm.ppf((1 + _CONFIDENCE) / 2)) * least_deviation(sum(right), total),
    )
    return max(0.0, share - half), min(1.0, share + half)


def least_deviation(right: float, total: float) -> float:
    """Gives the standard deviation of a share of images that were drawn one by one.

    With one more right and one more wrong, or it would be 0 where all is right.
    """
    share = (right + 1) / (total + 2)
    return math.sqrt(share * (1 - share) / total)


def judge(
    features: np.ndarray,
    labels: np.ndarray,
    folds: Sequence[Fold],
    *,
    on_step: Callable[[str], None] = lambda _: None,
) -> Judged:
    """Judges each fold's images by a multinomial logistic regression that learnt from others.

    The penalty that a fold is judged with is the one with the least loss on the other folds, so
    nothing of an image decides how it is judged. Penalties are tried from strong to weak, until
    the loss rises.

    Args:
        features: Float32 (images, channels); each probe standardises them by what it learns from.
        labels: Classes, int64 (images,).
        folds: What each probe learns from and judges; together they judge every image once.
        on_step: Is told how far it is.
    """
    judged = tuple(fold[1] for fold in folds)
    shares = np.array([len(fold) for fold in judged]) / len(labels)
    probes = [_Probe(features, labels, fold) for fold in folds]
    correct: list[np.ndarray] = []
    losses: list[np.ndarray] = []
    # More threads than free cores wait for each other: up to a hundred times as long.
    with threadpool_limits(1):
        for strength in _STRENGTHS:
            correct.append(np.zeros(len(labels), bool))
            losses.append(np.zeros(len(folds)))
            for place, probe in enumerate(probes):
                on_step(f"penalty {len(losses)}, fold {place + 1}/{len(folds)}")
                correct[-1][judged[place]], losses[-1][place] = probe.judge(strength)
            if len(losses) > 1 and losses[-1] @ shares > losses[-2] @ shares:
                break
    parts = np.array(losses) * shares
    totals = parts.sum(axis=1)
    chosen = np.zeros(len(labels), bool)
    for place, fold in enumerate(judged):
        chosen[fold] = correct[int((totals - parts[:, place]).argmin())][fold]
    return Judged(chosen, judged, _STRENGTHS[int(totals.argmin())])


class _Probe:
    """One fold's regression, which goes on from one penalty to the next."""

    def __init__(self, features: np.ndarray, labels: np.ndarray, fold: Fold) -> None:
        self._features, self._labels = features, labels
        self._known, self._judged = fold
        self._scaler = StandardScaler().fit(features[self._known])
        self._regression = LogisticRegression(
            tol=_TOLERANCE, max_iter=_MOST_ITERATIONS, warm_start=True
        )

    def judge(self, strength: float) -> tuple[np.ndarray, float]:
        """Learns with a penalty; says which judged images are right, and their mean loss."""
        labels = self._labels[self._judged]
        classes = np.unique(self._labels[self._known])
        if len(classes) == 1:
            right = labels == classes
            return right, float(-np.log(np.maximum(right, _LEAST_PROBABILITY)).mean())
        regression = self._regression.set_params(C=strength / self._features.shape[1])
        with warnings.catch_warnings():
            # What it has found until then is good enough to judge by.
            warnings.simplefilter("ignore", ConvergenceWarning)
            regression.fit(self._scaled(self._known), self._labels[self._known])
        probabilities = regression.predict_proba(self._scaled(self._judged))
        right = regression.classes_[probabilities.argmax(axis=1)] == labels
        own = regression.classes_ == labels[:, None]
        chances = np.maximum((probabilities * own).sum(axis=1), _LEAST_PROBABILITY)
        return right, float(-np.log(chances).mean())

    def _scaled(self, positions: np.ndarray) -> np.ndarray:
        scaled: np.ndarray = self._scaler.transform(self._features[positions])
        return scaled
