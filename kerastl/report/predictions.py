"""A model's prediction for each test image, read from `predictions.csv` in pieces.

With a thousand classes and a hundred thousand images the file has more than a gigabyte.
"""

import csv
import dataclasses
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from kerastl.data.labels import order_classes
from kerastl.outputs.predictions_file import class_columns
from kerastl.training.calibration import Calibration, brier_scores, measure_calibration
from kerastl.training.coverage import measure_coverage

_BLOCK_BYTES = 1 << 24
# Classes of an image that the page shows with their probabilities.
NUM_FIRST = 3


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """A model's predictions for the test images.

    Attributes:
        class_names: Every class that an image has or the model names.
        examples: The images' names.
        labels: True classes, int64 (images,).
        first: The most probable classes of each image in descending order, int64 (images, 3) or,
            of two classes, (images, 2). The first column is what the model names.
        probabilities: Theirs, float32.
        squares: The Brier score of each image, float64 (images,); None where not every class has
            its probability.
    """

    class_names: tuple[str, ...]
    examples: Sequence[str]
    labels: np.ndarray
    first: np.ndarray
    probabilities: np.ndarray
    squares: np.ndarray | None

    @property
    def predicted(self) -> np.ndarray:
        """The class that the model names, int64 (images,)."""
        return np.asarray(self.first[:, 0])

    @property
    def confidence(self) -> np.ndarray:
        """Its probability, float32 (images,)."""
        return np.asarray(self.probabilities[:, 0])

    def calibration(self) -> Calibration:
        """Compares the confidence with how often the model is right."""
        correct = self.predicted == self.labels
        return measure_calibration(self.confidence, correct, self.squares)

    def coverage(self) -> tuple[tuple[float, ...], ...]:
        """Measures the accuracy of the surest predictions."""
        return measure_coverage(self.confidence, self.predicted == self.labels)


@dataclasses.dataclass(frozen=True, eq=False)
class _Piece:
    """The same for some rows, with names instead of numbers."""

    examples: list[str]
    class_names: np.ndarray
    first: np.ndarray
    probabilities: np.ndarray
    squares: np.ndarray | None


def read_predictions(path: pathlib.Path) -> Predictions:
    """Reads the file.

    Raises:
        ValueError: If it is damaged.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file), [])
    columns = class_columns(header)
    pieces = list(_read_pieces(path, header, columns))
    if not pieces:
        raise ValueError("it lists no image")
    labels = np.concatenate([piece.class_names for piece in pieces])
    first = np.concatenate([piece.first for piece in pieces])
    names = tuple(columns) if columns else order_classes([*set(labels), *set(first.flat)])
    number = {name: label for label, name in enumerate(names)}
    squares = [piece.squares for piece in pieces if piece.squares is not None]
    return Predictions(
        names,
        [example for piece in pieces for example in piece.examples],
        np.array([number[name] for name in labels]),
        np.array([[number[name] for name in row] for row in first]),
        np.concatenate([piece.probabilities for piece in pieces]),
        np.concatenate(squares) if squares else None,
    )


def _read_pieces(
    path: pathlib.Path, header: Sequence[str], columns: Mapping[str, int] | None
) -> Iterator[_Piece]:
    # By number: a class may have the name of another column.
    names = [str(number) for number in range(len(header))]
    are_text = range(3) if columns else (0, 1, *range(2, len(header) - 1, 2))
    types = dict.fromkeys(names, pa.float32()) | {str(n): pa.string() for n in are_text}
    reader = arrow_csv.open_csv(
        path,
        read_options=arrow_csv.ReadOptions(
            column_names=names, skip_rows_after_names=1, block_size=_BLOCK_BYTES
        ),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(column_types=types, strings_can_be_null=False),
    )
    for batch in reader:
        if len(batch):
            yield _read_many(batch) if columns is None else _read_all(batch, columns)


def _read_all(batch: pa.RecordBatch, columns: Mapping[str, int]) -> _Piece:
    """Reads rows with the probability of every class."""
    names = np.array(list(columns), object)
    values = np.stack([batch.column(each).to_numpy() for each in columns.values()], axis=1)
    count = min(NUM_FIRST, len(names))
    some = np.argpartition(-values, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(values, some, axis=1), axis=1, kind="stable")
    first = np.take_along_axis(some, order, axis=1)
    # Of equal ones the first is named.
    first[:, 0] = values.argmax(axis=1)
    number = {name: label for label, name in enumerate(columns)}
    class_names = batch.column(1).to_pylist()
    labels = np.array([number[name] for name in class_names])
    return _Piece(
        batch.column(0).to_pylist(),
        np.array(class_names, object),
        names[first],
        np.take_along_axis(values, first, axis=1),
        brier_scores(values, labels),
    )


def _read_many(batch: pa.RecordBatch) -> _Piece:
    """Reads rows with the most probable classes."""
    places = range(2, 2 + 2 * NUM_FIRST, 2)
    return _Piece(
        batch.column(0).to_pylist(),
        np.array(batch.column(1).to_pylist(), object),
        np.array([batch.column(place).to_pylist() for place in places], object).T,
        np.stack([batch.column(place + 1).to_numpy() for place in places], axis=1),
        None,
    )
