"""Scores that an imbalance of the classes does not flatter, while training goes on."""

import numpy as np
import tensorflow as tf


class Tally:
    """What a model says of images, counted batch by batch inside a graph.

    Keras's metrics compute their result after every batch, which takes longer than a step of a
    head on stored features; here that waits until the last one.

    Attributes:
        confusion: A row for each true class and a column for each predicted one.
        loss: Sum over the images, in nats.
    """

    def __init__(self, num_classes: int) -> None:
        # Counts stay exact in float32 up to 16 million images.
        self.confusion = tf.Variable(tf.zeros([num_classes] * 2), trainable=False)
        self.loss = tf.Variable(0.0, trainable=False, dtype="float64")

    def reset(self) -> None:
        """Forgets what was counted."""
        self.confusion.assign(tf.zeros_like(self.confusion))
        self.loss.assign(0.0)

    def add(self, labels: tf.Tensor, logits: tf.Tensor, losses: tf.Tensor) -> None:
        """Counts a batch: int64 (batch,), (batch, classes) and (batch,)."""
        places = tf.stack([labels, tf.argmax(logits, axis=-1)], axis=1)
        # tf.math.confusion_matrix looks for wrong labels too, which takes long to build.
        counts = tf.scatter_nd(places, tf.ones(tf.shape(labels)), self.confusion.shape)
        self.confusion.assign_add(counts)
        self.loss.assign_add(tf.reduce_sum(tf.cast(losses, "float64")))

    def scores(self) -> dict[str, float]:
        """Gives mean loss, accuracy, balanced_accuracy and macro_f1 of what was counted."""
        confusion = self.confusion.numpy()
        count = confusion.sum()
        return {
            "loss": float(self.loss.numpy() / count),
            "accuracy": float(np.trace(confusion) / count),
            "balanced_accuracy": balanced_accuracy(confusion),
            "macro_f1": macro_f1(confusion),
        }


def balanced_accuracy(confusion: np.ndarray) -> float:
    """Gives the mean over classes of the share of their images that are recognised, in 0..1.

    Classes without images do not count,
    https://scikit-learn.org/stable/modules/model_evaluation.html#balanced-accuracy-score

    Args:
        confusion: Images of each true class, a row, and predicted class, a column.
    """
    images = confusion.sum(axis=1)
    there = images > 0
    return float(np.mean(np.diag(confusion)[there] / images[there]))


def macro_f1(confusion: np.ndarray) -> float:
    """Gives the mean of F1 over the classes that were there or predicted, in 0..1.

    https://scikit-learn.org/stable/modules/model_evaluation.html#precision-recall-f-measure-metrics

    Args:
        confusion: As for `balanced_accuracy`.
    """
    counted = confusion.sum(axis=0) + confusion.sum(axis=1)
    seen = counted > 0
    return float(np.mean(2 * np.diag(confusion)[seen] / counted[seen]))


def class_weights(counts: np.ndarray, rule: str) -> np.ndarray:
    """Weighs the loss of each class, so that the mean weight over all images is 1.

    Args:
        counts: Training images of each class, int64 (classes,), all above 0.
        rule: "balanced" weighs a class by images / (classes * images of the class), as in
            https://scikit-learn.org/stable/modules/generated/sklearn.utils.class_weight.compute_class_weight.html
            "sqrt" by the square root of that, times what makes the mean weight 1 again.

    Returns:
        float32 (classes,).
    """
    weights = counts.sum() / (len(counts) * counts)
    if rule == "sqrt":
        weights = np.sqrt(weights)
        weights = weights * counts.sum() / (weights * counts).sum()
    return np.asarray(weights, np.float32)
