"""The figures of the page: SVG in the colors of its style sheet, light or dark."""

import itertools
import re
from collections.abc import Sequence

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kerastl import charts
from kerastl.charts import BLUE, GRAY, INK, LIGHT, PALE, RED
from kerastl.report.contents import Row
from kerastl.split_names import VALIDATION
from kerastl.training.calibration import CALIBRATION, Calibration
from kerastl.training.coverage import COVERAGE

_WIDTH, _HEIGHT = 400, 260
_MARGINS = {"left": 44, "right": 12, "bottom": 40, "top": 26}
# Variables of page.html.
_COLORS = {
    INK: "var(--ink)",
    GRAY: "var(--quiet)",
    LIGHT: "var(--quiet)",
    PALE: "var(--line)",
    BLUE: "var(--accent)",
    RED: "var(--second)",
    "#ffffff": "none",
}
# Of a letter of a name below an axis, in points.
_LETTER_WIDTH = 7
_ID = re.compile(r'(\bid="|url\(#|href="#)')


@charts.style()
def draw_curves(history: Sequence[Row], score: str, best: int | None) -> list[tuple[str, str]]:
    """Draws the learning curves over all phases, one epoch after the other.

    Args:
        history: Rows of `history.csv`.
        score: Name of an accuracy, as in "accuracy".
        best: Number of the chosen epoch among all, from 0; None if none was.

    Returns:
        A title and an SVG for the score and the loss.
    """
    return [
        (title, _draw_curve(history, column, best))
        for title, column in (("Accuracy", score), ("Loss", "loss"))
    ]


def _draw_curve(history: Sequence[Row], column: str, best: int | None) -> str:
    figure, axes = _new(f"{column} by epoch")
    epochs = np.arange(1, len(history) + 1)
    lines = ((f"val_{column}", VALIDATION, BLUE, "-"), (column, "training", RED, "--"))
    for name, label, color, line in lines:
        # Of the scores, training has the accuracy alone.
        if name in history[0]:
            values = [float(row[name]) for row in history]
            axes.plot(epochs, values, line, color=color, linewidth=2, label=label)
    axes.set_xlim(0.5, len(history) + 0.5)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(6, integer=True))
    _name_phases(axes, [row["phase"] for row in history])
    if best is not None and best < len(history):
        value = float(history[best][f"val_{column}"])
        axes.plot(best + 1, value, "o", color=INK, markersize=8, label="chosen epoch")
    axes.legend(loc="best", fontsize=10)
    words = f"{column} of validation and training over {len(history)} epochs"
    return _inline(figure, f"{words}; history.csv has the numbers.", column)


def _name_phases(axes: Axes, phases: Sequence[str]) -> None:
    """Names each phase below its epochs, where no curve is, and draws where it begins."""
    width = _WIDTH - _MARGINS["left"] - _MARGINS["right"]
    start = 0
    for name, epochs in itertools.groupby(phases):
        end = start + len(list(epochs))
        if start:
            axes.axvline(start + 0.5, color=LIGHT, linestyle=":")
        # A short one at the side of the axes keeps its name within the figure.
        half = 0.5 * _LETTER_WIDTH * len(name) / width
        middle = min(max((start + end) / 2 / len(phases), half), 1 - half)
        axes.annotate(
            name,
            (middle, 0),
            xycoords="axes fraction",
            xytext=(0, -_MARGINS["bottom"] + 5),
            textcoords="offset points",
            ha="center",
            color=GRAY,
        )
        start = end


@charts.style()
def draw_reliability(calibration: Calibration) -> str:
    """Draws how often the model is right at each confidence."""
    figure, axes = _new("accuracy")
    column = {name: place for place, name in enumerate(CALIBRATION)}
    rows = np.array(calibration.rows[:-1], np.float64)
    low, high = (rows[:, column[f"confidence_{end}"]] for end in ("from", "to"))
    accuracy = rows[:, column["accuracy"]]
    axes.plot([0, 1], [0, 1], "--", color=LIGHT, label="calibrated")
    axes.bar(low, accuracy, high - low, align="edge", color=BLUE, alpha=0.35, edgecolor=BLUE)
    axes.plot(rows[:, column["confidence"]], accuracy, "o", color=BLUE, label="this model")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.set_xlabel("confidence", loc="right")
    axes.legend(loc="upper left", fontsize=10)
    return _inline(figure, "Accuracy at each confidence; the table below has it.", "reliability")


@charts.style()
def draw_coverage(rows: Sequence[Sequence[float]]) -> str:
    """Draws the accuracy where only the surest predictions are used, from rows of COVERAGE."""
    figure, axes = _new("accuracy")
    column = dict(zip(COVERAGE, np.array(rows, np.float64).T, strict=True))
    shares = 100 * column["coverage"]
    axes.fill_between(
        shares, column["accuracy_low"], column["accuracy_high"], color=BLUE, alpha=0.2, linewidth=0
    )
    axes.plot(shares, column["accuracy"], "o-", color=BLUE)
    axes.set(xlim=(0, 102))
    axes.set_xlabel("percent of the images, the surest first", loc="right")
    return _inline(figure, "Accuracy of the surest predictions; the table has it.", "coverage")


def _new(title: str) -> tuple[Figure, Axes]:
    figure = Figure((_WIDTH / 72, _HEIGHT / 72), dpi=72)
    axes = charts.add_axes(figure, **_MARGINS)
    axes.set_title(title.replace("_", " "))
    return figure, axes


def _inline(figure: Figure, title: str, name: str) -> str:
    """Returns an SVG to be put into a page, where names must be unique."""
    svg = charts.to_svg(figure, title=title)
    svg = svg[svg.index("<svg") :]
    for color, variable in _COLORS.items():
        svg = svg.replace(color, variable)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return _ID.sub(rf"\g<1>{name}-", svg).strip()
