import xml.etree.ElementTree as ET

import pytest

from kerastl.selection.drawing import Axis, Drawing, shorten


@pytest.mark.parametrize(
    ("low", "high", "is_log", "expected"),
    [
        (0.0, 1.0, False, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.61, 0.74, False, [0.62, 0.64, 0.66, 0.68, 0.7, 0.72, 0.74]),
        (3.0, 13.0, True, [4.0, 6.0, 8.0, 10.0, 12.0]),
        (3.0, 80.0, True, [5.0, 10.0, 20.0, 50.0]),
        (0.5, 20000.0, True, [1.0, 10.0, 100.0, 1000.0, 10000.0]),
    ],
)
def test_numbers_at_the_axis_are_round(low, high, is_log, expected):
    assert Axis(low, high, 0, 100, is_log=is_log).ticks() == pytest.approx(expected)


def test_places_are_in_proportion():
    assert Axis(2, 4, 100, 0).place(2.5) == 75
    assert Axis(1, 100, 0, 100, is_log=True).place(10) == pytest.approx(50)


def test_any_name_can_be_written():
    drawing = Drawing(100, 50, title="<b> & \x01")
    drawing.text(1.239, 2, "a<b & \x0b", font_size=9)
    root = ET.fromstring(drawing.to_text())
    halo, text = root.findall("{*}text")
    place = {"x": "1.24", "y": "2", "font-size": "9"}
    # White and below, and not only by paint-order, which hides all words where it is unknown.
    assert (text.text, text.attrib) == ("a<b & \ufffd", place)
    white = {"fill": "#ffffff", "stroke": "#ffffff", "stroke-width": "3", "aria-hidden": "true"}
    assert (halo.text, halo.attrib) == (text.text, place | white)
    assert root.find("{*}title").text == "<b> & \ufffd"


def test_middle_of_a_long_text_is_left_out():
    assert shorten("short", 100) == "short"
    short = shorten("abcdefghijklmnopqrstuvwxyz", 73)
    assert (short, len(short)) == ("abcde\u2026wxyz", 10)
