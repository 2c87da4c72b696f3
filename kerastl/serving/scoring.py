"""How right the answers are for files that lie in folders named after their classes."""

import pathlib
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np

from kerastl.progress import count_of
from kerastl.serving.predictor import Prediction
from kerastl.training.evaluate import accuracy_interval

# Classes up to which the whole matrix is shown; of more, the pairs that are mistaken most often.
_MAX_SHOWN = 20


class Score:
    """Counts, for files of known classes, which class they were taken for."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self._label_of = {name: label for label, name in enumerate(class_names)}
        self._class_names = class_names
        self._matrix = np.zeros([len(class_names)] * 2, np.int64)
        self._without = 0

    def add(self, predictions: Sequence[Prediction]) -> None:
        """Counts the predictions of files that could be used."""
        for prediction in predictions:
            if prediction.probabilities is None:
                continue
            label = self._find_label(prediction.path)
            if label is None:
                self._without += 1
            else:
                self._matrix[label, int(np.argmax(prediction.probabilities))] += 1

    def _find_label(self, path: pathlib.Path) -> int | None:
        """Finds the nearest folder above a file that is named after a class."""
        names = (unicodedata.normalize("NFC", parent.name) for parent in path.absolute().parents)
        return next((self._label_of[name] for name in names if name in self._label_of), None)

    def lines(self) -> Iterator[str]:
        """Says the accuracy with its interval, and which classes were taken for which."""
        count, correct = int(self._matrix.sum()), int(np.trace(self._matrix))
        if self._without:
            yield f"{count_of(self._without, 'image')} not counted: in no folder of a class's name."
        if not count:
            yield "Accuracy: no image lies in a folder with a class's name."
            return
        low, high = accuracy_interval(correct, count)
        images = count_of(count, "image")
        yield f"Accuracy {correct / count:.4f} ({low:.4f}-{high:.4f}) on {images}"
        yield from (
            self._show_matrix() if len(self._class_names) <= _MAX_SHOWN else self._show_most()
        )

    def _show_matrix(self) -> Iterator[str]:
        yield "Rows are the true classes, columns what they were taken for:"
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

    def _show_most(self) -> Iterator[str]:
        mistakes = self._matrix - np.diag(np.diag(self._matrix))
        most = np.argsort(-mistakes, axis=None, kind="stable")[:_MAX_SHOWN]
        for label, predicted in zip(*np.unravel_index(most, mistakes.shape), strict=True):
            if number := int(mistakes[label, predicted]):
                yield (
                    f"  {number} of {int(self._matrix[label].sum())} {self._class_names[label]} "
                    f"taken for {self._class_names[predicted]}"
                )
