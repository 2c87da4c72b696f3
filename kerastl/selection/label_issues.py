"""Finds training images whose label is probably wrong."""

import dataclasses

import numpy as np

from kerastl.data.splits import Splits
from kerastl.progress import count_of
from kerastl.selection.lda import predict_out_of_fold


@dataclasses.dataclass(frozen=True, eq=False)
class LabelIssues:
    """Training images that a linear probe assigns to another class than their label.

    Attributes:
        positions: Positions among the training images, the least probable label first, int64.
        probabilities: Out-of-fold probabilities of all training images, float64 (images,
            classes); NaN for images that the probe cannot classify.
    """

    positions: np.ndarray
    probabilities: np.ndarray

    def lines(self) -> list[str]:
        """Returns the lines that a run prints."""
        lines = [
            f"Labels: a linear probe assigns {count_of(len(self.positions), 'training image')} of "
            f"{len(self.probabilities)} to another class; label_issues.csv lists the least "
            "probable labels first."
        ]
        if unknown := int(np.isnan(self.probabilities).any(axis=1).sum()):
            lines.append(
                f"Labels: {count_of(unknown, 'training image')} could not be checked, because "
                "too few images of the same class are outside their group."
            )
        return lines


def find_label_issues(features: np.ndarray, splits: Splits, *, seed: int) -> LabelIssues:
    """Finds label issues by cross-validation on pooled features of the training images.

    Those are float32 (images, channels); `seed` is that of the folds.
    """
    labels, clusters = splits.source.labels[splits.train], splits.clusters[splits.train]
    probabilities = predict_out_of_fold(features, labels, clusters, seed=seed)
    return LabelIssues(rank_label_issues(probabilities, labels), probabilities)


def rank_label_issues(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Finds images whose label is not the most probable class, the least probable label first.

    Args:
        probabilities: Float64 (images, classes); rows of NaN are left out.
        labels: Classes, int64 (images,).
    """
    given = probabilities[np.arange(len(labels)), labels]
    issues = np.flatnonzero((probabilities.argmax(axis=1) != labels) & ~np.isnan(given))
    return issues[np.argsort(given[issues], kind="stable")]
