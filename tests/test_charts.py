import os
import subprocess
import sys
import xml.etree.ElementTree as ET

import matplotlib as mpl
import pytest

from kerastl import charts
from svg_texts import read_texts


def draw(title="a title", notes="notes", *, label="a label", tooltips=None):
    with charts.style():
        figure = charts.new_figure(400, 300, title=title, notes=notes)
        axes = charts.add_axes(figure, left=66, right=20, bottom=60, top=90)
        axes.plot([1, 2], [3, 4], "o", gid="dots")
        axes.set_xlabel(label)
        return charts.to_svg(figure, title=f"About {title}", tooltips=tooltips)


@pytest.mark.parametrize(
    ("low", "high", "is_log", "expected"),
    [
        (0.0, 1.0, False, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (0.61, 0.74, False, ["0.62", "0.64", "0.66", "0.68", "0.7", "0.72", "0.74"]),
        (3.0, 13.0, True, ["4", "6", "8", "10", "12"]),
        (3.0, 80.0, True, ["5", "10", "20", "50"]),
        (0.5, 20000.0, True, ["1", "10", "100", "1,000", "10,000"]),
    ],
)
def test_numbers_at_an_axis_are_round(low, high, is_log, expected):
    with charts.style():
        figure = charts.new_figure(700, 300, title="", notes="")
        axes = charts.add_axes(figure, left=66, right=20, bottom=60, top=90)
        charts.scale(axes, "x", low, high, is_log=is_log)
        axes.set_yticks([])
        svg = charts.to_svg(figure, title="")
    assert [text.text for text in read_texts(svg) if text.text.strip()] == expected


@pytest.mark.parametrize(
    "name",
    ["<b> & 'c'", "$x_1$ and a_b", "\u4e2d\u6587 \U0001f600", "100 % \\frac", "\u05d0\u05d1"],
)
def test_any_name_stays_text_as_it_is(name):
    svg = draw(name, name, label=name, tooltips={"dots": name})
    assert [text.text for text in read_texts(svg)].count(name) == 3
    root = ET.fromstring(svg)
    assert root.find("{*}title").text == f"About {name}"
    assert root.find(".//{*}g[@id='dots']/{*}title").text == name


def test_what_no_xml_can_hold_is_replaced():
    svg = draw("a\x01b", "c\x0bd", label="e\x02f", tooltips={"dots": "g\ud800h"})
    texts = {text.text for text in read_texts(svg)}
    assert {"a\ufffdb", "c\ufffdd", "e\ufffdf"} <= texts
    assert ET.fromstring(svg).find(".//{*}g[@id='dots']/{*}title").text == "g\ufffdh"


def test_same_chart_has_the_same_bytes_whatever_the_users_settings():
    first = draw()
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "xtick.direction": "in"}):
        before = dict(mpl.rcParams)
        assert draw() == first
        assert dict(mpl.rcParams) == before
    assert "dc:date" not in first


@pytest.mark.thorough
def test_chart_scales_with_its_page_on_white():
    root = ET.fromstring(draw())
    assert (root.get("viewBox"), root.get("width"), root.get("role")) == (
        "0 0 400 300",
        None,
        "img",
    )
    assert "fill: #ffffff" in root.find(".//{*}path").get("style")


def test_middle_of_a_long_text_is_left_out():
    assert charts.shorten("short", 100) == "short"
    assert charts.shorten("two\nlines", 100) == "two lines"
    short = charts.shorten("abcdefghijklmnopqrstuvwxyz", 66)
    assert (short, len(short)) == ("abcde\u2026wxyz", 10)
    # Letters as wide as high.
    assert charts.shorten(20 * "\u4e2d", 66) == "\u4e2d\u4e2d\u4e2d\u2026\u4e2d\u4e2d"


@pytest.mark.thorough
def test_home_that_cannot_be_written_is_no_news():
    code = """
from kerastl import environment
from kerastl.progress import Progress
with environment.ready("float32", 0, Progress()):
    from kerastl import charts
    with charts.style():
        charts.to_svg(charts.new_figure(400, 300, title="", notes=""), title="")
"""
    process = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        env=os.environ | {"MPLCONFIGDIR": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
