import numpy as np

from kerastl.selection.extrapolation import FoldCounts, estimate_accuracies, extrapolate


def counts_of(spread, seed=0):
    rng = np.random.default_rng(seed)
    images = np.array([50.0, 100, 250, 500, 1000])
    accuracies = 1 - 1.2 * images**-0.3
    folds = accuracies[:, None] + spread * rng.normal(size=10)
    return FoldCounts(images, np.round(1e5 * folds), np.full(10, 1e5))


def test_folds_that_disagree_make_the_interval_wide():
    images = np.array([2000.0])
    (calm,), _ = estimate_accuracies(counts_of(0.002), images, seed=0)
    (wild,), _ = estimate_accuracies(counts_of(0.03), images, seed=0)
    assert wild.high - wild.low > 5 * (calm.high - calm.low)
    assert calm.low < 1 - 1.2 * 2000**-0.3 < calm.high


def test_class_that_is_always_right_stays_so():
    perfect = FoldCounts(np.array([5.0, 10, 25, 50]), np.full((4, 10), 3.0), np.full(10, 3.0))
    curve = extrapolate("easy", perfect, num_images=60, seed=0)
    assert (curve.now.value, curve.gain) == (1.0, 0.0)
    # Thirty images that are right do not say that all will be.
    for point in (curve.measured[-1], curve.now, *curve.expected):
        assert 0.9 < point.low < 0.97
        assert point.high == 1.0
