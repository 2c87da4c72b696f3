import numpy as np
import pytest
from PIL import Image

from kerastl.report.heat import color

GRAY = Image.new("RGB", (60, 40), (128, 128, 128))


def brightest(evidence, rule, image=GRAY):
    """The middle of what is bright, in pixels, and how many pixels are."""
    pixels = np.asarray(color(image, np.array(evidence, float), rule).convert("L"), float)
    bright = pixels > (pixels.min() + pixels.max()) / 2
    rows, columns = np.nonzero(bright)
    return round(rows.mean()), round(columns.mean()), bright.sum()


@pytest.mark.parametrize(
    ("rule", "row", "column"),
    # The right upper quarter of the input: of the whole picture, of its middle 40 x 40 pixels, and
    # of a square of 60 x 60 with black above and below.
    [("stretch", 10, 45), ("crop", 10, 40), ("pad", 10, 45)],
)
def test_evidence_is_where_the_network_saw_it(rule, row, column):
    found_row, found_column, _ = brightest([[0, 1], [0, 0]], rule)
    assert abs(found_row - row) <= 4
    assert abs(found_column - column) <= 4


def test_what_speaks_against_is_as_dark_as_nothing():
    with_less = color(GRAY, np.array([[-5.0, 1.0], [0.0, 0.0]]), "stretch")
    assert (
        with_less.tobytes() == color(GRAY, np.array([[0.0, 1.0], [0.0, 0.0]]), "stretch").tobytes()
    )
    of_nothing = np.asarray(color(GRAY, np.full((2, 2), -1.0), "crop"))
    assert len(np.unique(of_nothing.reshape(-1, 3), axis=0)) == 1


def test_upright_pictures_are_cut_the_other_way():
    upright = GRAY.resize((40, 60))
    row, column, _ = brightest([[0, 1], [0, 0]], "crop", upright)
    assert abs(row - 20) <= 4
    assert abs(column - 30) <= 4
