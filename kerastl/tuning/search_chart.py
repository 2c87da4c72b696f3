"""Draws a search: the objective trial by trial, and every setting side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from kerastl import charts
from kerastl.charts import BLUE, INK, LIGHT, RED
from kerastl.tuning.search_options import SearchOptions
from kerastl.tuning.significance import RankedTrial
from kerastl.tuning.space import Choice, Range, Space
from kerastl.tuning.trials import Trial

_HEIGHT, _NARROWEST = 860, 960
# Between the axes of two settings, or their names and values would meet.
_STEP = 100
# Margins left of the first axis, and right of the last for its numbers.
_LEFT, _RIGHT = 86, 80


@charts.style()
def draw_search(
    ranking: Sequence[RankedTrial],
    failed: Sequence[Trial],
    space: Space,
    options: SearchOptions,
    *,
    title: str,
) -> str:
    """Draws the trials that have ended, as the content of an SVG file."""
    shows_epochs = _any_short(ranking)
    width = max(_NARROWEST, _LEFT + _RIGHT + _STEP * (len(space.dimensions) + shows_epochs))
    notes = "No trial has completed yet."
    if ranking:
        notes = "Blue: the best, and those not clearly worse. Line: the best so far. Red: failed."
    if shows_epochs:
        notes += " Hollow: fewer epochs than requested."
    figure = charts.new_figure(width, _HEIGHT, title=title, notes=notes)
    if ranking:
        history = charts.add_axes(figure, left=66, right=60, bottom=510, top=96)
        _draw_history(history, ranking, failed, options)
        settings = charts.add_axes(figure, left=_LEFT, right=_RIGHT, bottom=40, top=500)
        _draw_settings(settings, ranking, space, options)
    return charts.to_svg(figure, title=f"{title}: {options.objective} of each trial.")


def _draw_history(
    axes: Axes, ranking: Sequence[RankedTrial], failed: Sequence[Trial], options: SearchOptions
) -> None:
    trials = sorted((ranked.trial for ranked in ranking), key=lambda trial: trial.number)
    numbers = [trial.number for trial in trials]
    scores = np.array([trial.scores[options.objective] for trial in trials])
    last = max([*numbers, *(trial.number for trial in failed)])
    axes.set_xlim(-0.5, last + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    axes.grid(visible=False, axis="x")
    charts.scale(axes, "y", *_limits(ranking, options))
    axes.set_xlabel("trial (0: your flags)", loc="right")
    axes.set_title(options.objective)
    best = options.sign * np.maximum.accumulate(options.sign * scores)
    line: dict[str, Any] = {"alpha": 0.35, "linewidth": 2, "linestyle": "--"}
    axes.step([*numbers, last + 0.5], [*best, best[-1]], BLUE, where="post", **line)
    axes.scatter(
        [ranked.trial.number for ranked in ranking[::-1]],
        [ranked.trial.scores[options.objective] for ranked in ranking[::-1]],
        s=120,
        facecolors=[_fill(ranked) for ranked in ranking[::-1]],
        edgecolors=[_edge(ranked) for ranked in ranking[::-1]],
        linewidths=1.5,
        zorder=3,
        clip_on=False,
    )
    for trial in failed:
        axes.plot(
            trial.number, 0.05, "x", color=RED, markersize=10, transform=axes.get_xaxis_transform()
        )


def _draw_settings(
    host: Axes, ranking: Sequence[RankedTrial], space: Space, options: SearchOptions
) -> None:
    """Draws an axis for each setting and a line for each trial, the best on top."""
    shows_epochs = _any_short(ranking)
    host.set(xlim=(0, len(space.dimensions) + shows_epochs), ylim=(0, 1))
    host.set_axis_off()
    columns = []
    for place, (name, dimension) in enumerate(space.dimensions.items()):
        axes = _add_axis(host, name, place)
        values = [ranked.trial.values.get(name) for ranked in ranking[::-1]]
        columns.append(_heights(axes, _set_values(axes, dimension, values)))
    if shows_epochs:
        axes = _add_axis(host, "epochs", len(columns))
        epochs = [ranked.trial.epochs for ranked in ranking[::-1]]
        all_epochs = Range(0, max(epochs), is_whole=True)
        columns.append(_heights(axes, _set_values(axes, all_epochs, epochs)))
    axes = _add_axis(host, options.objective, len(columns))
    charts.scale(axes, "y", *_limits(ranking, options))
    scores = [ranked.trial.scores[options.objective] for ranked in ranking[::-1]]
    columns.append(_heights(axes, scores))
    for ranked, heights in zip(ranking[::-1], np.transpose(columns), strict=True):
        # A setting that does not matter to a trial is NaN, which leaves a gap.
        host.plot(
            heights,
            color=_color(ranked),
            linewidth=2.5 if ranked.behind == 0 else 1.3,
            alpha=1 if ranked.is_tie else 0.5,
            clip_on=False,
        )


def _add_axis(host: Axes, name: str, place: int) -> Axes:
    """Adds a vertical axis at a place of the host's horizontal one."""
    axes = host.twinx()
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.spines["right"].set(position=("data", place), visible=True, color=INK)
    # Names in two rows, so that neighbors do not meet.
    height = 1.15 if place % 2 else 1.07
    axes.text(place, height, name, ha="center", transform=host.get_xaxis_transform())
    return axes


