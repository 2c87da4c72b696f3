"""The confusion matrix and the images of the page, for TensorBoard; unlike it, with TensorFlow."""

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from PIL import Image

from kerastl import charts
from kerastl.charts import BLUE, GRAY, INK, RED
from kerastl.disk_errors import explained
from kerastl.outputs.directories import RunFile
from kerastl.report.classes import Matrix, Tested
from kerastl.report.page import Parts
from kerastl.report.thumbnails import Picture

_DPI = 96
# In points: a cell of the matrix, what is beside it for names, and an image with its words.
_CELL, _NAMES, _IMAGE, _WORDS = 34, 110, 100, 48
_IN_A_ROW = 4
_SMALL = 8
# A share of a row above this is on a dark ground.
_DARK = 0.6
_FIELD = "run_dir"


def write_tensorboard(parts: Parts, *, num_epochs: int) -> None:
    """Adds them beside the curves in the run's `tensorboard/`, after the last epoch.

    Raises:
        KerastlError: If they cannot be written.
    """
    folder, made = parts.contents.path / RunFile.TENSORBOARD, parts.made
    drawn: dict[str, Callable[[Any], Figure]] = {
        "matrix": draw_matrix,
        "mistakes": draw_images,
        "recognized": draw_images,
    }
    with explained(folder, field=_FIELD):
        writer = tf.summary.create_file_writer(str(folder))
        with writer.as_default(step=num_epochs):
            for name, draw in drawn.items():
                if made[name]:
                    tf.summary.image(name, _pixels(draw(made[name]))[None])
        writer.close()


@charts.style()
def draw_matrix(matrix: Matrix) -> Figure:
    """Draws the matrix of the page, each row by its share; of many classes those it has."""
    names = [*matrix.class_names, *(["others"] if matrix.is_part else [])]
    shares = np.array([[cell.share for cell in row] for row in matrix.rows])
    counts = [[cell.count for cell in row] for row in matrix.rows]
    width, height = _CELL * len(names) + _NAMES + 10, _CELL * len(counts) + _NAMES + 10
    figure = Figure((width / 72, height / 72), dpi=_DPI)
    axes = charts.add_axes(figure, left=_NAMES, right=10, bottom=10, top=_NAMES)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in np.argwhere(np.array(counts) > 0):
        color = "white" if shares[row, column] > _DARK else INK
        axes.text(column, row, counts[row][column], ha="center", va="center", color=color)
    axes.set_xticks(range(len(names)), [charts.shorten(name, _NAMES - 20) for name in names])
    axes.set_yticks(
        range(len(counts)),
        [charts.shorten(name, _NAMES - 20) for name in matrix.class_names],
    )
    axes.tick_params(axis="x", rotation=90, top=True, labeltop=True, bottom=False)
    axes.tick_params(axis="x", labelbottom=False)
    axes.grid(visible=False)
    return figure


@charts.style()
def draw_images(images: Sequence[Tested]) -> Figure:
    """Draws images, each beside its heat map if it has one, with their classes below them."""
    pictures = 2 if any(image.heat for image in images) else 1
    rows = -(-len(images) // _IN_A_ROW)
    width, height = _IN_A_ROW * (pictures * _IMAGE + 12), rows * (_IMAGE + _WORDS)
    figure = Figure((width / 72, height / 72), dpi=_DPI)
    for number, image in enumerate(images):
        row, column = divmod(number, _IN_A_ROW)
        left = column * (pictures * _IMAGE + 12) + 6
        top = height - row * (_IMAGE + _WORDS)
        for place, picture in enumerate((image.picture, image.heat)[:pictures]):
            if picture is not None:
                axes = charts.add_axes(
                    figure,
                    left=left + place * _IMAGE,
                    right=width - left - (place + 1) * _IMAGE + 4,
                    bottom=top - _IMAGE,
                    top=height - top + 4,
                )
                axes.imshow(_decode(picture))
                axes.set_axis_off()
        for line, (text, color) in enumerate(_caption(image, pictures * _IMAGE)):
            below = (top - _IMAGE - 12 * (line + 1)) / height
            figure.text(left / width, below, text, fontsize=_SMALL, color=color)
    return figure


def _caption(image: Tested, width: float) -> Iterator[tuple[str, str]]:
    """Yields the lines below an image, each with its color."""
    (name, probability), *_ = image.first
    named, truth = (
        charts.shorten(one, width - 40, size=_SMALL) for one in (name, image.class_name)
    )
    yield f"labeled {truth}", INK
    yield f"named {named} {probability:.1%}", BLUE if name == image.class_name else RED
    yield charts.shorten(image.example, width, size=_SMALL), GRAY


def _decode(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(picture.address.partition(",")[2])))


@charts.style()
def _pixels(figure: Figure) -> np.ndarray:
    """Returns a figure in RGB, uint8 (height, width, 3)."""
    file = io.BytesIO()
    figure.savefig(file, format="png", facecolor="white")
    return np.asarray(Image.open(file).convert("RGB"))
