"""Scores that an imbalance of the classes does not flatter, while training goes on."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf


class BalancedAccuracy(keras.metrics.Metric):
    """The mean over classes of the share of their images that are recognised.

    Classes without images do not count,
    https://scikit-learn.org/stable/modules/model_evaluation.html#balanced-accuracy-score

    Attributes:
        confusion: A row for each true class and a column for each predicted one.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(name="balanced_accuracy", dtype="float32")
        self._num_classes = num_classes
        # Counts stay exact in float32 up to 16 million images.
        self.confusion = self.add_variable([num_classes] * 2, "zeros", name="confusion")

    def update_state(self, labels: Any, logits: Any, sample_weight: Any = None) -> None:
        """Counts a batch; weights are for the loss alone."""
        labels = tf.cast(tf.reshape(labels, [-1]), tf.int64)
        places = tf.stack([labels, tf.argmax(logits, axis=-1)], axis=1)
        # tf.math.confusion_matrix looks for wrong labels too, which takes long to build.
        counts = tf.scatter_nd(places, tf.ones(tf.shape(labels)), [self._num_classes] * 2)
        self.confusion.assign_add(counts)

    def result(self) -> tf.Tensor:
        """Computes the score of what was counted, in 0..1."""
        images = tf.reduce_sum(self.confusion.value, axis=1)
        recalls = tf.math.divide_no_nan(tf.linalg.diag_part(self.confusion.value), images)
        return tf.math.divide_no_nan(
            tf.reduce_sum(recalls), tf.reduce_sum(tf.cast(images > 0, "float32"))
        )


class MacroF1(keras.metrics.Metric):
    """The mean of F1 over the classes that were there or predicted.

    https://scikit-learn.org/stable/modules/model_evaluation.html#precision-recall-f-measure-metrics
    """

    def __init__(self, counted: BalancedAccuracy) -> None:
        """Takes what another metric of the same model counts."""
        super().__init__(name="macro_f1", dtype="float32")
        self._counted = counted

    def update_state(self, labels: Any, logits: Any, sample_weight: Any = None) -> None:
        """Leaves the counting to the other metric."""

    def result(self) -> tf.Tensor:
        """Computes the score of what was counted, in 0..1."""
        confusion = self._counted.confusion.value
        sums = tf.reduce_sum(confusion, axis=0) + tf.reduce_sum(confusion, axis=1)
        scores = tf.math.divide_no_nan(2 * tf.linalg.diag_part(confusion), sums)
        return tf.math.divide_no_nan(
            tf.reduce_sum(scores), tf.reduce_sum(tf.cast(sums > 0, "float32"))
        )


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
