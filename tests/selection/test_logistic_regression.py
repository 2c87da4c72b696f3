import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from kerastl.data.folds import make_folds
from kerastl.selection.logistic_regression import cross_validate, cross_validated_interval


def clouds(per_class=60, distance=4.0, channels=20, seed=0):
    """Features of three classes, each a cloud of its own."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), per_class)
    centers = rng.normal(size=(3, channels)) * distance / np.sqrt(channels)
    features = centers[labels] + rng.normal(size=(len(labels), channels))
    return features.astype(np.float32), labels


def probe(features, labels, groups=None, **options):
    groups = np.arange(len(labels)) if groups is None else groups
    return cross_validate(features, labels, make_folds(labels, groups, count=5, seed=0), **options)


def test_separate_classes_are_recognized_whatever_the_scale():
    features, labels = clouds()
    result = probe(features, labels)
    low, high = result.interval()
    assert 0.9 < result.accuracy <= high
    assert low <= result.accuracy
    scaled = features * np.geomspace(1e-3, 1e3, features.shape[1], dtype=np.float32) + 5
    assert probe(scaled, labels).accuracy == pytest.approx(result.accuracy, abs=0.01)


def test_labels_that_mean_nothing_are_guessed():
    features, labels = clouds(per_class=100, channels=100)
    shuffled = np.random.default_rng(0).permutation(labels)
    low, high = probe(features, shuffled).interval()
    assert low < 1 / 3 < high


def test_no_image_is_predicted_from_its_copy():
    rng = np.random.default_rng(0)
    features = np.repeat(rng.normal(size=(100, 300)), 2, axis=0).astype(np.float32)
    labels = np.repeat(rng.integers(0, 2, 100), 2)
    assert probe(features, labels).accuracy > 0.8
    assert probe(features, labels, np.arange(200) // 2).accuracy < 0.65


def test_noise_asks_for_a_stronger_penalty_than_what_lies_apart():
    noisy, labels = clouds(distance=0.8, channels=100)
    clear, _ = clouds(distance=12.0)
    assert 10 * probe(noisy, labels).strength < probe(clear, labels).strength


def test_penalty_is_that_of_the_least_loss():
    features, labels = clouds(distance=1.5, channels=60)
    labels = np.array([1, 2, 0])[labels]
    folds = make_folds(labels, np.arange(len(labels)), count=5, seed=0)
    losses = {}
    for strength in (0.1 * 10 ** (step / 2) for step in range(9)):
        probe_ = make_pipeline(StandardScaler(), LogisticRegression(C=strength / 60, max_iter=1000))
        with threadpool_limits(1):
            chances = cross_val_predict(probe_, features, labels, cv=folds, method="predict_proba")
        losses[strength] = log_loss(labels, chances)
    assert cross_validate(features, labels, folds).strength == pytest.approx(
        min(losses, key=losses.get)
    )
    assert min(losses, key=losses.get) not in (min(losses), max(losses))


def test_class_that_a_fold_has_never_met_is_wrong_and_no_error():
    features, labels = clouds()
    labels[0] = 3
    result = probe(features, labels)
    assert not result.correct[0]
    assert result.accuracy > 0.9


def test_interval_is_that_of_the_paper():
    accuracies = np.array([0.70, 0.74, 0.69, 0.75, 0.72])
    # t of 0.975 with 4 degrees of freedom, and the variance of the mean with its correction.
    half = 2.776445 * math.sqrt(np.var(accuracies, ddof=1) * (1 / 5 + 1 / 4))
    found = cross_validated_interval(1000 * accuracies, [1000] * 5)
    assert found == pytest.approx((0.72 - half, 0.72 + half), abs=1e-6)
    assert cross_validated_interval([0, 1], [1, 1]) == (0.0, 1.0)


def test_interval_lies_around_the_share_however_large_the_folds():
    low, high = cross_validated_interval([20, *[5] * 9], [40, *[5] * 9])
    assert 0 < low < 65 / 85 < high


def test_interval_of_what_is_always_right_has_a_width():
    low, high = cross_validated_interval([6] * 5, [6] * 5)
    assert 0.9 < low < 0.97
    assert high == 1.0
    assert cross_validated_interval([600] * 5, [600] * 5)[0] > 0.998


def test_fold_whose_probe_meets_one_class_alone_is_no_error():
    features, labels = clouds(per_class=20)
    first, second = np.arange(20), np.arange(20, 60)
    found = cross_validate(features, labels, [(first, second), (second, first)])
    assert found.accuracy == 0


def test_steps_are_reported():
    features, labels = clouds()
    steps = []
    probe(features, labels, on_step=steps.append)
    assert steps[:2] == ["penalty 1, fold 1/5", "penalty 1, fold 2/5"]
