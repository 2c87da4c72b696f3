"""Evaluates every image of a split once, and computes scores from the logits."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.special
import tensorflow as tf

from kerastl.data.pipeline import Features, evaluation_dataset
from kerastl.data.reading import reading_errors
from kerastl.data.source import Source
from kerastl.settings import ImageSettings
from kerastl.training.scores import (
    CLASS_SCORES,
    ClassCounts,
    accuracy_interval,
    balanced_accuracy,
    class_scores,
    macro_f1,
)

# Up to this many classes an evaluation keeps the probabilities of all, above only of the first few.
MOST_CLASSES = 1000
NUM_FIRST = 10
# Up to this many classes `metrics.json` has the whole confusion matrix.
MOST_IN_MATRIX = 300
_MOST_CONFUSED = 20
# Logits that are turned into probabilities at a time.
LOGITS_AT_ONCE = 4_000_000


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
    """

    labels: np.ndarray
    probabilities: np.ndarray
    losses: np.ndarray
    classes: np.ndarray | None = None

    @property
    def loss(self) -> float:
        """Mean cross-entropy, in nats."""
        return float(np.mean(self.losses))

    def of(self, chosen: np.ndarray) -> "Evaluation":
        """Selects some of the images, by a mask, bool (images,), or by positions."""
        classes = None if self.classes is None else self.classes[chosen]
        return Evaluation(
            self.labels[chosen], self.probabilities[chosen], self.losses[chosen], classes
        )

    @property
    def predicted(self) -> np.ndarray:
        """The most probable class of each image, int64 (images,)."""
        if self.classes is not None:
            return self.classes[:, 0].astype(np.int64)
        return np.asarray(np.argmax(self.probabilities, axis=1))

    @property
    def accuracy(self) -> float:
        """Share of images whose most probable class is the true one."""
        return float(np.mean(self.predicted == self.labels))

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

    def metrics(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        """Computes the entry of a split in `metrics.json`.

        `accuracy_low` to `accuracy_high` is `accuracy_interval`; `most_confused` are the most
        frequent mistakes. Up to MOST_CLASSES classes it has the `class_scores` of each, and up to
        MOST_IN_MATRIX a `confusion_matrix` with a row for each true class and a column for each
        predicted one. All of them are in `class_rows` and `confusion_rows`.
        """
        num_classes = len(class_names)
        low, high = accuracy_interval(int(np.sum(self.predicted == self.labels)), len(self.labels))
        pairs = list(self.confusion_rows(class_names))
        mistakes = [pair for pair in pairs if pair[0] != pair[1]]
        mistakes.sort(key=lambda pair: -pair[2])
        metrics = {
            "num_images": len(self.labels),
            **self.scores(),
            "accuracy_low": low,
            "accuracy_high": high,
            "most_confused": [
                dict(zip(("class_name", "predicted", "num_images"), pair, strict=True))
                for pair in mistakes[:_MOST_CONFUSED]
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

    def class_rows(self, class_names: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
        """Yields each class with its `class_scores`."""
        counts = ClassCounts.of(self.labels, self.predicted, len(class_names))
        columns = class_scores(counts)
        values = (columns[name].tolist() for name in CLASS_SCORES)
        yield from zip(class_names, *values, strict=True)

    def confusion_rows(self, class_names: tuple[str, ...]) -> Iterator[tuple[str, str, int]]:
        """Yields the pairs of a true and a predicted class that occur, with their images."""
        places = self.labels * len(class_names) + self.predicted
        pairs, counts = np.unique(places, return_counts=True)
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
            label, predicted = divmod(pair, len(class_names))
            yield class_names[label], class_names[predicted], count


def evaluate(
    classifier: Callable[[tf.Tensor], tf.Tensor],
    dataset: tf.data.Dataset,
    labels: np.ndarray,
    *,
    most_classes: int = MOST_CLASSES,
) -> Evaluation:
    """Evaluates a classifier on a split, once.

    Args:
        classifier: Model or function from images, or from features, to logits.
        dataset: The split, from `evaluation_dataset`.
        labels: True classes in the dataset's order.
        most_classes: Up to this many, the probabilities of all classes are kept.

    Returns:
        The evaluation. Logits that are not finite give losses that are not.

    Raises:
        KerastlError: If the content of an image has changed.
    """
    logits = _compute(_traced(classifier, dataset), iter(dataset), len(labels))
    return _evaluate(logits, labels, most_classes=most_classes)


def build_evaluator(
    classifier: Callable[[tf.Tensor], tf.Tensor],
    source: Source,
    indices: np.ndarray,
    images: ImageSettings,
    *,
    batch_size: int,
    features: Features | None = None,
) -> Callable[[], Evaluation]:
    """Prepares to evaluate a classifier, as it is at each call, on the same images.

    With `features` those are its inputs instead of the images. The result does what `evaluate`
    does.
    """
    dataset = evaluation_dataset(
        source, indices, images, batch_size=batch_size, features=features, repeats=True
    )
    function, batches, labels = _traced(classifier, dataset), iter(dataset), source.labels[indices]
    return lambda: _evaluate(_compute(function, batches, len(labels)), labels)


def _traced(
    classifier: Callable[[tf.Tensor], tf.Tensor], dataset: tf.data.Dataset
) -> Callable[[tf.Tensor], tf.Tensor]:
    signature = [dataset.element_spec[0]]
    function: Callable[[tf.Tensor], tf.Tensor] = tf.function(
        classifier, input_signature=signature, autograph=False
    )
    return function


def _compute(
    function: Callable[[tf.Tensor], tf.Tensor],
    batches: Iterator[tuple[tf.Tensor, tf.Tensor]],
    count: int,
) -> Iterator[np.ndarray]:
    """Yields the logits of `count` images, those of several batches at a time."""
    parts: list[np.ndarray] = []
    done = 0
    with reading_errors():
        while done < count:
            inputs, _ = next(batches)
            parts.append(function(inputs).numpy())
            done += len(parts[-1])
            if done == count or sum(part.size for part in parts) >= LOGITS_AT_ONCE:
                yield np.concatenate(parts)
                parts.clear()


def _evaluate(
    logits: Iterator[np.ndarray], labels: np.ndarray, *, most_classes: int = MOST_CLASSES
) -> Evaluation:
    """Evaluates logits as they come: those of many classes do not fit in memory together."""
    parts: list[Evaluation] = []
    done = 0
    for part in logits:
        of_part = labels[done : done + len(part)]
        parts.append(_reduce(part, of_part, most_classes=most_classes))
        done += len(part)
    classes = [part.classes for part in parts if part.classes is not None]
    return Evaluation(
        labels,
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.losses for part in parts]),
        np.concatenate(classes) if classes else None,
    )


def _reduce(logits: np.ndarray, labels: np.ndarray, *, most_classes: int) -> Evaluation:
    with np.errstate(invalid="ignore"):
        log_probabilities = scipy.special.log_softmax(logits.astype(np.float64), axis=1)
    losses = -log_probabilities[np.arange(len(labels)), labels]
    # TensorFlow's own softmax, as the export has it.
    probabilities = tf.nn.softmax(logits)
    if logits.shape[1] <= most_classes:
        return Evaluation(labels, probabilities.numpy(), losses)
    highest, classes = tf.math.top_k(probabilities, NUM_FIRST)
    return Evaluation(labels, highest.numpy(), losses, classes.numpy())
