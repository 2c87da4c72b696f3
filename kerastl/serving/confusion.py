"""Accuracy and confusion matrix of files whose folders are named after their classes."""

import collections
import pathlib
import unicodedata
from collections.abc import Iterator, Sequence

from kerastl.progress import count_of
from kerastl.serving.prediction import Prediction
from kerastl.training.scores import accuracy_interval

# Up to this many classes the whole matrix is shown; above, the most frequent mistakes.
_MAX_SHOWN = 20


class Confusion:
    """Counts predicted classes by true class; holds only the pairs that occur."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self._class_names = class_names
        self._known = frozenset(class_names)
        # True class, predicted class -> images.
        self._pairs: collections.Counter[tuple[str, str]] = collections.Counter()
        self._num_unlabeled = 0

    def add(self, prediction: Prediction) -> None:
        """Counts a prediction, unless its file could not be used."""
        if prediction.problem:
            return
        true = self._find_class(prediction.path)
        if true is None:
            self._num_unlabeled += 1
        else:
            self._pairs[true, prediction.class_name] += 1

    def _find_class(self, path: pathlib.Path) -> str | None:
        """Finds the nearest parent folder that is named after a class."""
        names = (unicodedata.normalize("NFC", parent.name) for parent in path.absolute().parents)
        return next((name for name in names if name in self._known), None)

    def lines(self) -> Iterator[str]:
        """Yields the accuracy with its interval, and the confusion matrix."""
        count = self._pairs.total()
        if self._num_unlabeled:
            images = count_of(self._num_unlabeled, "image")
            yield f"{images} not counted: not in a folder named after a class."
        if not count:
            yield "Accuracy: no image is in a folder named after a class."
            return
        correct = sum(self._pairs[name, name] for name in self._class_names)
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
        widths = {
            column: max(
                len(column), *(len(str(self._pairs[name, column])) for name in self._class_names)
            )
            for column in self._class_names
        }
        yield " " * names + "".join(f"  {name:>{width}}" for name, width in widths.items())
        for name in self._class_names:
            yield f"{name:<{names}}" + "".join(
                f"  {self._pairs[name, column]:>{width}}" for column, width in widths.items()
            )

    def _mistake_lines(self) -> Iterator[str]:
        images: collections.Counter[str] = collections.Counter()
        for (true, _), number in self._pairs.items():
            images[true] += number
        position = {name: label for label, name in enumerate(self._class_names)}
        mistakes = [(pair, number) for pair, number in self._pairs.items() if pair[0] != pair[1]]
        # Of equally frequent ones those of the first classes.
        mistakes.sort(key=lambda item: (-item[1], *(position[name] for name in item[0])))
        for (true, predicted), number in mistakes[:_MAX_SHOWN]:
            yield f"  {number} of {images[true]} {true} predicted as {predicted}"
