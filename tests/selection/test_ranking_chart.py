import dataclasses
import xml.etree.ElementTree as ET

import pytest

from kerastl.config import Config
from kerastl.selection.ranking_chart import draw_ranking
from kerastl.selection.ranking_row import RankingRow
from svg_texts import collisions, read_texts


def row(name, accuracy, milliseconds, *, low=0.4, high=0.7, **changes):
    config = Config(run_dir="x", dataset="digits", backbone=name, **changes)
    return RankingRow(
        config=config, accuracy=accuracy, low=low, high=high, milliseconds=milliseconds
    )


def words(svg):
    return [text.text for text in read_texts(svg)]


def test_networks_are_named_with_weights_and_size():
    rows = [
        row("TinyNet", 0.6, 10.0, weights="a/one.h5", image_size=96),
        row("TinyNet", 0.5, 5.0, weights="a/two.h5", image_size=96),
        dataclasses.replace(row("Gone", 0.0, 1.0), reason="no weights"),
    ]
    svg = draw_ranking(rows, title="Networks on $digits$", images="9 training images")
    assert {"Networks on $digits$", "TinyNet (one) 96", "TinyNet (two) 96"} <= set(words(svg))
    assert "Gone" not in svg
    assert not list(collisions(svg))
    # What lies farther right is slower.
    place = {text.text: text.left for text in read_texts(svg)}
    assert place["TinyNet (two) 96"] < place["TinyNet (one) 96"]
    assert svg == draw_ranking(rows[::-1], title="Networks on $digits$", images="9 training images")


@pytest.mark.thorough
def test_crowded_chart_names_the_pareto_front():
    rows = [row(f"Net{n}", 0.5 + 0.001 * n, 10 + 0.01 * n) for n in range(8)]
    rows += [row(f"Beaten{n}", 0.5, 10.1 + 0.01 * n) for n in range(30)]
    svg = draw_ranking(rows, title="folder:" + 40 * "deep/", images="9 training images")
    assert {f"Net{n} 224" for n in range(8)} <= set(words(svg))
    shown = {text for text in words(svg) if text.startswith("Beaten")}
    assert f"{30 - len(shown)} without a name, for lack of room" in words(svg)
    # Each dot has a tooltip all the same, and the title stays within the chart.
    tooltips = [title.text for title in ET.fromstring(svg).iterfind(".//{*}g/{*}title")]
    assert len(tooltips) == 38
    assert "Beaten29 224: 0.5000, 10.4 ms" in tooltips
    assert any("deep\u2026" in text or "\u2026" in text for text in words(svg))


@pytest.mark.parametrize("accuracies", [(0.5,), (1.0, 0.0), (0.5, 0.5, 0.5)])
def test_intervals_without_width_and_equal_speeds_are_drawn(accuracies):
    rows = [row(f"Net{n}", a, 10.0, low=a, high=a) for n, a in enumerate(accuracies)]
    svg = draw_ranking(rows, title="title", images="9 training images")
    assert {f"Net{n} 224" for n in range(len(rows))} <= set(words(svg))
    assert not list(collisions(svg))
