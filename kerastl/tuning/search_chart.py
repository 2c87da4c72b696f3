"""Draws a search: the objective trial by trial, and every setting side by side."""

import math
from collections.abc import Sequence
from typing import Any

from kerastl.selection.drawing import BLUE, GREY, INK, LETTER, PALE, Axis, Drawing, shorten
from kerastl.tuning.evidence import Standing
from kerastl.tuning.options import SearchOptions
from kerastl.tuning.space import Choice, Range, Space
from kerastl.tuning.trials import Trial

_HEIGHT = 860
# What is left of the drawing, and right of it, for numbers.
_LEFT, _MARGIN = 76, 60
_NARROWEST = 960
# Between the axes of two settings, or their names and values would meet.
_STEP = 98
_TOP, _BOTTOM = 96, 350
_LOWER_TOP, _LOWER_BOTTOM = 500, 790
_RED, _LIGHT = "#c4314b", "#9aa5b1"
_NAME_FONT, _VALUE_FONT = 12, 11


def draw_search(
    standings: Sequence[Standing],
    failed: Sequence[Trial],
    space: Space,
    options: SearchOptions,
    *,
    title: str,
) -> str:
    """Draws the trials that have ended.

    Args:
        standings: Completed ones, the best first.
        failed: The others.
        space: What is searched.
        options: What the objective is.
        title: What the drawing is called.

    Returns:
        The content of an SVG file.
    """
    width = max(_NARROWEST, _LEFT + _MARGIN + 40 + _STEP * len(space.dimensions))
    right = width - _MARGIN
    drawing = Drawing(width, _HEIGHT, title=f"{title}: {options.objective} of each trial.")
    drawing.heading(_LEFT - 10, title, width=right - _LEFT)
    drawing.text(
        _LEFT - 10,
        56,
        "Blue: the best, and those that it does not clearly beat. Line: the best so far. "
        "Red: failed.",
        fill=GREY,
    )
    if not standings:
        drawing.text(_LEFT - 10, _TOP + 40, "No trial has completed yet.", fill=GREY)
        return drawing.to_text()
    up = _objective_axis(standings, options, _BOTTOM, _TOP)
    numbers = [standing.trial.number for standing in standings]
    numbers += [trial.number for trial in failed]
    across = Axis(-0.5, max(numbers) + 0.5, _LEFT, right)
    _draw_history(drawing, standings, failed, options, across=across, up=up)
    _draw_settings(drawing, standings, space, options, right=right)
    return drawing.to_text()


def _objective_axis(
    standings: Sequence[Standing], options: SearchOptions, start: float, end: float
) -> Axis:
    values = [standing.trial.scores[options.objective] for standing in standings]
    low, high = min(values), max(values)
    margin = max(0.08 * (high - low), 0.005)
    low, high = max(0.0, low - margin), high + margin
    if options.objective != "val_loss":
        high = min(1.0, high)
    return Axis(low, high, start, end)


def _draw_history(
    drawing: Drawing,
    standings: Sequence[Standing],
    failed: Sequence[Trial],
    options: SearchOptions,
    *,
    across: Axis,
    up: Axis,
) -> None:
    right = across.end
    for value in up.ticks():
        y = up.place(value)
        drawing.line([(_LEFT, y), (right, y)], stroke=PALE)
        drawing.text(_LEFT - 10, y + 4, f"{value:.10g}", fill=GREY, text_anchor="end")
    for value in across.ticks():
        if value == int(value):
            drawing.text(
                across.place(value), _BOTTOM + 21, f"{value:.0f}", fill=GREY, text_anchor="middle"
            )
    drawing.line([(_LEFT, _BOTTOM), (right, _BOTTOM)], stroke=GREY)
    drawing.text(right, _BOTTOM + 42, "trial (0: the flags as given)", fill=GREY, text_anchor="end")
    drawing.text(_LEFT - 10, _TOP - 16, options.objective, fill=GREY)
    _draw_best_so_far(drawing, standings, options, across, up)
    for standing in reversed(standings):
        x = across.place(standing.trial.number)
        y = up.place(standing.trial.scores[options.objective])
        drawing.dot(x, y, 5.5, fill=_colour(standing), stroke="#ffffff", stroke_width=1.5)
    for trial in failed:
        x = across.place(trial.number)
        for sign in (-1, 1):
            ends = [(x - 5, _BOTTOM - 10 - 5 * sign), (x + 5, _BOTTOM - 10 + 5 * sign)]
            drawing.line(ends, stroke=_RED, stroke_width=2)


