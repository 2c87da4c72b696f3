"""The style of all charts, and their SVG: text stays text, the same chart has the same bytes."""

import contextlib
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Literal
from xml.sax.saxutils import escape

import matplotlib as mpl
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kerastl.environment import ignored_warnings

INK, GRAY, PALE, LIGHT = "#1f2933", "#52606d", "#e4e7eb", "#9aa5b1"
BLUE, BAND, RED = "#0b6bcb", "#d3e5f8", "#c4314b"
# Behind text, so that it stays readable above lines: `bbox` in matplotlib.
BACKDROP = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
_POINTS_PER_INCH = 72
_STYLE: dict[Any, Any] = {
    # matplotlib includes the first, so positions do not depend on the machine's fonts.
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial"],
    "font.size": 11,
    "text.color": INK,
    "text.parse_math": False,
    "axes.axisbelow": True,
    "axes.edgecolor": GRAY,
    "axes.grid": True,
    "axes.labelcolor": GRAY,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": GRAY,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "grid.color": PALE,
    "legend.frameon": False,
    "xtick.color": GRAY,
    "ytick.color": GRAY,
    "ytick.left": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "kerastl",
}
_MARGIN = 66
_TITLE_SIZE = 16
# Average width of a letter as a share of the font's size; bold ones are wider.
_LETTER_WIDTH, _BOLD_WIDTH = 0.6, 0.7
# Characters that XML 1.0 forbids and folder names may contain, https://www.w3.org/TR/xml/#charsets
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Logarithmic axes from this ratio of their ends have ticks only at powers of ten; below a decade
# they have ticks in equal steps.
_MANY_DECADES, _DECADE = 10**2.5, 10


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Applies our chart style while a chart is drawn and written, in one thread at a time."""
    # Viewers have other fonts for letters that matplotlib's lack.
    with ignored_warnings(message=r"Glyph \d+ .* missing from font"), mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def new_figure(width: int, height: int, *, title: str, notes: str) -> Figure:
    """Makes a figure with a title and a line of explanation.

    Args:
        width: In points.
        height: In points.
        title: Shortened where it is too long.
        notes: Smaller, below the title.
    """
    figure = Figure((width / _POINTS_PER_INCH, height / _POINTS_PER_INCH), dpi=_POINTS_PER_INCH)
    left, top = (_MARGIN - 10) / width, 1 - 34 / height
    title = shorten(title, width - _MARGIN, size=_TITLE_SIZE, letter=_BOLD_WIDTH)
    figure.text(left, top, title, fontsize=_TITLE_SIZE, fontweight="bold")
    figure.text(left, top - 22 / height, shorten(notes, width - _MARGIN), color=GRAY)
    return figure


def add_axes(figure: Figure, *, left: float, right: float, bottom: float, top: float) -> Axes:
    """Adds axes with the given margins, in points."""
    width, height = figure.get_size_inches() * _POINTS_PER_INCH
    sides = (left / width, bottom / height)
    return figure.add_axes((*sides, 1 - right / width - sides[0], 1 - top / height - sides[1]))


def scale(
    axes: Axes, which: Literal["x", "y"], low: float, high: float, *, is_log: bool = False
) -> None:
    """Sets the limits of one of two axes, with plain numbers at round values."""
    axes.set(**{f"{which}scale": "log" if is_log else "linear", f"{which}lim": (low, high)})
    axis = axes.xaxis if which == "x" else axes.yaxis
    if is_log and high >= _DECADE * low:
        axis.set_major_locator(
            ticker.LogLocator(subs=(1, 2, 5) if high < _MANY_DECADES * low else (1,))
        )
    else:
        axis.set_major_locator(ticker.MaxNLocator(8, steps=(1, 2, 5, 10)))
    axis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axis.set_minor_locator(ticker.NullLocator())


def shorten(text: str, width: float, *, size: float = 11, letter: float = _LETTER_WIDTH) -> str:
    """Replaces the middle of a text that is wider than `width` points with an ellipsis."""
    text = " ".join(_NOT_XML.sub("\ufffd", text).split())
    if any(unicodedata.east_asian_width(character) in "FW" for character in text):
        letter = 1
    letters = max(3, int(width / (letter * size)))
    if len(text) <= letters:
        return text
    return f"{text[: letters // 2]}\u2026{text[len(text) - (letters - 1) // 2 :]}"


def to_svg(figure: Figure, *, title: str, tooltips: Mapping[str, str] | None = None) -> str:
    """Returns the content of an SVG file.

    Args:
        figure: Figure of `new_figure`.
        title: Description in a sentence, for people who cannot see it.
        tooltips: ID of a mark (`gid` in matplotlib) -> text that a browser shows over it.
    """
    text = io.StringIO()
    metadata = {"Title": title, "Creator": "kerastl", "Date": None}
    figure.savefig(text, format="svg", metadata=metadata)
    # Without its own size it fills the space that a page gives it.
    svg = re.sub(
        r'(<svg [^>]*?)width="\S+" height="\S+"', r'\1role="img"', text.getvalue(), count=1
    )
    for gid, tooltip in (tooltips or {}).items():
        mark = f'<g id="{gid}">'
        svg = svg.replace(mark, f"{mark}<title>{escape(tooltip)}</title>", 1)
    return _NOT_XML.sub("\ufffd", svg)
