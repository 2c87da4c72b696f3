"""A learning curve: accuracy on growing parts of the training images, and its extrapolation."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from kerastl.data.folds import Fold, check_enough, make_folds, subsample
from kerastl.data.splits import Splits
from kerastl.errors import bad_value
from kerastl.progress import Progress
from kerastl.selection.extrapolation import (
    Curve,
    Estimate,
    FoldCounts,
    estimate_accuracies,
    extrapolate,
)
from kerastl.selection.logistic_regression import cross_validate
from kerastl.short_form import ShortForm

FRACTIONS = (0.05, 0.10, 0.25, 0.50, 1.00)
REPEATS = 10
# A power law has three parameters.
_FEWEST_SIZES = 4
# Largest fraction that the check extrapolates from.
_HALF = 0.5
_NAMED = 2


@dataclasses.dataclass(frozen=True, eq=False)
class LearningCurve(ShortForm):
    """Measured accuracies and their extrapolation.

    Attributes:
        num_images: Number of training images.
        fractions: Fractions of them that probes were trained on.
        whole: Curve of all classes together.
        classes: Curve of each class.
        backtest: Accuracy for all images, extrapolated from at most half of them.
    """

    num_images: int
    fractions: tuple[float, ...]
    whole: Curve
    classes: tuple[Curve, ...]
    backtest: Estimate

    def most_to_gain(self) -> list[Curve]:
        """Sorts the classes that gain from twice the images, the largest gain first."""
        gaining = [curve for curve in self.classes if curve.gain > 0]
        return sorted(gaining, key=lambda curve: -curve.gain)

    def lines(self) -> Iterator[str]:
        """Yields what `kerastl learning_curve` prints of it."""
        yield self.check()
        yield self.sentence()

    def sentence(self) -> str:
        """Summarizes what accuracy to expect with twice the images."""
        twice = self.whole.expected[0]
        names = ", ".join(curve.class_name for curve in self.most_to_gain()[:_NAMED])
        most = f"; most to gain: {names}" if names else ""
        return f"Twice the images: about {twice.low:.2f} to {twice.high:.2f}{most}."

    def check(self) -> str:
        """Compares the measured accuracy with its extrapolation from half the images."""
        measured = self.whole.measured[-1].value
        place = "within" if self.backtest.low <= measured <= self.backtest.high else "outside"
        return (
            f"Check: extrapolated from half the images, {self.backtest.low:.3f} to "
            f"{self.backtest.high:.3f}; measured with all, {measured:.3f}, {place} the interval."
        )


def fit_learning_curve(
    features: np.ndarray, splits: Splits, *, seed: int, progress: Progress
) -> LearningCurve:
    """Evaluates probes trained on growing parts of the training images, and extrapolates.

    Each fold of the training images is held out once, and a probe is trained on parts of the
    others. So every image is classified once for each size, by a probe that was not trained on it;
    validation and test images are not used.

    `features` are the pooled ones of the training images, float32 (images, channels).

    Raises:
        UsageError: If there are too few images for a curve.
    """
    check_enough(splits)
    source = splits.source
    labels, clusters = source.labels[splits.train], splits.clusters[splits.train]
    folds = make_folds(labels, clusters, count=REPEATS, seed=seed)
    parts = _parts(folds, labels, clusters, seed=seed)
    if len(parts) < _FEWEST_SIZES:
        raise bad_value(
            "dataset",
            source.name,
            f"has {len(labels)} training images, too few for a curve",
            "Give each class ten or more",
        )
    predictions = _predict(features, labels, parts, progress)
    images = np.array([_mean_size(part) for part in parts.values()])
    correct, total = _count(predictions, folds, labels, len(source.class_names))
    whole = FoldCounts(images, correct.sum(axis=0), total.sum(axis=0))
    half = [size for size, fraction in enumerate(parts) if fraction <= _HALF]
    return LearningCurve(
        num_images=len(labels),
        fractions=tuple(parts),
        whole=extrapolate("", whole, num_images=len(labels), seed=seed),
        classes=tuple(
            extrapolate(name, FoldCounts(images, *counts), num_images=len(labels), seed=seed)
            for name, *counts in zip(source.class_names, correct, total, strict=True)
            if counts[1].sum()
        ),
        backtest=estimate_accuracies(whole.of(half), images[-1:], seed=seed)[0][0],
    )


def _parts(
    folds: Sequence[Fold], labels: np.ndarray, clusters: np.ndarray, *, seed: int
) -> dict[float, list[Fold]]:
    """Subsamples each fold's training images by each fraction; equal sizes are kept once."""
    parts: dict[float, list[Fold]] = {}
    largest = 0.0
    for fraction in FRACTIONS:
        part = []
        for place, (train, held_out) in enumerate(folds):
            own = subsample(labels[train], clusters[train], fraction=fraction, seed=seed + place)
            part.append((train[own], held_out))
        if _mean_size(part) > largest:
            parts[fraction] = part
            largest = _mean_size(part)
    return parts


def _mean_size(part: Sequence[Fold]) -> float:
    return float(np.mean([len(train) for train, _ in part]))


def _predict(
    features: np.ndarray,
    labels: np.ndarray,
    parts: Mapping[float, Sequence[Fold]],
    progress: Progress,
) -> list[np.ndarray]:
    """Returns for each size whether each image is classified correctly."""
    predictions = []
    for number, (fraction, part) in enumerate(parts.items(), start=1):
        on_step = _shown(f"probe, size {number}/{len(parts)}", progress)
        probes = cross_validate(features, labels, part, on_step=on_step)
        predictions.append(probes.correct)
        low, high = probes.interval()
        progress.line(
            f"{fraction:4.0%}, {_mean_size(part):.0f} images: accuracy {probes.accuracy:.4f} "
            f"({low:.4f}-{high:.4f})"
        )
    return predictions


def _count(
    predictions: Sequence[np.ndarray], folds: Sequence[Fold], labels: np.ndarray, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Counts correct images (classes, sizes, folds), and all (classes, folds), float64."""
    correct = np.zeros((num_classes, len(predictions), len(folds)))
    total = np.zeros((num_classes, len(folds)))
    for place, (_, held_out) in enumerate(folds):
        total[:, place] = np.bincount(labels[held_out], minlength=num_classes)
        for size, row in enumerate(predictions):
            right = labels[held_out[row[held_out]]]
            correct[:, size, place] = np.bincount(right, minlength=num_classes)
    return correct, total


def _shown(what: str, progress: Progress) -> Callable[[str], None]:
    return lambda step: progress.status(f"{what}: {step}")
