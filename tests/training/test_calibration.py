import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import brier_score_loss

from kerastl.training.calibration import CALIBRATION, measure_calibration
from kerastl.training.evaluation import Evaluation
from kerastl.training.scores import accuracy_interval, wilson_intervals


def made_up(num_classes, count=400, seed=0):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(num_classes) / 2, count).astype(np.float32)
    labels = np.array([rng.choice(num_classes, p=row / row.sum()) for row in probabilities])
    return Evaluation(labels, probabilities, np.zeros(count))


def test_scores_are_those_of_the_definitions():
    evaluation = made_up(4)
    calibration = evaluation.calibration()
    sure, right = evaluation.probabilities.max(axis=1), evaluation.predicted == evaluation.labels
    error = 0.0
    for low in np.arange(10) / 10:
        own = (sure > low) & (sure <= low + 0.1)
        error += own.mean() * abs(sure[own].mean() - right[own].mean()) if own.any() else 0
    assert calibration.expected_error == pytest.approx(error, abs=1e-6)
    hot = np.eye(evaluation.probabilities.shape[1])[evaluation.labels]
    expected = sum(map(brier_score_loss, hot.T, evaluation.probabilities.T))
    assert calibration.brier_score == pytest.approx(expected, abs=1e-6)
    metrics = evaluation.metrics(tuple("abcd"))
    assert metrics["calibration_error"] == calibration.expected_error
    assert metrics["brier_score"] == calibration.brier_score


def test_rows_have_every_image_once_and_edges_belong_below():
    rows = measure_calibration(np.array([0.3, 0.30001, 1.0]), np.array([True, False, True]), None)
    first, second, third, whole = (dict(zip(CALIBRATION, row, strict=True)) for row in rows.rows)
    assert (first["confidence_to"], second["confidence_to"], third["confidence_to"]) == (
        0.3,
        0.4,
        1,
    )
    assert [row["num_images"] for row in (first, second, third, whole)] == [1, 1, 1, 3]
    assert rows.brier_score is None
    assert whole["accuracy"] == pytest.approx(2 / 3)


def test_an_evaluation_of_many_classes_has_no_brier_score():
    evaluation = Evaluation(
        np.array([5, 7]),
        np.array([[0.9, 0.1], [0.6, 0.4]], np.float32),
        np.zeros(2),
        np.array([[5, 1], [3, 7]], np.int32),
    )
    metrics = evaluation.metrics(tuple(map(str, range(10))))
    assert "brier_score" not in metrics
    assert metrics["calibration_error"] == pytest.approx((0.1 + 0.6) / 2)


def test_intervals_are_those_of_scipy():
    pairs = [(0, 1), (1, 1), (3, 7), (0, 50), (50, 50), (997, 1000)]
    low, high = wilson_intervals(*np.transpose(pairs))
    intervals = (stats.binomtest(*pair).proportion_ci(method="wilson") for pair in pairs)
    assert list(zip(low, high, strict=True)) == [(each.low, each.high) for each in intervals]
    assert accuracy_interval(3, 7) == (low[2], high[2])
    assert [each[0] for each in wilson_intervals(np.array([0]), np.array([0]))] == [0, 1]
