"""Finds training images whose label is probably wrong."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from kerastl.data.splits import Splits
from kerastl.outputs.run_directory import RunDirectory
from kerastl.progress import Progress, count_of
from kerastl.selection.lda import OutOfFold, predict_out_of_fold
from kerastl.training.trained import Trained


@dataclasses.dataclass(frozen=True, eq=False)
class LabelIssues:
    """Training images that a linear probe assigns to another class than their label.

    Attributes:
        positions: Positions among the training images, the least probable label first, int64.
        judged: The probe's predictions for all training images.
    """

    positions: np.ndarray
    judged: OutOfFold

    def rows(self) -> Iterator[tuple[int, float, int, float]]:
        """Yields each issue: position, probability of the label, likeliest class, its own."""
        columns = (self.judged.of_label, self.judged.likeliest, self.judged.highest)
        chosen = (column[self.positions].tolist() for column in columns)
        yield from zip(self.positions.tolist(), *chosen, strict=True)

    def lines(self) -> list[str]:
        """Returns the lines that a run prints."""
        lines = [
            f"Labels: a linear probe assigns {count_of(len(self.positions), 'training image')} of "
            f"{len(self.judged.of_label)} to another class; label_issues.csv lists the least "
            "probable labels first."
        ]
        if unknown := int(np.isnan(self.judged.of_label).sum()):
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
    judged = predict_out_of_fold(features, labels, clusters, seed=seed)
    return LabelIssues(rank_label_issues(judged, labels), judged)


def rank_label_issues(judged: OutOfFold, labels: np.ndarray) -> np.ndarray:
    """Finds images whose label is not the most probable class, the least probable label first."""
    issues = np.flatnonzero((judged.likeliest != labels) & ~np.isnan(judged.of_label))
    return issues[np.argsort(judged.of_label[issues], kind="stable")]


def write_label_issues(
    trained: Trained, splits: Splits, seed: int, record: RunDirectory, progress: Progress
) -> None:
    """Writes the training images whose label is probably wrong, and reports how many they are."""
    features = trained.pooled(splits.train)
    if features is None:
        progress.line("Labels: not checked, because no features are stored.")
        return
    issues = find_label_issues(features, splits, seed=seed)
    record.write_label_issues(splits, issues.rows())
    for line in issues.lines():
        progress.line(line)
