import numpy as np
import pytest

from kerastl.training.coverage import COVERAGE, measure_coverage
from kerastl.training.scores import accuracy_interval


def measured(confidence, correct):
    rows = measure_coverage(np.array(confidence, np.float32), np.array(correct, bool))
    return [dict(zip(COVERAGE, row, strict=True)) for row in rows]


def test_rows_are_those_of_the_surest_images():
    rng = np.random.default_rng(0)
    confidence = rng.permutation(np.linspace(0.2, 1, 200)).astype(np.float32)
    correct = rng.random(200) < confidence
    rows = measured(confidence, correct)
    assert [row["num_images"] for row in rows] == [200, 198, 190, *range(180, 0, -20)]
    order = np.argsort(-confidence)
    for row in rows:
        chosen = order[: row["num_images"]]
        assert row["accuracy"] == correct[chosen].mean()
        assert row["min_confidence"] == confidence[chosen].min()
        assert row["coverage"] == row["num_images"] / 200
        interval = accuracy_interval(int(correct[chosen].sum()), len(chosen))
        assert (row["accuracy_low"], row["accuracy_high"]) == interval
    # What is surest is right more often.
    assert rows[-1]["accuracy"] > rows[0]["accuracy"] + 0.1


def test_equal_confidence_is_used_together_whatever_the_order():
    rows = measured([0.9, 1, 1, 1, 0.5], [False, True, False, True, True])
    assert [(row["num_images"], row["accuracy"]) for row in rows] == [
        (5, pytest.approx(0.6)),
        (4, 0.5),
        (3, pytest.approx(2 / 3)),
    ]
    again = measured([1, 1, 0.5, 0.9, 1], [True, True, True, False, False])
    assert again == rows


def test_one_image_is_one_row():
    assert [row["num_images"] for row in measured([0.7], [True])] == [1]
