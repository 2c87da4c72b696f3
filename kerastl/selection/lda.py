"""Out-of-fold predictions of linear discriminant analysis on frozen features."""

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from kerastl.data.folds import make_folds

_FOLDS = 5


def predict_out_of_fold(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, *, seed: int
) -> np.ndarray:
    """Predicts each image by a classifier that was fitted to neither it nor its group.

    The classifier is linear discriminant analysis with the shrinkage of Ledoit and Wolf,
    https://scikit-learn.org/stable/modules/lda_qda.html#shrinkage-and-covariance-estimator

    Args:
        features: Pooled features, float32 (images, channels).
        labels: Classes, int64 (images,). A classifier knows the classes of which it sees two
            images.
        groups: Group of each image, int64 (images,); a group is in one fold.
        seed: Seed of the folds.

    Returns:
        Probabilities, float64 (images, classes), with a column for each class among `labels`, in
        ascending order; NaN for images whose class the classifier of their fold does not know.
    """
    classes = np.unique(labels)
    probabilities = np.full((len(labels), len(classes)), np.nan)
    for fold_train, fold_held_out in make_folds(labels, groups, count=_FOLDS, seed=seed):
        # One image has no covariance.
        counts = np.bincount(labels[fold_train], minlength=classes.max() + 1)
        train = fold_train[counts[labels[fold_train]] > 1]
        held_out = fold_held_out[np.isin(labels[fold_held_out], labels[train])]
        if len(np.unique(labels[train])) <= 1 or not len(held_out):
            continue
        probe = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        probe.fit(features[train], labels[train])
        columns = np.searchsorted(classes, probe.classes_)
        probabilities[held_out] = 0
        probabilities[np.ix_(held_out, columns)] = probe.predict_proba(features[held_out])
    return probabilities
