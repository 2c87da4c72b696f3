"""Draws a ranking: accuracy against milliseconds, with intervals as bars."""

import math
from collections.abc import Sequence

from kerastl.selection.drawing import BLUE, FONT, GREY, INK, LETTER, Axis, Drawing, shorten
from kerastl.selection.rows import FOLDS, Row, in_order, names, unbeaten

_WIDTH, _HEIGHT = 960, 560
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 884, 96, 490
_WIDEST_NAME = 300
# From a dot down to the baseline of its name; in the first of them nobody takes it for another's.
_SHIFTS = (4, -9, 17, -22, 30, -35, 43, -48, 56)
_NEAR = 5
# Pixels of other marks that a name may lie over; only those that none beats may over more.
_MOST_OVERLAP = 60.0
_LEAST_SPAN = 0.05

_Box = tuple[float, float, float, float]


def draw_ranking(rows: Sequence[Row], *, title: str) -> str:
    """Draws the rows that have an accuracy.

    Returns:
        The content of an SVG file.
    """
    rows = [row for row in in_order(rows) if not row.reason]
    drawing = Drawing(_WIDTH, _HEIGHT, title=f"{title}: accuracy against milliseconds an image.")
    drawing.heading(_LEFT - 10, title, width=_WIDTH - _LEFT)
    across, up = _axes(rows)
    drawing.axes(
        across,
        up,
        titles=("milliseconds for an image by itself, network alone", "accuracy of a linear probe"),
    )
    marks = dict(zip(map(id, rows), unbeaten(rows), strict=True))
    front = sorted((row for row in rows if marks[id(row)]), key=lambda row: row.milliseconds)
    _draw_front(drawing, front, across, up)
    taken: list[_Box] = []
    # Those that none beats first, for they are named whatever the room.
    named = sorted(zip(rows, names(rows), strict=True), key=lambda item: not marks[id(item[0])])
    for row, name in named[::-1]:
        x, y = across.place(row.milliseconds), up.place(row.accuracy)
        colour = BLUE if marks[id(row)] else "#9aa5b1"
        ends = [up.place(row.low), up.place(row.high)]
        drawing.line([(x, end) for end in ends], stroke=colour, stroke_width=1.6)
        for end in ends:
            drawing.line([(x - 4, end), (x + 4, end)], stroke=colour, stroke_width=1.6)
        about = f"{name} {row.config.image_size}: {row.accuracy:.4f}, {row.milliseconds:.3g} ms"
        drawing.dot(x, y, 5.5, about=about, fill=colour, stroke="#ffffff", stroke_width=1.5)
        taken += [(x - 7, y - 7, x + 7, y + 7), (x - 4, ends[1], x + 4, ends[0])]
    nameless = 0
    for row, name in named:
        point = across.place(row.milliseconds), up.place(row.accuracy)
        text = f"{shorten(name, _WIDEST_NAME)} {row.config.image_size}"
        nameless += not _draw_name(drawing, text, point, taken, is_bold=marks[id(row)])
    rest = f" {nameless} have no room for a name." if nameless else ""
    drawing.text(
        _LEFT - 10,
        56,
        "Blue: no other is both as accurate and as fast. Bars: 95 % intervals over "
        f"{FOLDS} folds of the training images.{rest}",
        fill=GREY,
    )
    return drawing.to_text()


def _axes(rows: Sequence[Row]) -> tuple[Axis, Axis]:
    speeds = [row.milliseconds for row in rows]
    low, high = min(row.low for row in rows), max(row.high for row in rows)
    margin = max(0.06 * (high - low), (_LEAST_SPAN - (high - low)) / 2, 0.0)
    return (
        Axis(min(speeds) / 1.35, max(speeds) * 1.35, _LEFT, _RIGHT, is_log=True),
        Axis(max(0.0, low - margin), min(1.0, high + margin), _BOTTOM, _TOP),
    )


def _draw_front(drawing: Drawing, front: Sequence[Row], across: Axis, up: Axis) -> None:
    """Joins the rows that none beats by steps: what can be had within a time."""
    points: list[tuple[float, float]] = []
    for row in front:
        x, y = across.place(row.milliseconds), up.place(row.accuracy)
        points += [(x, points[-1][1]), (x, y)] if points else [(x, y)]
    points.append((across.end, points[-1][1]))
    drawing.line(points, stroke=BLUE, opacity=0.35, stroke_width=2, stroke_dasharray="5 4")


def _draw_name(
    drawing: Drawing, name: str, point: tuple[float, float], taken: list[_Box], *, is_bold: bool
) -> bool:
    """Writes a name beside its dot, where the fewest other marks are; says whether it did."""
    width = LETTER * FONT * len(name)
    x, y = point
    places = [
        (side, (x + 11 if side == "start" else x - 11, y + shift))
        for shift in (_SHIFTS if is_bold else _SHIFTS[:_NEAR])
        for side in ("start", "end")
    ]
    boxes = [
        (
            left - (width if side == "end" else 0),
            base - 11,
            left + (width if side == "start" else 0),
            base + 4,
        )
        for side, (left, base) in places
    ]
    costs = [_cost(box, taken) for box in boxes]
    best = min(range(len(boxes)), key=costs.__getitem__)
    if costs[best] > _MOST_OVERLAP and not is_bold:
        return False
    taken.append(boxes[best])
    side, point = places[best]
    drawing.text(
        *point,
        name,
        fill=INK if is_bold else GREY,
        font_weight="bold" if is_bold else "normal",
        text_anchor=side,
    )
    return True


def _cost(box: _Box, taken: Sequence[_Box]) -> float:
    """Adds up how far a box lies over others; infinite outside the drawing."""
    if box[0] < _LEFT or box[2] > _WIDTH or box[1] < _TOP - 30 or box[3] > _BOTTOM:
        return math.inf
    return sum(
        max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
        * max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
        for other in taken
    )
