import math

import numpy as np
import pytest

from kerastl.training.evaluate import Evaluation

NAMES = ("a", "b", "c")


def evaluation():
    probabilities = np.array(
        [[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.2, 0.5, 0.3], [0.9, 0.05, 0.05]],
        np.float32,
    )
    return Evaluation(np.array([0, 0, 1, 2, 1]), probabilities, loss=0.5)


def test_numbers_by_hand():
    metrics = evaluation().metrics(NAMES)
    assert metrics["num_images"] == 5
    assert metrics["accuracy"] == pytest.approx(3 / 5)
    assert metrics["confusion_matrix"] == [[2, 0, 0], [1, 1, 0], [0, 1, 0]]
    assert metrics["classes"]["a"] == pytest.approx(
        {"precision": 2 / 3, "recall": 1.0, "f1": 0.8, "num_images": 2}
    )
    assert metrics["balanced_accuracy"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert metrics["macro_f1"] == pytest.approx((0.8 + 0.5 + 0) / 3)


def test_class_that_is_never_predicted_has_zeros():
    assert evaluation().metrics(NAMES)["classes"]["c"] == {
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "num_images": 1,
    }


def test_class_without_images_counts_in_no_average_of_recalls():
    metrics = Evaluation(np.array([0, 1]), np.eye(3, dtype=np.float32)[:2], 0.0).metrics(NAMES)
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
    metrics = Evaluation(labels, probabilities, 0.0).metrics(("a", "b"))
    z, share = 1.959963984540054, correct / count
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    assert metrics["accuracy_low"] == pytest.approx(centre - half, abs=1e-9)
    assert metrics["accuracy_high"] == pytest.approx(centre + half, abs=1e-9)
