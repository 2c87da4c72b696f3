"""Draws a learning curve with what is expected beyond it, and what each class would gain."""

import numpy as np

from kerastl.selection.drawing import BAND, BLUE, GREY, INK, PALE, Axis, Drawing, shorten
from kerastl.selection.extrapolation import MULTIPLES, Curve, Expected
from kerastl.selection.learning_curve import LearningCurve

_WIDTH, _HEIGHT = 960, 580
_TOP, _BOTTOM = 116, 510
_LEFT, _RIGHT = 76, 560
_CLASSES_LEFT, _CLASSES_RIGHT = 730, 930
_MOST_CLASSES = 14
_POINTS = 60


def draw_learning_curve(curve: LearningCurve, *, title: str) -> str:
    """Draws it.

    Returns:
        The content of an SVG file.
    """
    drawing = Drawing(_WIDTH, _HEIGHT, title=f"{title}. {curve.sentence()}")
    left, width = _LEFT - 10, _CLASSES_RIGHT - _LEFT + 10
    drawing.heading(left, title, width=width)
    drawing.text(left, 56, shorten(curve.sentence(), width), fill=GREY)
    about = "Dots: a linear probe on held-out training images; band: 95 % of the curves."
    drawing.text(left, 74, about, fill=GREY)
    _draw_whole(drawing, curve)
    _draw_classes(drawing, curve)
    return drawing.to_text()


def _draw_whole(drawing: Drawing, curve: LearningCurve) -> None:
    whole = curve.whole
    last = curve.num_images * MULTIPLES[-1]
    values = [value for point in (*whole.measured, *whole.expected) for value in _ends(point)]
    margin = 0.08 * (max(values) - min(values)) + 0.01
    across = Axis(whole.images[0] / 1.25, last * 1.25, _LEFT, _RIGHT, is_log=True)
    up = Axis(max(0, min(values) - margin), min(1, max(values) + margin), _BOTTOM, _TOP)
    drawing.axes(across, up, titles=("training images", "accuracy"))
    beyond = [(curve.num_images, whole.now), *zip(_multiples(curve), whole.expected, strict=True)]
    drawing.area(
        [
            *((across.place(images), up.place(point.high)) for images, point in beyond),
            *((across.place(images), up.place(point.low)) for images, point in beyond[::-1]),
        ],
        fill=BAND,
    )
    for low, high, style in (
        (whole.images[0], curve.num_images, {}),
        (curve.num_images, last, {"stroke_dasharray": "6 4"}),
    ):
        sizes = np.geomspace(low, high, _POINTS)
        accuracies = whole.law.accuracy(sizes)[0]
        points = [(across.place(n), up.place(y)) for n, y in zip(sizes, accuracies, strict=True)]
        drawing.line(points, stroke=BLUE, stroke_width=2.2, **style)
    for images, point in zip(whole.images, whole.measured, strict=True):
        x = across.place(images)
        drawing.line([(x, up.place(end)) for end in _ends(point)], stroke=INK, stroke_width=1.5)
        drawing.dot(x, up.place(point.value), 4.5, fill=INK, stroke="#ffffff", stroke_width=1.5)
    for times, (images, point) in zip(MULTIPLES, beyond[1:], strict=True):
        x, y = across.place(images), up.place(point.value)
        drawing.dot(x, y, 4.5, fill="#ffffff", stroke=BLUE, stroke_width=2)
        drawing.text(
            x,
            up.place(point.high) - 8,
            f"{times}x: {point.low:.2f}-{point.high:.2f}",
            fill=BLUE,
            font_weight="bold",
            text_anchor="middle",
        )


def _draw_classes(drawing: Drawing, curve: LearningCurve) -> None:
    """Draws each class from where it is to where twice the images would bring it."""
    shown = sorted(curve.classes, key=lambda each: -each.gain)[:_MOST_CLASSES]
    lows = [min(each.now.value, each.expected[0].low) for each in shown]
    highs = [each.expected[0].high for each in shown]
    across = Axis(
        max(0, min(lows) - 0.03), min(1, max(highs) + 0.03), _CLASSES_LEFT, _CLASSES_RIGHT
    )
    hidden = len(curve.classes) - len(shown)
    more = f", first {len(shown)} of {len(curve.classes)}" if hidden else ""
    drawing.text(
        _CLASSES_RIGHT,
        _TOP - 16,
        f"now, and with twice the images{more}",
        fill=GREY,
        text_anchor="end",
    )
    for value in across.ticks()[::2]:
        x = across.place(value)
        drawing.line([(x, _TOP), (x, _BOTTOM)], stroke=PALE)
        drawing.text(x, _BOTTOM + 21, f"{value:.10g}", fill=GREY, text_anchor="middle")
    drawing.text(
        _CLASSES_RIGHT, _BOTTOM + 42, "accuracy in the class", fill=GREY, text_anchor="end"
    )
    step = (_BOTTOM - _TOP) / max(len(shown), 6)
    for place, each in enumerate(shown):
        _draw_class(drawing, each, across, _TOP + (place + 0.5) * step)


def _draw_class(drawing: Drawing, curve: Curve, across: Axis, y: float) -> None:
    twice = curve.expected[0]
    ends = [(across.place(end), y) for end in _ends(twice)]
    drawing.line(ends, stroke=BAND, stroke_width=9, stroke_linecap="round")
    drawing.line([(across.place(curve.now.value), y), (across.place(twice.value), y)], stroke=BLUE)
    drawing.dot(across.place(curve.now.value), y, 4, fill=INK)
    drawing.dot(across.place(twice.value), y, 4, fill="#ffffff", stroke=BLUE, stroke_width=2)
    name = shorten(curve.class_name, _CLASSES_LEFT - _RIGHT - 40)
    drawing.text(_CLASSES_LEFT - 14, y + 4, name, text_anchor="end")


def _ends(point: Expected) -> tuple[float, float]:
    return point.low, point.high


def _multiples(curve: LearningCurve) -> list[float]:
    return [times * curve.num_images for times in MULTIPLES]
