"""Out-of-fold predictions of linear discriminant analysis on frozen features."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import scipy.special

from kerastl.data.folds import Fold, make_folds
from kerastl.data.splits import spread
from kerastl.lazy import sklearn
from kerastl.training.temperature import MOST_LOGITS, fit_temperature

_FOLDS = 5


# Probabilities that are computed at a time, images times classes.
_AT_ONCE = 10_000_000


@dataclasses.dataclass(frozen=True, eq=False)
class OutOfFold:
    """Predictions for images that a classifier has not seen; nothing grows with the classes.

    Attributes:
        of_label: Probability of each image's own label, float64 (images,); NaN for images whose
            class the classifier of their fold does not know.
        likeliest: The most probable class, int64 (images,).
        highest: The probability of that class, float64 (images,).
    """

    of_label: np.ndarray
    likeliest: np.ndarray
    highest: np.ndarray


def predict_out_of_fold(
    features: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    *,
    seed: int,
    on_step: Callable[[str], None] = lambda _: None,
) -> OutOfFold:
    """Predicts each image by a classifier that was fitted to neither it nor its group.

    The classifier is linear discriminant analysis with the shrinkage of Ledoit and Wolf,
    https://scikit-learn.org/stable/modules/lda_qda.html#shrinkage-and-covariance-estimator
    With few images of many channels it is far too sure of itself, so that most probabilities would
    be 0 and 1: its logits are divided by a temperature that fits the images it has not seen.

    Args:
        features: Pooled features, float32 (images, channels).
        labels: Classes, int64 (images,). A classifier knows the classes of which it sees two
            images.
        groups: Group of each image, int64 (images,); a group is in one fold.
        seed: Seed of the folds.
        on_step: Receives a description of each step.
    """
    found = OutOfFold(
        np.full(len(labels), np.nan), np.zeros(len(labels), np.int64), np.zeros(len(labels))
    )
    folds = make_folds(labels, groups, count=_FOLDS, seed=seed)
    probes = list(_fit_probes(features, labels, folds, on_step=on_step))
    temperature = _find_temperature(probes, features, labels, groups, seed=seed)
    for probe, held_out in probes:
        most = max(1, _AT_ONCE // len(probe.classes_))
        for start in range(0, len(held_out), most):
            part = held_out[start : start + most]
            shares = scipy.special.softmax(_logits(probe, features[part]) / temperature, axis=1)
            rows, own = np.arange(len(part)), np.searchsorted(probe.classes_, labels[part])
            found.of_label[part] = shares[rows, own]
            found.likeliest[part] = probe.classes_[shares.argmax(axis=1)]
            found.highest[part] = shares.max(axis=1)
    return found


def _fit_probes(
    features: np.ndarray,
    labels: np.ndarray,
    folds: Sequence[Fold],
    *,
    on_step: Callable[[str], None],
) -> Iterator[tuple[Any, np.ndarray]]:
    """Yields each classifier with the positions of the images that it can judge."""
    for place, (fold_train, fold_held_out) in enumerate(folds, start=1):
        on_step(f"probe {place}/{len(folds)}")
        # One image has no covariance.
        counts = np.bincount(labels[fold_train], minlength=labels.max() + 1)
        train = fold_train[counts[labels[fold_train]] > 1]
        held_out = fold_held_out[np.isin(labels[fold_held_out], labels[train])]
        if len(np.unique(labels[train])) <= 1 or not len(held_out):
            continue
        probe = sklearn.discriminant_analysis.LinearDiscriminantAnalysis(
            solver="lsqr", shrinkage="auto"
        )
        yield probe.fit(features[train], labels[train]), held_out


def _logits(probe: Any, features: np.ndarray) -> np.ndarray:
    """Computes the logits of a classifier's classes, float64 (images, classes)."""
    values = np.asarray(probe.decision_function(features), np.float64)
    # Of two classes there is one number, of the second.
    return values if values.ndim > 1 else np.stack([np.zeros_like(values), values], axis=1)


def _find_temperature(
    probes: list[tuple[Any, np.ndarray]],
    features: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    *,
    seed: int,
) -> float:
    """Fits a temperature to as many of the held-out images as fit in memory."""
    if not probes:
        return 1.0
    classes = np.unique(labels)
    most = max(1, MOST_LOGITS // len(classes) // len(probes))
    places, logits = [], []
    for probe, held_out in probes:
        places.append(held_out[spread(len(held_out), most)])
        of_all = np.full((len(places[-1]), 1, len(classes)), -np.inf)
        of_all[:, 0, np.searchsorted(classes, probe.classes_)] = _logits(
            probe, features[places[-1]]
        )
        logits.append(of_all)
    chosen = np.concatenate(places)
    numbers = np.searchsorted(classes, labels[chosen])
    return fit_temperature(np.concatenate(logits), numbers, groups[chosen], seed=seed).value