def _draw_best_so_far(
    drawing: Drawing, standings: Sequence[Standing], options: SearchOptions, across: Axis, up: Axis
) -> None:
    points: list[tuple[float, float]] = []
    best = -math.inf
    for trial in sorted((standing.trial for standing in standings), key=lambda one: one.number):
        value = trial.scores[options.objective]
        if options.sign * value > best:
            best = options.sign * value
            x, y = across.place(trial.number), up.place(value)
            points += [(x, points[-1][1]), (x, y)] if points else [(x, y)]
    points.append((across.end, points[-1][1]))
    drawing.line(points, stroke=BLUE, opacity=0.35, stroke_width=2, stroke_dasharray="5 4")


def _draw_settings(
    drawing: Drawing,
    standings: Sequence[Standing],
    space: Space,
    options: SearchOptions,
    *,
    right: float,
) -> None:
    """Draws an axis for each setting and a line for each trial, the best on top."""
    names = [*space.dimensions, options.objective]
    step = (right - _LEFT - 40) / (len(names) - 1)
    places = [_LEFT + 20 + number * step for number in range(len(names))]
    axes = {
        name: _SettingAxis(dimension, [standing.trial.values.get(name) for standing in standings])
        for name, dimension in space.dimensions.items()
    }
    last = _objective_axis(standings, options, _LOWER_BOTTOM, _LOWER_TOP)
    for standing in reversed(standings):
        heights = [axis.place(standing.trial.values.get(name)) for name, axis in axes.items()]
        heights.append(last.place(standing.trial.scores[options.objective]))
        # A setting that does not matter to a trial leaves a gap.
        for part in _parts(list(zip(places, heights, strict=True))):
            drawing.line(
                part,
                stroke=_colour(standing),
                stroke_width=2.5 if standing.behind == 0 else 1.3,
                opacity=1 if standing.is_tie else 0.5,
            )
    for number, (name, x) in enumerate(zip(names, places, strict=True)):
        drawing.line([(x, _LOWER_TOP), (x, _LOWER_BOTTOM)], stroke=INK)
        # Names in two rows, so that neighbours do not meet.
        y = _LOWER_TOP - (44 if number % 2 else 24)
        drawing.text(
            min(x, right + _MARGIN - 8 - LETTER * _NAME_FONT * len(name) / 2),
            y,
            name,
            text_anchor="middle",
            font_size=_NAME_FONT,
        )
        ticks = (
            axes[name].labels()
            if name in axes
            else [(last.place(value), f"{value:.10g}") for value in last.ticks()]
        )
        for place, text in ticks:
            shown = shorten(text, step - 10, font=_VALUE_FONT)
            drawing.text(x + 5, place + 4, shown, fill=GREY, font_size=_VALUE_FONT)


def _parts(points: list[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    parts: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None:
            parts.append([])
        else:
            parts[-1].append((x, y))
    return [part for part in parts if len(part) > 1]


class _SettingAxis:
    """Where a setting's values are, from the bottom up."""

    def __init__(self, dimension: Choice | Range, values: Sequence[Any]) -> None:
        tried = [value for value in values if value is not None]
        if isinstance(dimension, Choice):
            # The first trial may have what the space lacks.
            self._values = list(dict.fromkeys([*dimension.values, *tried]))
            self._axis = None
        else:
            # It may be outside the range too; where it has no logarithm it is at the end.
            known = [value for value in tried if value > 0 or not dimension.is_log]
            low, high = min([dimension.low, *known]), max([dimension.high, *known])
            self._axis = Axis(low, high, _LOWER_BOTTOM, _LOWER_TOP, is_log=dimension.is_log)
            self._is_whole = dimension.is_whole

    def place(self, value: Any) -> float | None:
        if value is None:
            return None
        if self._axis is not None:
            return self._axis.place(max(value, self._axis.low))
        share = (self._values.index(value) + 0.5) / len(self._values)
        return _LOWER_BOTTOM + share * (_LOWER_TOP - _LOWER_BOTTOM)

    def labels(self) -> list[tuple[float, str]]:
        if self._axis is not None:
            ticks = self._axis.ticks()
            if self._is_whole:
                ticks = [value for value in ticks if value == int(value)]
            return [(self._axis.place(value), f"{value:.10g}") for value in ticks]
        return [
            (self.place(value) or 0.0, str(value) if value != "" else "(empty)")
            for value in self._values
        ]


def _colour(standing: Standing) -> str:
    return BLUE if standing.is_tie else _LIGHT
