"""Cross-validated accuracy of a logistic regression on frozen features."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from kerastl.data.folds import Fold
from kerastl.environment import ignored_warnings
from kerastl.training.scores import CONFIDENCE
from kerastl.training.solved_head import STRENGTHS

# Largest element of the gradient; more digits change no prediction.
_TOLERANCE = 1e-3
_MOST_ITERATIONS = 500
# Probability of a class that is not among a fold's training images, whose logarithm has to be
# finite.
_LEAST_PROBABILITY = 1e-12


@dataclasses.dataclass(frozen=True, eq=False)
class CrossValidation:
    """Predictions of probes for held-out images, one for each image.

    Attributes:
        correct: Whether the most probable class was the label, bool (images,).
        folds: Positions of the images of each fold.
        strength: L2 penalty with the lowest loss over all folds, as the prior variance of a logit.
    """

    correct: np.ndarray
    folds: tuple[np.ndarray, ...]
    strength: float

    @property
    def accuracy(self) -> float:
        """Share of correct predictions."""
        return float(self.correct.mean())

    def interval(self) -> tuple[float, float]:
        """Computes the 95 % interval of the accuracy over the folds."""
        correct = [int(self.correct[fold].sum()) for fold in self.folds]
        return cross_validated_interval(correct, [len(fold) for fold in self.folds])


def cross_validated_interval(
    correct: Sequence[float], total: Sequence[float]
) -> tuple[float, float]:
    """Computes the 95 % confidence interval of a cross-validated accuracy, within 0..1.

    Probes of different folds are trained on mostly the same images, so the spread over folds
    underestimates the variance; the correction is Nadeau and Bengio's,
    https://doi.org/10.1023/A:1024068626366
    The interval is never narrower than that of as many independent images, since folds may agree
    by chance, for example if all predictions are correct.

    Args:
        correct: Correctly classified images of each fold.
        total: Images of each fold, which are the fold's weight.
    """
    num_folds, num_images = len(total), sum(total)
    if num_folds == 1:
        return 0.0, 1.0
    accuracy = sum(correct) / num_images
    errors = (np.asarray(correct) - accuracy * np.asarray(total)) * num_folds / num_images
    variance = float(np.sum(errors**2)) / (num_folds - 1)
    factor = float(stats.t.ppf((1 + CONFIDENCE) / 2, num_folds - 1))
    half = max(
        factor * math.sqrt(variance * (1 / num_folds + 1 / (num_folds - 1))),
        float(stats.norm.ppf((1 + CONFIDENCE) / 2)) * sampling_deviation(sum(correct), num_images),
    )
    return max(0.0, accuracy - half), min(1.0, accuracy + half)


def sampling_deviation(correct: float, total: float) -> float:
    """Computes the standard deviation of an accuracy on independent images.

    One more correct and one more wrong prediction are assumed, so that it is never 0.
    """
    accuracy = (correct + 1) / (total + 2)
    return math.sqrt(accuracy * (1 - accuracy) / total)


def cross_validate(
    features: np.ndarray,
    labels: np.ndarray,
    folds: Sequence[Fold],
    *,
    on_step: Callable[[str], None] = lambda _: None,
) -> CrossValidation:
    """Predicts each fold's images by a multinomial logistic regression fitted to the others.

    A fold is evaluated with the penalty that has the lowest loss on the other folds, so no image
    influences its own prediction. Penalties are tried from strong to weak, until the loss rises.

    Args:
        features: Float32 (images, channels); each probe standardizes them by its training images.
        labels: Classes, int64 (images,).
        folds: Training and held-out images of each probe; every image is held out once.
        on_step: Receives a description of each step.
    """
    held_out = tuple(fold[1] for fold in folds)
    shares = np.array([len(fold) for fold in held_out]) / len(labels)
    probes = [_Probe(features, labels, fold) for fold in folds]
    correct: list[np.ndarray] = []
    losses: list[np.ndarray] = []
    # More threads than free cores wait for each other: up to a hundred times as long.
    with threadpool_limits(1):
        for strength in STRENGTHS:
            correct.append(np.zeros(len(labels), bool))
            losses.append(np.zeros(len(folds)))
            for place, probe in enumerate(probes):
                on_step(f"penalty {len(losses)}, fold {place + 1}/{len(folds)}")
                correct[-1][held_out[place]], losses[-1][place] = probe.evaluate(strength)
            if len(losses) > 1 and losses[-1] @ shares > losses[-2] @ shares:
                break
    parts = np.array(losses) * shares
    totals = parts.sum(axis=1)
    chosen = np.zeros(len(labels), bool)
    for place, fold in enumerate(held_out):
        chosen[fold] = correct[int((totals - parts[:, place]).argmin())][fold]
    return CrossValidation(chosen, held_out, STRENGTHS[int(totals.argmin())])


class _Probe:
    """Regression of one fold, which starts each penalty from the weights of the one before."""

    def __init__(self, features: np.ndarray, labels: np.ndarray, fold: Fold) -> None:
        self._features, self._labels = features, labels
        self._train, self._held_out = fold
        self._regression = LogisticRegression(
            tol=_TOLERANCE, max_iter=_MOST_ITERATIONS, warm_start=True
        )
        self._classifier = make_pipeline(StandardScaler(), self._regression)

    def evaluate(self, strength: float) -> tuple[np.ndarray, float]:
        """Fits with a penalty; returns which predictions are correct, and their mean loss."""
        labels = self._labels[self._held_out]
        classes = np.unique(self._labels[self._train])
        if len(classes) == 1:
            correct = labels == classes
            return correct, float(-np.log(np.maximum(correct, _LEAST_PROBABILITY)).mean())
        self._regression.set_params(C=strength / self._features.shape[1])
        # The weights after its last step are good enough.
        with ignored_warnings(ConvergenceWarning):
            self._classifier.fit(self._features[self._train], self._labels[self._train])
        probabilities = self._classifier.predict_proba(self._features[self._held_out])
        correct = classes[probabilities.argmax(axis=1)] == labels
        own = classes == labels[:, None]
        true = np.maximum((probabilities * own).sum(axis=1), _LEAST_PROBABILITY)
        return correct, float(-np.log(true).mean())
