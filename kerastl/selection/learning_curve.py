"""What more images would bring: a probe on growing parts of the training images."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from kerastl.data.splits import Splits
from kerastl.errors import bad_value
from kerastl.progress import Progress
from kerastl.selection.extrapolation import Curve, Expected, Tally, carry_on, expect
from kerastl.selection.folds import Fold, check_enough, deal_folds, take_part
from kerastl.selection.linear import judge

FRACTIONS = (0.05, 0.10, 0.25, 0.50, 1.00)
REPEATS = 10
# Sizes that a curve of three numbers can be fitted to.
_FEWEST_SIZES = 4
# What is left when the larger half of the images is hidden.
_HALF = 0.5
_NAMED = 2


@dataclasses.dataclass(frozen=True, eq=False)
class LearningCurve:
    """What was measured, and what is expected of it.

    Attributes:
        num_images: Training images that there are.
        fractions: Shares of them that probes learnt from.
        whole: Over all classes.
        classes: For each class.
        hidden: What up to half of the images let expect of all.
    """

    num_images: int
    fractions: tuple[float, ...]
    whole: Curve
    classes: tuple[Curve, ...]
    hidden: Expected

    def most_to_gain(self) -> list[Curve]:
        """Sorts the classes by what twice the images are expected to add, those that gain."""
        gaining = [curve for curve in self.classes if curve.gain > 0]
        return sorted(gaining, key=lambda curve: -curve.gain)

    def sentence(self) -> str:
        """Says in a sentence what twice the images would bring."""
        twice = self.whole.expected[0]
        names = ", ".join(curve.class_name for curve in self.most_to_gain()[:_NAMED])
        most = f"; most to gain: {names}" if names else ""
        return f"Twice the images: about {twice.low:.2f} to {twice.high:.2f}{most}."

    def check(self) -> str:
        """Says in a sentence how the curve does where it can be checked."""
        came = self.whole.measured[-1].value
        place = "within" if self.hidden.low <= came <= self.hidden.high else "outside"
        return (
            f"Checked with the larger half hidden: {self.hidden.low:.3f} to "
            f"{self.hidden.high:.3f} was expected, {came:.3f} came, {place} the interval."
        )


def measure(
    features: np.ndarray, splits: Splits, *, seed: int, progress: Progress
) -> LearningCurve:
    """Judges probes that learnt from growing parts, and carries the curve on.

    Every repeat holds out another fold of the training images and learns from parts of the
    others. So each image is judged once at each size, by a probe that has not seen it, and
    neither validation nor test images are looked at.

    Args:
        features: Pooled features of the training images, float32 (images, channels).
        splits: The images.
        seed: Decides the folds and the parts.
        progress: Gets a line for each size.

    Raises:
        UsageError: If there are too few images for a curve.
    """
    check_enough(splits)
    source = splits.source
    labels, clusters = source.labels[splits.train], splits.clusters[splits.train]
    folds = deal_folds(labels, clusters, count=REPEATS, seed=seed)
    parts = _parts(folds, labels, clusters, seed=seed)
    if len(parts) < _FEWEST_SIZES:
        raise bad_value(
            "dataset",
            source.name,
            f"has {len(labels)} training images, too few for a curve",
            "Give each class ten or more",
        )
    correct = []
    for number, (fraction, part) in enumerate(parts.items(), start=1):
        what = f"probe, size {number}/{len(parts)}"
        judged = judge(features, labels, part, on_step=_teller(what, progress))
        correct.append(judged.correct)
        low, high = judged.interval()
        progress.line(
            f"{fraction:4.0%}, {_mean_size(part):.0f} images: accuracy {judged.accuracy:.4f} "
            f"({low:.4f}-{high:.4f})"
        )
    fold_of = np.empty(len(labels), np.int64)
    for place, (_, members) in enumerate(folds):
        fold_of[members] = place
    images = np.array([_mean_size(part) for part in parts.values()])
    right, judged_counts = _count(np.array(correct), fold_of, labels, len(source.class_names))
    whole = Tally(images, right.sum(axis=0), judged_counts.sum(axis=0))
    half = [size for size, fraction in enumerate(parts) if fraction <= _HALF]
    return LearningCurve(
        num_images=len(labels),
        fractions=tuple(parts),
        whole=carry_on("", whole, num_images=len(labels), seed=seed),
        classes=tuple(
            carry_on(name, Tally(images, *counts), num_images=len(labels), seed=seed)
            for name, *counts in zip(source.class_names, right, judged_counts, strict=True)
            if counts[1].sum()
        ),
        hidden=expect(whole.of(half), images[-1:], seed=seed)[0][0],
    )


def _parts(
    folds: Sequence[Fold], labels: np.ndarray, clusters: np.ndarray, *, seed: int
) -> dict[float, list[Fold]]:
    """Thins out what each fold's probe learns from; sizes that come out the same are one."""
    parts: dict[float, list[Fold]] = {}
    largest = 0.0
    for fraction in FRACTIONS:
        part = [
            (
                known[
                    take_part(labels[known], clusters[known], fraction=fraction, seed=seed + place)
                ],
                judged,
            )
            for place, (known, judged) in enumerate(folds)
        ]
        if _mean_size(part) > largest:
            parts[fraction] = part
            largest = _mean_size(part)
    return parts


def _mean_size(part: Sequence[Fold]) -> float:
    return float(np.mean([len(known) for known, _ in part]))


def _count(
    correct: np.ndarray, fold_of: np.ndarray, labels: np.ndarray, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Counts images judged right (classes, sizes, folds), and all (classes, folds), float64."""
    right = np.zeros((num_classes, len(correct), fold_of.max() + 1))
    for size, row in enumerate(correct):
        np.add.at(right[:, size], (labels, fold_of), row)
    judged = np.zeros((num_classes, fold_of.max() + 1))
    np.add.at(judged, (labels, fold_of), 1)
    return right, judged


def _teller(what: str, progress: Progress) -> Callable[[str], None]:
    return lambda step: progress.status(f"{what}: {step}")
