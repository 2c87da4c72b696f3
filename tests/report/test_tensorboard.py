"""The images in TensorBoard: those of the page."""

import io

import numpy as np
import pytest
from PIL import Image

from kerastl.report import classes
from kerastl.report.tensorboard import draw_images, draw_matrix
from kerastl.report.thumbnails import Thumbnails

NAMES = ("a $x^2$ class", "<b>bold</b>", "a name " * 20)


def cell(label, predicted, count):
    share = count / 10
    return classes.Cell("", NAMES[label], NAMES[predicted] if predicted < 3 else "", count, share)


@pytest.mark.parametrize("is_part", [False, True])
def test_matrix_has_every_number_in_its_place(is_part):
    counts = [[8, 2, 0, 0], [1, 9, 0, 0], [0, 3, 5, 2]]
    width = 4 if is_part else 3
    rows = tuple(
        tuple(cell(label, other, row[other]) for other in range(width))
        for label, row in enumerate(counts)
    )
    (axes,) = draw_matrix(classes.Matrix(NAMES, rows, 3 + is_part)).axes
    found = np.zeros((3, width), int)
    for text in axes.texts:
        column, row = text.get_position()
        found[row, column] = int(text.get_text())
    assert found.tolist() == [row[:width] for row in counts]
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names[:2] == [*NAMES[:2]]
    assert names[3:] == ["others"] * is_part
    assert len(names[2]) < 30
    assert [label.get_text() for label in axes.get_yticklabels()] == names[:3]


def png():
    file = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 30, 30)).save(file, "PNG")
    return file.getvalue()


def test_images_have_their_classes_and_what_is_gone_leaves_its_place():
    def read(example):
        return png() if example == "there.png" else b""

    thumbnails = Thumbnails(read)
    tested = [
        classes.Tested(
            name, NAMES[0], ((NAMES[guess], 0.875),), thumbnails.of(name), thumbnails.of(name)
        )
        for name, guess in (("there.png", 0), ("gone.png", 1))
    ]
    figure = draw_images(tested)
    words = [text.get_text() for text in figure.texts]
    assert words == [
        "labeled a $x^2$ class",
        "named a $x^2$ class 87.5%",
        "there.png",
        "labeled a $x^2$ class",
        "named <b>bold</b> 87.5%",
        "gone.png",
    ]
    # The picture and its heat map of the one that is there.
    assert len(figure.axes) == 2
