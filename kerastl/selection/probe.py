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
        labels: Classes, int64 (images,). A judge knows those of which it sees two images.
        groups: Images of one number are in one fold, int64 (images,).
        seed: Decides the folds.

    Returns:
        Probabilities, float64 (images, classes), a column for each class among `labels`, in
        their order; of NaN for images whose class no judge knows that has not seen them.
    """
    classes = np.unique(labels)
    probabilities = np.full((len(labels), len(classes)), np.nan)
    for known, judged in deal_folds(labels, groups, count=_FOLDS, seed=seed):
        # No spread can be told from one image.
        counts = np.bincount(labels[known], minlength=classes.max() + 1)
        known = known[counts[labels[known]] > 1]  # noqa: PLW2901
        judged = judged[np.isin(labels[judged], labels[known])]  # noqa: PLW2901
        if len(np.unique(labels[known])) < 2 or not len(judged):  # noqa: PLR2004
            continue
        probe = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        probe.fit(features[known], labels[known])
        columns = np.searchsorted(classes, probe.classes_)
        probabilities[judged] = 0
        probabilities[np.ix_(judged, columns)] = probe.predict_proba(features[judged])
    return probabilities


def find_label_issues(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Finds images whose label is not the likeliest class, the least likely label first.

    Args:
        probabilities: Of each image and class; those of NaN are of images that nobody can judge.
        labels: Classes, int64 (images,).

    Returns:
        Positions, int64.
    """
    given = probabilities[np.arange(len(labels)), labels]
    doubtful = np.flatnonzero((probabilities.argmax(axis=1) != labels) & ~np.isnan(given))
    return doubtful[np.argsort(given[doubtful], kind="stable")]
