"""Finds training and validation images whose label is probably wrong.

The test images have no part in it: they are read by the final evaluation only.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from kerastl.data.splits import Splits
from kerastl.errors import name_some
from kerastl.outputs.run_directory import RunDirectory
from kerastl.progress import Progress, count_of
from kerastl.selection import odd_groups, odd_pictures
from kerastl.selection.lda import OutOfFold, predict_out_of_fold
from kerastl.split_names import TRAIN, VALIDATION
from kerastl.training.trained import Trained

# The columns of `label_issues.csv`.
HEADER = (
    *("example", "class_name", "probability", "likelier", "its_probability"),
    *("sha256", "split"),
)
# Images of a class with fewer are judged last: of 500 images in six classes, 10% of them labeled
# wrongly, a probe found 83% of the right labels of a class of 6 wrong, 70% of one of 10 and 55% of
# one of 20, which were the first of the list (features of MobileNetV2, three seeds).
_FEW = 20


@dataclasses.dataclass(frozen=True, eq=False)
class LabelIssues:
    """Images that a linear probe assigns to another class than their label.

    Attributes:
        positions: Positions among the images that were judged, the least probable label first;
            those of classes with few images come last.
        judged: The probe's predictions for all of them.
        few: Names of the classes with few images.
    """

    positions: np.ndarray
    judged: OutOfFold
    few: tuple[str, ...] = ()

    def rows(self, splits: Splits, indices: np.ndarray) -> Iterator[tuple[str, ...]]:
        """Yields the row of each issue; `indices` are the images that were judged."""
        source, names = splits.source, splits.source.class_names
        is_held_out = np.isin(indices, splits.validation)
        for position in self.positions.tolist():
            index = indices[position]
            yield (
                source.examples[index],
                names[source.labels[index]],
                f"{self.judged.of_label[position]:.4g}",
                names[self.judged.likeliest[position]],
                f"{self.judged.highest[position]:.4g}",
                source.hashes[index].tobytes().hex(),
                VALIDATION if is_held_out[position] else TRAIN,
            )

    def lines(self) -> list[str]:
        """Returns the lines that a run prints."""
        lines = [
            f"Labels that look wrong: {len(self.positions)} of {len(self.judged.of_label)} "
            "training and validation images; a linear probe finds another class likelier. No label "
            "is changed; label_issues.csv lists the least probable first."
        ]
        if unknown := int(np.isnan(self.judged.of_label).sum()):
            lines.append(
                f"Labels: {count_of(unknown, 'image')} could not be checked, because "
                "too few images of the same class are outside their group."
            )
        if self.few:
            lines.append(
                f"Labels: {name_some(self.few)} {'has' if len(self.few) == 1 else 'have'} fewer "
                f"than {_FEW} images, too few to tell a wrong label from a rare image; "
                "label_issues.csv lists theirs last."
            )
        return lines


def find_label_issues(
    features: np.ndarray,
    splits: Splits,
    indices: np.ndarray,
    *,
    seed: int,
    on_step: Callable[[str], None] = lambda _: None,
) -> LabelIssues:
    """Finds label issues by cross-validation on pooled features.

    Args:
        features: Float32 (images, channels).
        splits: Where the images are from.
        indices: Their positions in the source: of training and validation images.
        seed: Seed of the folds.
        on_step: Receives a description of each step.
    """
    labels, clusters = splits.source.labels[indices], splits.clusters[indices]
    judged = predict_out_of_fold(features, labels, clusters, seed=seed, on_step=on_step)
    counts = np.bincount(labels, minlength=len(splits.source.class_names))
    few = np.flatnonzero((counts > 0) & (counts < _FEW))
    names = tuple(splits.source.class_names[label] for label in few.tolist())
    return LabelIssues(rank_label_issues(judged, labels), judged, names)


def rank_label_issues(judged: OutOfFold, labels: np.ndarray) -> np.ndarray:
    """Finds images whose label is not the most probable class, the least probable label first.

    Those of classes with few images come last.
    """
    issues = np.flatnonzero((judged.likeliest != labels) & ~np.isnan(judged.of_label))
    is_of_few = (np.bincount(labels) < _FEW)[labels[issues]]
    return issues[np.lexsort((judged.of_label[issues], is_of_few))]


def write_label_issues(
    trained: Trained, splits: Splits, seed: int, record: RunDirectory, progress: Progress
) -> None:
    """Writes the images whose label is probably wrong, and those that belong to no class."""
    indices = np.concatenate([splits.train, splits.validation])
    features = trained.pooled(indices)
    if features is None:
        progress.line("Labels: not checked, because no features are stored.")
        return
    issues = find_label_issues(
        features,
        splits,
        indices,
        seed=seed,
        on_step=lambda step: progress.status(f"Labels: {step}"),
    )
    record.write_label_issues(HEADER, issues.rows(splits, indices))
    groups = odd_groups.find_odd_groups(features, splits, indices, seed=seed)
    pictures = odd_pictures.find_odd_pictures(trained, splits, indices)
    source = splits.source
    of_groups = odd_groups.list_findings(source, groups)
    of_pictures = odd_pictures.list_findings(source, pictures)
    record.write_findings(source, (*of_groups, *of_pictures))
    for line in (
        *issues.lines(),
        *odd_groups.describe_groups(source, groups),
        *odd_pictures.describe_pictures(source, pictures),
    ):
        progress.line(line)
