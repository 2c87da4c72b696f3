"""Evaluates every image of a split once, and computes scores from the logits."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.special
import tensorflow as tf
from sklearn import metrics as sklearn_metrics

from kerastl.data.pipeline import Features, evaluation_dataset
from kerastl.data.reading import reading_errors
from kerastl.data.source import Source
from kerastl.settings import ImageSettings
from kerastl.training.scores import accuracy_interval, balanced_accuracy, macro_f1


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """A model's predictions for the images of a split, in the split's order.

    Attributes:
        labels: True classes, int64 (images,).
        probabilities: Softmax of the logits, float32 (images, classes).
        losses: Cross-entropy of each image, in nats, float64 (images,).
    """

    labels: np.ndarray
    probabilities: np.ndarray
    losses: np.ndarray

    @property
    def loss(self) -> float:
        """Mean cross-entropy, in nats."""
        return float(np.mean(self.losses))

    def of(self, chosen: np.ndarray) -> "Evaluation":
        """Selects some of the images, by a mask, bool (images,), or by positions."""
        return Evaluation(self.labels[chosen], self.probabilities[chosen], self.losses[chosen])

    @property
    def predicted(self) -> np.ndarray:
        """The most probable class of each image, int64 (images,)."""
        return np.asarray(np.argmax(self.probabilities, axis=1))

    @property
    def accuracy(self) -> float:
        """Share of images whose most probable class is the true one."""
        return float(np.mean(self.predicted == self.labels))

    @property
    def confusion(self) -> np.ndarray:
        """Images of each true class, a row, and predicted class, a column, int64."""
        num_classes = self.probabilities.shape[1]
        places = self.labels * num_classes + self.predicted
        return np.bincount(places, minlength=num_classes**2).reshape(num_classes, num_classes)

    def scores(self) -> dict[str, float]:
        """Computes loss, accuracy, balanced_accuracy and macro_f1."""
        confusion = self.confusion
        return {
            "loss": self.loss,
            "accuracy": self.accuracy,
            "balanced_accuracy": balanced_accuracy(confusion),
            "macro_f1": macro_f1(confusion),
        }

    def metrics(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        """Computes the entry of a split in `metrics.json`.

        `accuracy_low` to `accuracy_high` is `accuracy_interval`. Precision, recall and F1 are given
        for each class, 0 where a class was never predicted or never there. `confusion_matrix` has
        a row for each true class and a column for each predicted one.
        """
        labels = list(range(len(class_names)))
        correct = int(np.sum(self.predicted == self.labels))
        low, high = accuracy_interval(correct, len(self.labels))
        precision, recall, f1, support = sklearn_metrics.precision_recall_fscore_support(
            self.labels, self.predicted, labels=labels, zero_division=0
        )
        return {
            "num_images": len(self.labels),
            **self.scores(),
            "accuracy_low": low,
            "accuracy_high": high,
            "classes": {
                name: {
                    "precision": float(precision[label]),
                    "recall": float(recall[label]),
                    "f1": float(f1[label]),
                    "num_images": int(support[label]),
                }
                for label, name in enumerate(class_names)
            },
            "confusion_matrix": self.confusion.tolist(),
        }


def evaluate(
    classifier: Callable[[tf.Tensor], tf.Tensor], dataset: tf.data.Dataset, labels: np.ndarray
) -> Evaluation:
    """Evaluates a classifier on a split, once.

    Args:
        classifier: Model or function from images, or from features, to logits.
        dataset: The split, from `evaluation_dataset`.
        labels: True classes in the dataset's order.

    Returns:
        The evaluation. Logits that are not finite give losses that are not.

    Raises:
        KerastlError: If the content of an image has changed.
    """
    return _evaluate(_traced(classifier, dataset), iter(dataset), labels)


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
    return lambda: _evaluate(function, batches, labels)


def _traced(
    classifier: Callable[[tf.Tensor], tf.Tensor], dataset: tf.data.Dataset
) -> Callable[[tf.Tensor], tf.Tensor]:
    signature = [dataset.element_spec[0]]
    function: Callable[[tf.Tensor], tf.Tensor] = tf.function(
        classifier, input_signature=signature, autograph=False
    )
    return function


def _evaluate(
    function: Callable[[tf.Tensor], tf.Tensor],
    batches: Iterator[tuple[tf.Tensor, tf.Tensor]],
    labels: np.ndarray,
) -> Evaluation:
    parts: list[np.ndarray] = []
    count = 0
    with reading_errors():
        while count < len(labels):
            inputs, _ = next(batches)
            parts.append(function(inputs).numpy())
            count += len(parts[-1])
    logits = np.concatenate(parts)
    with np.errstate(invalid="ignore"):
        log_probabilities = scipy.special.log_softmax(logits.astype(np.float64), axis=1)
    return Evaluation(
        labels=labels,
        # TensorFlow's own softmax, as the export has it.
        probabilities=tf.nn.softmax(logits).numpy(),
        losses=-log_probabilities[np.arange(len(labels)), labels],
    )
