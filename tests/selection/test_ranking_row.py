import dataclasses
import math

import pytest

from kerastl.config import Config
from kerastl.selection.ranking_row import RankingRow, label_rows, pareto_front, sort_rows


def row(name, accuracy, milliseconds, **changes):
    config = Config(run_dir="x", dataset="digits", backbone=name)
    return RankingRow(config=config, accuracy=accuracy, milliseconds=milliseconds, **changes)


def test_pareto_front_and_order():
    rows = [
        row("best", 0.9, 30),
        row("slower and worse", 0.8, 40),
        row("fast", 0.8, 10),
        row("as fast and worse", 0.7, 10),
        row("twin", 0.8, 10),
        row("failed", math.nan, math.nan, reason="no weights"),
    ]
    assert pareto_front(rows) == [True, False, True, False, True, False]
    assert [each.config.backbone for each in sort_rows(rows[::-1])] == [
        "best",
        "twin",
        "fast",
        "slower and worse",
        "as fast and worse",
        "failed",
    ]
    assert label_rows(rows)[0] == "best"


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (("a/one.weights.h5", "b/two.h5"), ("one", "two")),
        (("a/best.v1.h5", "a/best.v2.h5"), ("best.v1.h5", "best.v2.h5")),
        (("x/a/best.h5", "x/b/best.h5"), ("a/best.h5", "b/best.h5")),
        (("a/x/best.h5", "b/x/best.h5"), ("a/x/best.h5", "b/x/best.h5")),
    ],
)
def test_weights_are_named_by_their_shortest_unique_part(paths, expected):
    rows = [row("Net", 0.5, 1) for _ in paths]
    rows = [
        dataclasses.replace(each, config=dataclasses.replace(each.config, weights=path))
        for each, path in zip(rows, paths, strict=True)
    ]
    assert label_rows(rows) == [f"Net ({name})" for name in expected]
