"""Draws a learning curve, its extrapolation, and what each class would gain."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from kerastl import charts
from kerastl.charts import BAND, BLUE, INK
from kerastl.selection.curve import LearningCurve
from kerastl.selection.extrapolation import MULTIPLES, Estimate

_WIDTH, _HEIGHT = 960, 580
_MOST_CLASSES = 14
_CLASS_NAME_WIDTH = 130
_POINTS = 60


@charts.style()
def draw_learning_curve(curve: LearningCurve, *, title: str) -> str:
    """Draws it.

    Returns:
        The content of an SVG file.
    """
    figure = charts.new_figure(_WIDTH, _HEIGHT, title=title, notes=curve.sentence())
    _draw_whole(charts.add_axes(figure, left=66, right=400, bottom=62, top=104), curve)
    _draw_classes(charts.add_axes(figure, left=730, right=30, bottom=62, top=104), curve)
    return charts.to_svg(figure, title=f"{title}. {curve.sentence()}")


def _draw_whole(axes: Axes, curve: LearningCurve) -> None:
    whole = curve.whole
    last = curve.num_images * MULTIPLES[-1]
    ends = [end for point in (*whole.measured, *whole.expected) for end in (point.low, point.high)]
    margin = 0.08 * (max(ends) - min(ends)) + 0.01
    charts.scale(axes, "x", whole.images[0] / 1.25, last * 1.25, is_log=True)
    charts.scale(axes, "y", max(0, min(ends) - margin), min(1, max(ends) + margin))
    axes.set_title("Dots: measured by cross-validation. Band: 95 % interval of the extrapolation.")
    axes.set_xlabel("training images", loc="right")
    axes.set_ylabel("accuracy of a linear probe", loc="top")
    beyond = curve.num_images * np.array([1, *MULTIPLES])
    points = (whole.now, *whole.expected)
    axes.fill_between(
        beyond, [point.low for point in points], [point.high for point in points], color=BAND
    )
    for low, high, line in (
        (whole.images[0], curve.num_images, "-"),
        (curve.num_images, last, "--"),
    ):
        sizes = np.geomspace(low, high, _POINTS)
        axes.plot(sizes, whole.law.accuracy(sizes)[0], line, color=BLUE, linewidth=2.2)
    axes.errorbar(
        whole.images,
        [point.value for point in whole.measured],
        _bars(whole.measured),
        fmt="o",
        color=INK,
        markersize=9,
        markeredgecolor="white",
    )
    _draw_expected(axes, curve)


def _draw_expected(axes: Axes, curve: LearningCurve) -> None:
    for times, point in zip(MULTIPLES, curve.whole.expected, strict=True):
        images = times * curve.num_images
        axes.plot(images, point.value, "o", color="white", markersize=8, markeredgecolor=BLUE)
        axes.annotate(
            f"{times}x: {point.low:.2f}-{point.high:.2f}",
            # The first below the band and the second above it, so that they do not meet.
            (images, point.low if times == MULTIPLES[0] else point.high),
            xytext=(0, -6 if times == MULTIPLES[0] else 6),
            textcoords="offset points",
            ha="center",
            va="top" if times == MULTIPLES[0] else "bottom",
            color=BLUE,
            fontweight="bold",
        )


def _draw_classes(axes: Axes, curve: LearningCurve) -> None:
    """Draws the accuracy of each class now and with twice the images, the most gained on top."""
    shown = sorted(curve.classes, key=lambda each: -each.gain)[:_MOST_CLASSES]
    lows = [min(each.now.value, each.expected[0].low) for each in shown]
    highs = [max(each.now.value, each.expected[0].high) for each in shown]
    charts.scale(axes, "x", max(0, min(lows) - 0.03), min(1, max(highs) + 0.03))
    axes.locator_params(axis="x", nbins=4)
    axes.set_ylim(max(len(shown), 6) - 0.5, -0.5)
    names = [charts.shorten(each.class_name, _CLASS_NAME_WIDTH) for each in shown]
    axes.set_yticks(range(len(shown)), names, color=INK)
    axes.grid(visible=False, axis="y")
    hidden = len(curve.classes) - len(shown)
    more = f", first {len(shown)} of {len(curve.classes)}" if hidden else ""
    axes.set_title(f"Now, and with twice the images{more}", loc="right")
    axes.set_xlabel("accuracy in the class", loc="right")
    for place, each in enumerate(shown):
        twice = each.expected[0]
        axes.plot([twice.low, twice.high], [place] * 2, color=BAND, linewidth=9)
        axes.plot([each.now.value, twice.value], [place] * 2, color=BLUE, linewidth=1)
        for value, color, edge in ((each.now.value, INK, INK), (twice.value, "white", BLUE)):
            axes.plot(
                value, place, "o", color=color, markersize=8, markeredgecolor=edge, clip_on=False
            )


def _bars(points: Sequence[Estimate]) -> np.ndarray:
    ends = [(point.value - point.low, point.high - point.value) for point in points]
    bars: np.ndarray = np.maximum(0, np.transpose(ends))
    return bars
