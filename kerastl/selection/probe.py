"""A linear probe: what can be told from frozen features by a linear rule alone."""

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from kerastl.selection.folds import deal_folds

_FOLDS = 5


def out_of_fold(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, *, seed: int
) -> np.ndarray:
    """Lets each image be judged by a probe that has not seen it, nor any of its group.

    The probe is linear discriminant analysis with the shrinkage of Ledoit and Wolf,
    https://scikit-learn.org/stable/modules/lda_qda.html#shrinkage-and-covariance-estimator

    Args:
        features: Pooled features, float32 (images, channels).
        labels: Classes, int64 (images,). A judge knows those of which it sees two.
        groups: Images of one number are in one fold, int64 (images,); two of them at least.
        seed: Decides the folds.

    Returns:
        Probabilities, float64 (images, classes), a column for each class among `labels`, in
        their order.
    """
    classes = np.unique(labels)
    probabilities = np.zeros((len(labels), len(classes)))
    for known, judged in deal_folds(labels, groups, count=_FOLDS, seed=seed):
        # No spread can be told from one image.
        counts = np.bincount(labels[known], minlength=classes.max() + 1)
        known = known[counts[labels[known]] > 1]  # noqa: PLW2901
        probe = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        probe.fit(features[known], labels[known])
        columns = np.searchsorted(classes, probe.classes_)
        probabilities[np.ix_(judged, columns)] = probe.predict_proba(features[judged])
    return probabilities


def find_label_issues(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Finds images whose label is not the likeliest class, the least likely label first.

    Returns:
        Positions, int64.
    """
    given = probabilities[np.arange(len(labels)), labels]
    doubtful = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return doubtful[np.argsort(given[doubtful], kind="stable")]
