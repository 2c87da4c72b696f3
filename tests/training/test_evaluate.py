import math

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

import fakes
from kerastl.training import evaluate as evaluating
from kerastl.training.evaluate import evaluate
from kerastl.training.evaluation import Evaluation
from kerastl.training.scores import accuracy_interval

NAMES = ("a", "b", "c")


def evaluation():
    probabilities = np.array(
        [[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.2, 0.5, 0.3], [0.9, 0.05, 0.05]],
        np.float32,
    )
    return Evaluation(np.array([0, 0, 1, 2, 1]), probabilities, np.full(5, 0.5))


def test_numbers_by_hand():
    metrics = evaluation().metrics(NAMES)
    assert metrics["num_images"] == 5
    assert metrics["accuracy"] == pytest.approx(3 / 5)
    assert metrics["confusion_matrix"] == [[2, 0, 0], [1, 1, 0], [0, 1, 0]]
    low, third = 2 / (2 + 1.959964**2), accuracy_interval(2, 3)
    assert metrics["classes"]["a"] == pytest.approx(
        {"precision": 2 / 3, "recall": 1.0, "f1": 0.8, "num_images": 2}
        | {"recall_low": low, "recall_high": 1.0, "precision_low": third[0]}
        | {"precision_high": third[1]}
        # Of the three images that are of class a or named so, two are right.
        | {f"f1_{end}": 2 * p / (1 + p) for end, p in zip(("low", "high"), third, strict=True)},
    )
    assert metrics["balanced_accuracy"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert metrics["macro_f1"] == pytest.approx((0.8 + 0.5 + 0) / 3)


def test_class_without_images_that_is_never_predicted_counts_in_no_mean():
    metrics = evaluation().metrics((*NAMES, "d"))
    assert metrics["balanced_accuracy"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert metrics["macro_f1"] == pytest.approx((0.8 + 0.5 + 0) / 3)


def test_class_that_is_never_predicted_has_zeros():
    scores = evaluation().metrics(NAMES)["classes"]["c"]
    assert scores["num_images"] == 1
    assert scores["precision"] == scores["recall"] == scores["f1"] == scores["recall_low"] == 0.0


def test_class_without_images_counts_in_no_average_of_recalls():
    probabilities = np.eye(3, dtype=np.float32)[:2]
    metrics = Evaluation(np.array([0, 1]), probabilities, np.zeros(2)).metrics(NAMES)
    assert metrics["balanced_accuracy"] == 1.0


def test_trace_of_the_confusion_matrix_is_the_accuracy():
    metrics = evaluation().metrics(NAMES)
    assert np.trace(metrics["confusion_matrix"]) / 5 == metrics["accuracy"]


@pytest.mark.parametrize(("correct", "count"), [(3, 5), (0, 7), (7, 7), (1663, 2000)])
def test_interval_is_wilsons(correct, count):
    labels = np.zeros(count, np.int64)
    probabilities = np.zeros((count, 2), np.float32)
    probabilities[:correct, 0] = 1
    probabilities[correct:, 1] = 1
    metrics = Evaluation(labels, probabilities, np.zeros(len(labels))).metrics(("a", "b"))
    z, share = 1.959963984540054, correct / count
    center = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    assert metrics["accuracy_low"] == pytest.approx(center - half, abs=1e-9)
    assert metrics["accuracy_high"] == pytest.approx(center + half, abs=1e-9)


def evaluated(logits, labels, batch_size=2):
    """Evaluates a model that gives its inputs back, batch by batch."""
    inputs = keras.Input(logits.shape[1:])
    model = keras.Model(inputs, keras.layers.Identity()(inputs))
    dataset = tf.data.Dataset.from_tensor_slices((logits, labels)).batch(batch_size)
    return evaluate(model, dataset, labels)


def test_loss_and_probabilities_by_hand():
    logits = np.log(np.array([[1, 2, 1], [3, 1, 4], [1, 1, 2]], np.float32))
    labels = np.array([1, 0, 0])
    found = evaluated(logits, labels)
    assert found.loss == pytest.approx(-(math.log(2 / 4) + math.log(3 / 8) + math.log(1 / 4)) / 3)
    np.testing.assert_allclose(
        found.probabilities, [[0.25, 0.5, 0.25], [0.375, 0.125, 0.5], [0.25, 0.25, 0.5]], rtol=1e-6
    )
    assert found.predicted.tolist() == [1, 2, 2]
    assert found.accuracy == pytest.approx(1 / 3)


def test_every_image_counts_once_and_in_order_whatever_the_batch():
    logits = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    labels = np.arange(7) % 4
    one_batch, small_batches = evaluated(logits, labels, 7), evaluated(logits, labels, 3)
    np.testing.assert_array_equal(small_batches.probabilities, one_batch.probabilities)
    assert small_batches.loss == one_batch.loss
    assert small_batches.metrics(("a", "b", "c", "d"))["num_images"] == 7
    np.testing.assert_array_equal(small_batches.predicted, logits.argmax(1))


def test_loss_of_a_sure_and_wrong_answer_is_finite():
    found = evaluated(np.array([[1000.0, 0.0], [0.0, 1000.0]], np.float32), np.array([1, 1]))
    assert found.loss == pytest.approx(500.0)


def test_logits_of_views_are_computed_once_unless_they_are_too_many(monkeypatch):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(10, 2, 3)).astype(np.float32)
    labels, calls = np.arange(10) % 3, []

    def count(batch):
        calls.append(len(batch))
        return batch

    def views(batch):
        return tf.ensure_shape(tf.numpy_function(count, [batch], tf.float32), batch.shape)

    for most, passes in ((1000, 1), (10, 4)):
        calls.clear()
        monkeypatch.setattr(evaluating, "MOST_KEPT", most)
        dataset = tf.data.Dataset.from_tensor_slices((values, labels)).batch(4)
        logits = evaluating.ViewLogits(views, dataset, 10)
        alone = logits.evaluate(labels, sees_mirrored=False, temperature=2.0)
        both = logits.evaluate(labels, sees_mirrored=True)
        np.testing.assert_allclose(
            alone.probabilities, scipy.special.softmax(values[:, 0] / 2, axis=1), rtol=1e-6
        )
        mean = scipy.special.softmax(values, axis=2).mean(axis=1)
        np.testing.assert_allclose(both.probabilities, mean, rtol=1e-5)
        np.testing.assert_array_equal(logits.take(np.array([0, 3, 4, 9])), values[[0, 3, 4, 9]])
        assert [len(part) for part in logits] == [10]
        assert calls == [4, 4, 2] * passes


@pytest.mark.parametrize(
    ("won", "lost", "is_clear"),
    [
        *((0, 0, False), (1, 0, False), (2, 0, True), (2, 1, False), (3, 1, False), (4, 1, True)),
        *((30, 22, True), (30, 23, False), (0, 4, False)),
    ],
)
@pytest.mark.parametrize("both_right", [0, 40])
def test_few_more_right_images_are_no_clear_difference(won, lost, is_clear, both_right):
    labels = np.zeros(both_right + won + lost + 1, int)
    right, other = (np.ones(len(labels), int) for _ in range(2))
    right[: both_right + won] = 0
    other[:both_right] = other[both_right + won : both_right + won + lost] = 0
    one, another = (fakes.answers(labels, predicted) for predicted in (right, other))
    assert one.is_clearly_better(another) == is_clear
