import dataclasses

import numpy as np
import pytest

import fakes
import kerastl
from kerastl.data.splits import Splits
from kerastl.selection.curve import fit_learning_curve

NAMES = ("apple", "plum", "pear")


def splits_of(labels):
    """All images in training; what they show plays no part here."""
    source = fakes.color_source(per_class=1)
    count = len(labels)
    source = dataclasses.replace(
        source,
        class_names=NAMES,
        labels=labels,
        examples=[str(number) for number in range(count)],
        given_splits=np.full(count, "train"),
        hashes=np.arange(count * 16, dtype=np.uint8).reshape(count, 16),
        groups=np.arange(count),
    )
    none = np.zeros(0, np.int64)
    return Splits(source, train=np.arange(count), validation=none, test=none, unused=none)


def clouds(count, seed=0):
    """Features of three classes in 40 channels: apples lie apart, plums and pears do not."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % 3)
    centers = np.zeros((3, 40))
    centers[0, :10] = 1.5
    centers[2, 10:20] = 0.55
    return (centers[labels] + rng.normal(size=(count, 40))).astype(np.float32), labels


def curve_of(count, seed=0):
    features, labels = clouds(count, seed)
    return fit_learning_curve(features, splits_of(labels), seed=0, progress=kerastl.Progress())


@pytest.fixture(scope="module")
def half():
    return curve_of(400)


@pytest.mark.thorough
@pytest.mark.parametrize("times", [2, 4])
def test_interval_holds_what_comes_of_more_images(half, times):
    came = curve_of(400 * times).whole.now.value
    expected = half.whole.expected[{2: 0, 4: 1}[times]]
    assert expected.low <= came <= expected.high
    # It says something all the same.
    assert expected.high - expected.low < 0.2


@pytest.mark.thorough
def test_larger_half_is_hidden_and_then_compared(half):
    assert half.fractions == (0.05, 0.1, 0.25, 0.5, 1.0)
    came = half.whole.measured[-1].value
    assert half.backtest.low <= came <= half.backtest.high
    # It knows less than what saw all sizes.
    now = half.whole.now
    assert half.backtest.high - half.backtest.low > 1.1 * (now.high - now.low)
    assert f"with all, {came:.3f}, within the interval" in half.check()
    missed = dataclasses.replace(half, backtest=dataclasses.replace(half.backtest, low=came + 0.01))
    assert f"with all, {came:.3f}, outside the interval" in missed.check()


@pytest.mark.thorough
def test_classes_that_lie_together_gain_most(half):
    apple, plum, pear = half.classes
    assert apple.now.value > max(plum.now.value, pear.now.value) + 0.05
    assert {curve.class_name for curve in half.most_to_gain()[:2]} == {"plum", "pear"}
    sentence = half.sentence()
    twice = half.whole.expected[0]
    assert sentence.startswith(f"Twice the images: about {twice.low:.2f} to {twice.high:.2f}; most")
    assert sentence.split(": ")[2] in ("plum, pear.", "pear, plum.")


def test_whole_is_made_of_its_classes(half):
    _, labels = clouds(400)
    counts = np.bincount(labels)
    for size in range(5):
        parts = [curve.measured[size].value for curve in half.classes]
        assert half.whole.measured[size].value == pytest.approx(np.average(parts, weights=counts))
    assert half.whole.images[-1] == pytest.approx(360)
    assert half.whole.images[0] == pytest.approx(18)


@pytest.mark.thorough
def test_same_seed_gives_the_same_curve(half):
    again = curve_of(400)
    assert again.sentence() == half.sentence()
    assert again.whole.expected == half.whole.expected


def test_too_few_images_are_refused():
    with pytest.raises(kerastl.UsageError, match=r"has 6 training images, too few for a curve\."):
        curve_of(6)
    with pytest.raises(
        kerastl.UsageError, match=r"has too few training images for cross-validation"
    ):
        curve_of(3)
