"""`predictions.csv`, the probabilities of each test image: its columns, written and read.

With many classes a row has not the probability of each but the most probable ones by name, and the
loss.
"""

import csv
import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from kerastl.data.splits import Splits
from kerastl.training.evaluation import MOST_CLASSES, Evaluation

_FIXED = ("example", "class_name", "predicted")
_PREDICTED, _FIRST_PROBABILITY = 2, 3
# The first column behind those and the last one, with many classes.
_OF_MANY = ("probability", "loss")


def list_columns(class_names: Sequence[str], evaluation: Evaluation) -> list[str]:
    """Lists the names of the columns."""
    if evaluation.classes is None:
        return [*_FIXED, *class_names]
    ranks = ["", *(f"_{rank}" for rank in range(2, evaluation.classes.shape[1] + 1))]
    ranked = [f"{name}{rank}" for rank in ranks for name in ("predicted", "probability")]
    return [*_FIXED[:_PREDICTED], *ranked, "loss"]


def list_rows(splits: Splits, evaluation: Evaluation) -> Iterator[tuple[str, ...]]:
    """Lists the row of each test image, with numbers to all their digits."""
    source, names = splits.source, splits.source.class_names
    predictions = (_list_all if evaluation.classes is None else _list_first)(evaluation, names)
    for index, label, columns in zip(splits.test, evaluation.labels, predictions, strict=True):
        yield source.examples[index], names[label], *columns


_digits = functools.partial(np.format_float_scientific, unique=True)


def _list_all(evaluation: Evaluation, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for predicted, row in zip(evaluation.predicted, evaluation.probabilities, strict=True):
        yield names[predicted], *map(_digits, row)


def _list_first(evaluation: Evaluation, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    assert evaluation.classes is not None
    for classes, row, loss in zip(
        evaluation.classes, evaluation.probabilities, evaluation.losses, strict=True
    ):
        pairs = ((names[label], _digits(value)) for label, value in zip(classes, row, strict=True))
        yield *itertools.chain(*pairs), _digits(loss)


def read_predictions(path: pathlib.Path, splits: Splits) -> Evaluation:
    """Reads the predictions of the same test images back.

    Raises:
        ValueError: If they are of others, or damaged.
    """
    names = splits.source.class_names
    header, rows = _read(path)
    if [row[0] for row in rows] != [splits.source.examples[index] for index in splits.test]:
        raise ValueError(f"{path} does not list the test images")
    labels = splits.source.labels[splits.test]
    if len(names) > MOST_CLASSES:
        return _read_first(rows, labels, names)
    columns = [header.index(name, _FIRST_PROBABILITY) for name in names]
    probabilities = np.array([[row[column] for column in columns] for row in rows], np.float32)
    with np.errstate(divide="ignore"):
        losses = -np.log(probabilities[np.arange(len(labels)), labels].astype(np.float64))
    return Evaluation(labels, probabilities, losses)


def _read(path: pathlib.Path) -> tuple[list[str], list[list[str]]]:
    # A spreadsheet program saves it with a mark.
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    return header, rows


@dataclasses.dataclass(frozen=True, eq=False)
class PredictedClasses:
    """A model's predictions for test images, in the order of the file.

    Attributes:
        examples: The images' names.
        class_names: Their true classes.
        predicted: The most probable class of each.
        losses: Cross-entropy of each, in nats, float64 (images,). A probability that is written
            as 0 counts as the smallest that is not.
    """

    examples: tuple[str, ...]
    class_names: tuple[str, ...]
    predicted: tuple[str, ...]
    losses: np.ndarray

    def take(self, places: Sequence[int]) -> "PredictedClasses":
        """Returns those of some images, by their places."""
        examples, class_names, predicted = (
            tuple(column[place] for place in places)
            for column in (self.examples, self.class_names, self.predicted)
        )
        return PredictedClasses(
            examples, class_names, predicted, self.losses[np.array(places, int)]
        )


def class_columns(header: Sequence[str]) -> dict[str, int] | None:
    """Returns the column of each class; None where only the first ones of an image are there.

    Raises:
        ValueError: If the file is not such a one.
    """
    if tuple(header[:_FIRST_PROBABILITY]) != _FIXED or len(header) <= _FIRST_PROBABILITY:
        raise ValueError("does not list test images")
    if (header[_FIRST_PROBABILITY], header[-1]) == _OF_MANY:
        return None
    names = enumerate(header[_FIRST_PROBABILITY:], start=_FIRST_PROBABILITY)
    return {name: column for column, name in names}


def read_predicted_classes(path: pathlib.Path) -> PredictedClasses:
    """Reads the predictions, without the images.

    Raises:
        ValueError: If the file is damaged.
    """
    header, rows = _read(path)
    of_class = class_columns(header)
    if not rows:
        raise ValueError(f"{path.name} lists no image")
    if any(len(row) != len(header) for row in rows):
        raise ValueError(f"{path.name} has a row with too few columns")
    examples, class_names, predicted = zip(*(row[:_FIRST_PROBABILITY] for row in rows), strict=True)
    if of_class is None:
        losses = np.array([row[-1] for row in rows], np.float64)
    else:
        written = [row[of_class[name]] for row, name in zip(rows, class_names, strict=True)]
        least = np.finfo(np.float32).smallest_subnormal
        losses = -np.log(np.maximum(np.array(written, np.float32), least).astype(np.float64))
    return PredictedClasses(examples, class_names, predicted, losses)


def _read_first(
    rows: Sequence[Sequence[str]], labels: np.ndarray, names: Sequence[str]
) -> Evaluation:
    label_of = {name: label for label, name in enumerate(names)}
    return Evaluation(
        labels,
        np.array([row[_FIRST_PROBABILITY:-1:2] for row in rows], np.float32),
        np.array([row[-1] for row in rows], np.float64),
        np.array([[label_of[name] for name in row[_PREDICTED:-1:2]] for row in rows], np.int32),
    )
