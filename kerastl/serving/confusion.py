"""Accuracy and confusion matrix of files whose folders are named after their classes."""

import pathlib
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np

from kerastl.progress import count_of
from kerastl.serving.predictor import Prediction
from kerastl.training.scores import accuracy_interval

# Up to this many classes the whole matrix is shown; above, the most frequent mistakes.
_MAX_SHOWN = 20


class Confusion:
    """Counts predicted classes by true class."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self._label_of = {name: label for label, name in enumerate(class_names)}
        self._class_names = class_names
        self._matrix = np.zeros([len(class_names)] * 2, np.int64)
        self._num_unlabeled = 0

    def add(self, prediction: Prediction) -> None:
        """Counts a prediction, unless its file could not be used."""
        if prediction.problem:
            return
        label = self._find_label(prediction.path)
        if label is None:
            self._num_unlabeled += 1
        else:
            self._matrix[label, self._label_of[prediction.class_name]] += 1

    def _find_label(self, path: pathlib.Path) -> int | None:
        """Finds the label of the nearest parent folder that is named after a class."""
        names = (unicodedata.normalize("NFC", parent.name) for parent in path.absolute().parents)
        return next((self._label_of[name] for name in names if name in self._label_of), None)

    def lines(self) -> Iterator[str]:
        """Yields the accuracy with its interval, and the confusion matrix."""
        count, correct = int(self._matrix.sum()), int(np.trace(self._matrix))
        if self._num_unlabeled:
            images = count_of(self._num_unlabeled, "image")
            yield f"{images} not counted: not in a folder named after a class."
        if not count:
            yield "Accuracy: no image is in a folder named after a class."
            return
        low, high = accuracy_interval(correct, count)
        yield (
            f"Accuracy {correct / count:.4f} ({low:.4f}-{high:.4f}) on {count_of(count, 'image')}"
        )
        yield from (
            self._matrix_lines() if len(self._class_names) <= _MAX_SHOWN else self._mistake_lines()
        )

    def _matrix_lines(self) -> Iterator[str]:
        yield "Confusion matrix (rows: true class, columns: predicted class):"
        names = max(map(len, self._class_names))
        widths = [
            max(len(name), len(str(self._matrix[:, label].max())))
            for label, name in enumerate(self._class_names)
        ]
        yield " " * names + "".join(
            f"  {name:>{width}}" for name, width in zip(self._class_names, widths, strict=True)
        )
        for name, row in zip(self._class_names, self._matrix.tolist(), strict=True):
            yield f"{name:<{names}}" + "".join(
                f"  {number:>{width}}" for number, width in zip(row, widths, strict=True)
            )

    def _mistake_lines(self) -> Iterator[str]:
        mistakes = self._matrix - np.diag(np.diag(self._matrix))
        most = np.argsort(-mistakes, axis=None, kind="stable")[:_MAX_SHOWN]
        for label, predicted in zip(*np.unravel_index(most, mistakes.shape), strict=True):
            if number := int(mistakes[label, predicted]):
                yield (
                    f"  {number} of {int(self._matrix[label].sum())} {self._class_names[label]} "
                    f"predicted as {self._class_names[predicted]}"
                )