def _set_values(axes: Axes, dimension: Choice | Range, values: Sequence[Any]) -> list[float]:
    """Fits an axis to a setting and its values; returns the numbers to draw, NaN for none."""
    tried = [value for value in values if value is not None]
    if isinstance(dimension, Choice):
        # The baseline flags may have a value that the space lacks.
        known = list(dict.fromkeys([*dimension.values, *tried]))
        labels = [str(value) if value != "" else "(empty)" for value in known]
        axes.set_ylim(-0.5, len(known) - 0.5)
        axes.set_yticks(range(len(known)), [charts.shorten(label, _STEP - 24) for label in labels])
        return [np.nan if value is None else known.index(value) for value in values]
    # It may be outside the range too; where it has no logarithm it is drawn at the end.
    inside = [value for value in tried if value > 0 or not dimension.is_log]
    low, high = min([dimension.low, *inside]), max([dimension.high, *inside])
    charts.scale(axes, "y", low, high, is_log=dimension.is_log)
    if dimension.is_whole:
        axes.yaxis.set_major_locator(MaxNLocator(8, integer=True))
    return [np.nan if value is None else max(value, low) for value in values]


def _heights(axes: Axes, values: Sequence[float]) -> np.ndarray:
    """Finishes an axis; returns where its values are, as shares of its height."""
    points = np.column_stack([np.zeros(len(values)), values])
    to_shares = axes.transData - axes.transAxes
    heights: np.ndarray = to_shares.transform(points)[:, 1]
    for label in axes.get_yticklabels():
        label.set_bbox(charts.BACKDROP)
    return heights


def _limits(ranking: Sequence[RankedTrial], options: SearchOptions) -> tuple[float, float]:
    values = [ranked.trial.scores[options.objective] for ranked in ranking]
    margin = max(0.08 * (max(values) - min(values)), 0.005)
    high = max(values) + margin
    return max(0.0, min(values) - margin), high if options.objective == "val_loss" else min(1, high)


def _any_short(ranking: Sequence[RankedTrial]) -> bool:
    return any(ranked.trial.is_short for ranked in ranking)


def _color(ranked: RankedTrial) -> str:
    return BLUE if ranked.is_tie else LIGHT


def _fill(ranked: RankedTrial) -> str:
    return "white" if ranked.trial.is_short else _color(ranked)


def _edge(ranked: RankedTrial) -> str:
    return _color(ranked) if ranked.trial.is_short else "white"
