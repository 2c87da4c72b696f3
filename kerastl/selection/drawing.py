"""Charts as SVG: axes with round numbers, and marks in their coordinates."""

import dataclasses
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

INK, GREY, PALE = "#1f2933", "#52606d", "#e4e7eb"
BLUE, BAND = "#0b6bcb", "#d3e5f8"
FONT = 13.0  # px
_HEADING_FONT = 19.0
# Times as wide as others are bold letters, where the widest of usual fonts is shown.
_BOLDNESS = 1.25
# What XML 1.0 cannot hold, as a folder's name can, https://www.w3.org/TR/xml/#charsets
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Width of a letter as a share of the font's size, on average.
LETTER = 0.56
# Below this ratio of its ends a logarithmic axis has round numbers in equal steps.
_DECADE = 10


@dataclasses.dataclass(frozen=True)
class Axis:
    """A range of numbers along a line of the drawing.

    Attributes:
        low: The smallest number.
        high: The largest.
        start: Where the smallest is, in pixels.
        end: Where the largest is.
        is_log: Whether equal ratios are equal distances.
    """

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def place(self, value: float) -> float:
        """Finds where a number is, in pixels."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        share = (self._scaled(value) - low) / (high - low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Lists round numbers within the range, four to ten."""
        if self.is_log and self.high > _DECADE * self.low:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            steps = (1, 2, 5) if self.high < _DECADE**2.5 * self.low else (1,)
            values = (step * 10.0**power for power in powers for step in steps)
            return [value for value in values if self.low <= value <= self.high]
        rough = (self.high - self.low) / 9
        unit = 10 ** math.floor(math.log10(rough))
        step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
        first = math.ceil(self.low / step - 1e-9)
        return [step * number for number in range(first, math.floor(self.high / step + 1e-9) + 1)]

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.is_log else value


def shorten(text: str, width: float, *, font: float = FONT) -> str:
    """Leaves out the middle of a text that is wider than so many pixels."""
    letters = max(3, int(width / (LETTER * font)))
    if len(text) <= letters:
        return text
    return f"{text[: letters // 2]}\u2026{text[len(text) - (letters - 1) // 2 :]}"


class Drawing:
    """An SVG that grows mark by mark; later ones lie above earlier ones."""

    def __init__(self, width: int, height: int, *, title: str) -> None:
        """Begins a drawing.

        Args:
            width: In pixels.
            height: In pixels.
            title: What it shows, in a sentence, for those who cannot see it.
        """
        self._root = ET.Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "viewBox": f"0 0 {width} {height}",
                "role": "img",
                "font-family": "Helvetica, Arial, sans-serif",
                "font-size": f"{FONT:g}",
                "fill": INK,
            },
        )
        ET.SubElement(self._root, "title").text = _clean(title)
        self._add("rect", width=width, height=height, fill="#ffffff")

    def text(
        self,
        x: float,
        y: float,
        text: str,
        **style: str | float,
    ) -> None:
        """Writes words with their baseline at a point, readable above lines."""
        halo = {"fill": "#ffffff", "stroke": "#ffffff", "aria_hidden": "true"}
        # A mark of its own: not every program that shows an SVG knows paint-order.
        self._add("text", x=x, y=y, **(style | halo), stroke_width=3).text = _clean(text)
        self._add("text", x=x, y=y, **style).text = _clean(text)

    def heading(self, x: float, text: str, *, width: float) -> None:
        """Writes what it shows above all, within a width."""
        self.text(
            x,
            34,
            shorten(text, width / _BOLDNESS, font=_HEADING_FONT),
            font_size=_HEADING_FONT,
            font_weight="bold",
        )

    def line(self, points: Sequence[tuple[float, float]], **style: str | float) -> None:
        """Draws a line through points."""
        plain: dict[str, str | float] = {"stroke": INK, "fill": "none", "stroke_linejoin": "round"}
        self._add("polyline", points=_points(points), **(plain | style))

    def area(self, points: Sequence[tuple[float, float]], **style: str | float) -> None:
        """Fills what lies between points."""
        self._add("polygon", points=_points(points), **style)

    def dot(
        self, x: float, y: float, radius: float, *, about: str = "", **style: str | float
    ) -> None:
        """Draws a dot, which says what it is where a browser's pointer is over it."""
        dot = self._add("circle", cx=x, cy=y, r=radius, **style)
        if about:
            ET.SubElement(dot, "title").text = _clean(about)

    def axes(self, across: Axis, up: Axis, *, titles: tuple[str, str]) -> None:
        """Draws pale lines at round numbers, with the numbers and what they count.

        Args:
            across: From left to right.
            up: From bottom to top.
            titles: What the two count.
        """
        for value in up.ticks():
            y = up.place(value)
            self.line([(across.start, y), (across.end, y)], stroke=PALE)
            self.text(across.start - 10, y + 4, f"{value:.10g}", fill=GREY, text_anchor="end")
        for value in across.ticks():
            x = across.place(value)
            self.line([(x, up.start), (x, up.start + 5)], stroke=GREY)
            self.text(x, up.start + 21, f"{value:,.10g}", fill=GREY, text_anchor="middle")
        self.line([(across.start, up.start), (across.end, up.start)], stroke=GREY)
        self.text(across.end, up.start + 42, titles[0], fill=GREY, text_anchor="end")
        self.text(across.start - 10, up.end - 16, titles[1], fill=GREY)

    def to_text(self) -> str:
        """Gives the file's content."""
        ET.indent(self._root)
        return ET.tostring(self._root, encoding="unicode") + "\n"

    def _add(self, name: str, **values: str | float) -> ET.Element:
        attributes = {
            key.replace("_", "-"): value
            if isinstance(value, str)
            else f"{value:.2f}".rstrip("0").rstrip(".")
            for key, value in values.items()
        }
        return ET.SubElement(self._root, name, attributes)


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in points)


def _clean(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
