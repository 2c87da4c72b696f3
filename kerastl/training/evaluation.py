"""What a model predicts for the images of a split, and its scores. Imports no TensorFlow."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from kerastl.training.calibration import Calibration, brier_scores, measure_calibration
from kerastl.training.coverage import measure_coverage
from kerastl.training.scores import (
    CLASS_SCORES,
    CONFUSION,
    ClassCounts,
    accuracy_interval,
    balanced_accuracy,
    class_scores,
    macro_f1,
    wilson_intervals,
)

# Up to this many classes an evaluation keeps the probabilities of all, above only of the first few.
MOST_CLASSES = 1000
NUM_FIRST = 10
# Up to this many classes `metrics.json` has the whole confusion matrix.
MOST_IN_MATRIX = 300
_MOST_CONFUSED = 20


def are_clearly_more(right: np.ndarray, others: np.ndarray) -> bool:
    """Whether one model has so many more images right than another that it is hardly chance.

    That is by more than one standard error of the difference, which depends only on the images
    that one of the two has right: if each were either's by chance, their number would be the
    variance. Few images or small differences decide nothing.

    Args:
        right: Whether the one has each image right, bool (images,).
        others: The same of the other.
    """
    won, lost = int(np.sum(right & ~others)), int(np.sum(others & ~right))
    return won - lost > math.sqrt(won + lost)


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """A model's predictions for the images of a split, in the split's order.

    Attributes:
        labels: True classes, int64 (images,).
        probabilities: Softmax of the logits, float32 (images, classes); of many classes only the
            highest of each image, float32 (images, NUM_FIRST), in descending order.
        losses: Cross-entropy of each image, in nats, float64 (images,).
        classes: Classes of the columns of `probabilities`, int32 of the same shape; None where
            each class has its column.
        uncalibrated: The same by the model before it got its temperature; None if that is 1.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    losses: np.ndarray
    classes: np.ndarray | None = None
    uncalibrated: "Evaluation | None" = None

    @property
    def loss(self) -> float:
        """Mean cross-entropy, in nats."""
        return float(np.mean(self.losses))

    def of(self, chosen: np.ndarray) -> "Evaluation":
        """Selects some of the images, by a mask, bool (images,), or by positions."""
        return Evaluation(
            self.labels[chosen],
            self.probabilities[chosen],
            self.losses[chosen],
            None if self.classes is None else self.classes[chosen],
            None if self.uncalibrated is None else self.uncalibrated.of(chosen),
        )

    @property
    def predicted(self) -> np.ndarray:
        """The most probable class of each image, int64 (images,)."""
        if self.classes is not None:
            return self.classes[:, 0].astype(np.int64)
        return np.asarray(np.argmax(self.probabilities, axis=1))

    @property
    def right(self) -> np.ndarray:
        """Whether the most probable class of each image is the true one, bool (images,)."""
        return np.asarray(self.predicted == self.labels)

    @property
    def accuracy(self) -> float:
        """Share of images whose most probable class is the true one."""
        return float(np.mean(self.right))

    def is_clearly_better(self, other: "Evaluation") -> bool:
        """Whether `are_clearly_more` images are right than by another model."""
        return are_clearly_more(self.right, other.right)

    def surest(self, chosen: np.ndarray) -> np.ndarray:
        """Sorts the images of a mask, bool (images,), by their confidence; gives positions."""
        positions = np.flatnonzero(chosen)
        confidence = self.probabilities.max(axis=1)[positions]
        return positions[np.argsort(-confidence, kind="stable")]

    def look_up(self, other: "Evaluation") -> np.ndarray:
        """Returns this evaluation's probabilities of the classes in each row of `other`."""
        if other.classes is None:
            return self.probabilities
        return np.take_along_axis(self.probabilities, other.classes, axis=1)

    def scores(self) -> dict[str, float]:
        """Computes loss, accuracy, balanced_accuracy and macro_f1."""
        counts = ClassCounts.of(self.labels, self.predicted)
        return {
            "loss": self.loss,
            "accuracy": self.accuracy,
            "balanced_accuracy": balanced_accuracy(counts),
            "macro_f1": macro_f1(counts),
        }

    def calibration(self) -> Calibration:
        """Compares the confidence of the predictions with how often they are right."""
        every = self.classes is None
        return measure_calibration(
            self.probabilities.max(axis=1),
            self.predicted == self.labels,
            brier_scores(self.probabilities, self.labels) if every else None,
        )

    def coverage(self) -> tuple[tuple[float, ...], ...]:
        """Measures the accuracy of the surest predictions, see `measure_coverage`."""
        correct = self.predicted == self.labels
        return measure_coverage(self.probabilities.max(axis=1), correct)

    def metrics(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        """Computes the entry of a split in `metrics.json`.

        `accuracy_low` to `accuracy_high` is `accuracy_interval`; `calibration_error` and
        `brier_score` are those of `calibration`, and `uncalibrated` has them, loss and accuracy
        before the temperature; `most_confused` are the most frequent mistakes.
        Up to MOST_CLASSES classes it has the `class_scores` of each, and up to MOST_IN_MATRIX a
        `confusion_matrix` with a row for each true class and a column for each predicted one. All
        of them are in `class_rows` and `confusion_rows`.
        """
        num_classes = len(class_names)
        low, high = accuracy_interval(int(np.sum(self.predicted == self.labels)), len(self.labels))
        pairs = list(self.confusion_rows(class_names))
        mistakes = [pair for pair in pairs if pair[0] != pair[1]]
        mistakes.sort(key=lambda pair: -pair[2])
        metrics: dict[str, Any] = {
            "num_images": len(self.labels),
            **self.scores(),
            "accuracy_low": low,
            "accuracy_high": high,
            **self._calibration_scores(),
            "most_confused": [
                dict(zip(CONFUSION, pair, strict=True)) for pair in mistakes[:_MOST_CONFUSED]
            ],
        }
        if num_classes <= MOST_CLASSES:
            metrics["classes"] = {
                name: dict(zip(CLASS_SCORES, values, strict=True))
                for name, *values in self.class_rows(class_names)
            }
        if num_classes <= MOST_IN_MATRIX:
            places = self.labels * num_classes + self.predicted
            matrix = np.bincount(places, minlength=num_classes**2)
            metrics["confusion_matrix"] = matrix.reshape(num_classes, num_classes).tolist()
        return metrics

    def _calibration_scores(self) -> dict[str, Any]:
        calibration = self.calibration()
        scores: dict[str, Any] = {"calibration_error": calibration.expected_error}
        if calibration.brier_score is not None:
            scores["brier_score"] = calibration.brier_score
        if before := self.uncalibrated:
            about = {"accuracy": before.accuracy, "loss": before.loss}
            scores["uncalibrated"] = about | before._calibration_scores()
        return scores

    def class_rows(self, class_names: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
        """Yields each class with its `class_scores`."""
        counts = ClassCounts.of(self.labels, self.predicted, len(class_names))
        columns = class_scores(counts)
        values = (columns[name].tolist() for name in CLASS_SCORES)
        yield from zip(class_names, *values, strict=True)

    def confusion_rows(self, class_names: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
        """Yields a row of CONFUSION for each pair of a true and a predicted class that occurs."""
        places = self.labels * len(class_names) + self.predicted
        pairs, counts = np.unique(places, return_counts=True)
        labels, predicted = np.divmod(pairs, len(class_names))
        images = np.bincount(self.labels)[labels]
        columns = (counts, counts / images, *wilson_intervals(counts, images))
        for label, other, *row in zip(
            labels.tolist(), predicted.tolist(), *(one.tolist() for one in columns), strict=True
        ):
            yield class_names[label], class_names[other], *row
