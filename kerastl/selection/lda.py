"""Out-of-fold predictions of linear discriminant analysis on frozen features."""

import dataclasses

import numpy as np

from kerastl.data.folds import make_folds
from kerastl.lazy import LazyModule

_discriminant_analysis = LazyModule("sklearn.discriminant_analysis")
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
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, *, seed: int
) -> OutOfFold:
    """Predicts each image by a classifier that was fitted to neither it nor its group.

    The classifier is linear discriminant analysis with the shrinkage of Ledoit and Wolf,
    https://scikit-learn.org/stable/modules/lda_qda.html#shrinkage-and-covariance-estimator

    Args:
        features: Pooled features, float32 (images, channels).
        labels: Classes, int64 (images,). A classifier knows the classes of which it sees two
            images.
        groups: Group of each image, int64 (images,); a group is in one fold.
        seed: Seed of the folds.
    """
    found = OutOfFold(
        np.full(len(labels), np.nan), np.zeros(len(labels), np.int64), np.zeros(len(labels))
    )
    for fold_train, fold_held_out in make_folds(labels, groups, count=_FOLDS, seed=seed):
        # One image has no covariance.
        counts = np.bincount(labels[fold_train], minlength=labels.max() + 1)
        train = fold_train[counts[labels[fold_train]] > 1]
        held_out = fold_held_out[np.isin(labels[fold_held_out], labels[train])]
        if len(np.unique(labels[train])) <= 1 or not len(held_out):
            continue
        probe = _discriminant_analysis.LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        probe.fit(features[train], labels[train])
        most = max(1, _AT_ONCE // len(probe.classes_))
        for start in range(0, len(held_out), most):
            part = held_out[start : start + most]
            probabilities = probe.predict_proba(features[part])
            rows, own = np.arange(len(part)), np.searchsorted(probe.classes_, labels[part])
            found.of_label[part] = probabilities[rows, own]
            found.likeliest[part] = probe.classes_[probabilities.argmax(axis=1)]
            found.highest[part] = probabilities.max(axis=1)
    return found
