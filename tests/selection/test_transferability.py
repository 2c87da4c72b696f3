import numpy as np
import pytest
from scipy import optimize, stats
from sklearn.covariance import ledoit_wolf

from kerastl.selection.transferability import h_score, logme


def features_of(images, channels, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(3), rng.integers(0, 3, images - 3)])
    centers = rng.normal(size=(3, channels))
    features = centers[labels] + 2 * rng.normal(size=(images, channels))
    return features.astype(np.float32), labels


@pytest.mark.parametrize(("images", "channels"), [(60, 8), (20, 30)])
def test_h_score_is_its_formula(images, channels):
    features, labels = features_of(images, channels)
    covariance, shrinkage = ledoit_wolf(features.astype(np.float64))
    means = np.stack([features[labels == label].mean(0) for label in range(3)])[labels]
    between = np.cov(means.astype(np.float64), rowvar=False)
    expected = (1 - shrinkage) * np.trace(np.linalg.inv(covariance) @ between)
    assert h_score(features, labels) == pytest.approx(expected, rel=1e-4)


def most_evidence(features, target):
    """Searches for the two precisions under which the target is likeliest."""
    values = features.astype(np.float64)

    def negative(logs):
        covariance = np.eye(len(target)) / np.exp(logs[1]) + values @ values.T / np.exp(logs[0])
        density = stats.multivariate_normal(np.zeros(len(target)), covariance)
        return -density.logpdf(target.astype(float)) / len(target)

    found = optimize.minimize(negative, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-6})
    return -found.fun


@pytest.mark.parametrize(("images", "channels"), [(40, 6), (20, 30)])
def test_logme_is_the_largest_evidence_of_a_linear_model(images, channels):
    features, labels = features_of(images, channels)
    expected = np.mean([most_evidence(features, labels == label) for label in range(3)])
    assert logme(features, labels) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("scale", [1e-9, 1e9])
@pytest.mark.parametrize("score", [h_score, logme])
def test_scale_of_the_features_does_not_matter(score, scale):
    features, labels = features_of(200, 10)
    scaled = features * np.float32(scale)
    assert score(scaled, labels) == pytest.approx(score(features, labels), rel=1e-4, abs=1e-5)


def test_better_features_score_more():
    features, labels = features_of(200, 10)
    noise = np.random.default_rng(1).normal(size=features.shape).astype(np.float32)
    for score in (h_score, logme):
        assert score(features, labels) > score(noise, labels) + 0.05


@pytest.mark.parametrize("score", [h_score, logme])
def test_features_that_never_vary_are_no_error(score):
    features, labels = features_of(60, 8)
    features[:, 3] = 0
    assert np.isfinite(score(features, labels))
    assert np.isfinite(score(np.zeros_like(features), labels))
