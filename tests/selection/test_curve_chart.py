import dataclasses

import numpy as np
import pytest

from kerastl.selection.curve import LearningCurve
from kerastl.selection.curve_chart import draw_learning_curve
from kerastl.selection.extrapolation import FoldCounts, estimate_accuracies, extrapolate
from svg_texts import collisions, read_texts


def curve_of(names):
    """A learning curve of 1,000 images, with another slope for each class."""
    images = np.array([50.0, 100, 250, 500, 1000])
    rng = np.random.default_rng(0)
    curves = []
    for place, name in enumerate(("", *names)):
        accuracies = 1 - (0.8 + 0.01 * place) * images**-0.2
        folds = np.clip(accuracies[:, None] + 0.01 * rng.normal(size=10), 0, 1)
        counts = FoldCounts(images, np.round(100 * folds), np.full(10, 100.0))
        curves.append(extrapolate(name, counts, num_images=1000, seed=0))
    (backtest,), _ = estimate_accuracies(counts, images[-1:], seed=0)
    return LearningCurve(1000, (0.05, 0.1, 0.25, 0.5, 1.0), curves[0], tuple(curves[1:]), backtest)


@pytest.mark.thorough
@pytest.mark.parametrize("count", [1, 3, 40])
def test_words_do_not_meet_and_classes_are_in_order(count):
    names = [f"n0208{n:04d}-a_class_with_a_long_name" for n in range(count)]
    curve = curve_of(names)
    title = "More images of folder:" + 20 * "a/long/path/"
    svg = draw_learning_curve(curve, title=title)
    assert not list(collisions(svg))
    words = [text.text for text in read_texts(svg)]
    twice = curve.whole.expected[0]
    assert {f"2x: {twice.low:.2f}-{twice.high:.2f}", curve.sentence()} <= set(words)
    assert ("Now, and with twice the images, first 14 of 40" in words) == (count == 40)
    shown = [text for text in read_texts(svg) if text.text.startswith("n0208")]
    # From the top, the largest gain first.
    by_gain = sorted(curve.classes, key=lambda each: -each.gain)[:14]
    assert [text.text[:9] for text in sorted(shown, key=lambda text: text.bottom)] == [
        each.class_name[:9] for each in by_gain
    ]
    assert svg == draw_learning_curve(curve, title=title)


@pytest.mark.thorough
def test_class_that_is_always_right_is_drawn():
    curve = curve_of(["$a_b$ & <c>", "\u4e2d\u6587"])
    perfect = FoldCounts(np.array([5.0, 10, 25, 50]), np.full((4, 10), 3.0), np.full(10, 3.0))
    easy = extrapolate("easy", perfect, num_images=60, seed=0)
    svg = draw_learning_curve(dataclasses.replace(curve, classes=(*curve.classes, easy)), title="")
    words = {text.text for text in read_texts(svg)}
    assert {"$a_b$ & <c>", "\u4e2d\u6587", "easy"} <= words
