"""The words of an SVG chart, and where they are."""

import dataclasses
import itertools
import re
import xml.etree.ElementTree as ET

# Width of a letter as a share of the font's size, on average.
_LETTER = 0.56


@dataclasses.dataclass(frozen=True)
class Text:
    """A horizontal text of a chart, in its own units."""

    text: str
    left: float
    right: float
    bottom: float
    size: float


def read_texts(svg):
    """The horizontal texts of a chart, in the order in which they are drawn."""
    texts = []
    for mark in ET.fromstring(svg).iterfind(".//{*}text"):
        style = dict(re.findall(r"([\w-]+): ([^;]+)", mark.get("style")))
        angle, x, y = map(float, re.findall(r"[\d.-]+", mark.get("transform")))
        if angle:
            continue
        size = float(style["font-size"].removesuffix("px"))
        width = _LETTER * size * len(mark.text)
        left = x - {"start": 0, "middle": 0.5, "end": 1}[style.get("text-anchor", "start")] * width
        texts.append(Text(mark.text, left, left + width, y, size))
    return texts


def view_box(svg):
    """Width and height of a chart."""
    return tuple(map(float, ET.fromstring(svg).get("viewBox").split()[2:]))


def collisions(svg):
    """Texts that are cut off, and pairs of texts of which one lies over the other."""
    width, height = view_box(svg)
    texts = read_texts(svg)
    for one in texts:
        if one.left < 0 or one.right > width or not one.size <= one.bottom <= height:
            yield one.text
    for one, other in itertools.combinations(texts, 2):
        apart = abs(one.bottom - other.bottom) >= 0.75 * min(one.size, other.size)
        if not apart and one.left < other.right and other.left < one.right:
            yield one.text, other.text
