"""Accuracy and confusion matrix of files whose folders are named after their classes.

Images that the model has learned from are counted: on them it is better than on new ones.
"""

import collections
import pathlib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from kerastl.progress import count_of
from kerastl.serving.prediction import Prediction
from kerastl.split_names import TRAIN, VALIDATION
from kerastl.training.scores import accuracy_interval

# Up to this many classes the whole matrix is shown; above, the most frequent mistakes.
_MAX_SHOWN = 20


class Confusion:
    """Counts predicted classes by true class; holds only the pairs that occur."""

    def __init__(self, class_names: Sequence[str], seen: Mapping[str, str] | None = None) -> None:
        """Takes the classes, and the split of each image of the model's run by its hash."""
        self._class_names = class_names
        self._seen = seen
        self._known = frozenset(class_names)
        # True class, predicted class -> images.
        self._pairs: collections.Counter[tuple[str, str]] = collections.Counter()
        self._num_unlabeled = 0
        # Split of the model's run, whether the class is right -> images.
        self._by_split: collections.Counter[tuple[str, bool]] = collections.Counter()

    def add(self, prediction: Prediction) -> None:
        """Counts a prediction, unless its file could not be used."""
        if prediction.problem:
            return
        true = self._find_class(prediction.path)
        if true is None:
            self._num_unlabeled += 1
        else:
            self._pairs[true, prediction.class_name] += 1
            split = (self._seen or {}).get(prediction.sha256, "")
            self._by_split[split, true == prediction.class_name] += 1

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
        yield from self._seen_lines(count)
        yield from (
            self._matrix_lines() if len(self._class_names) <= _MAX_SHOWN else self._mistake_lines()
        )

    def _seen_lines(self, count: int) -> Iterator[str]:
        """Yields lines about images that the model has learned from, if there are any."""
        if self._seen is None:
            yield (
                "Not checked whether the model was trained on some of these images: for that, give "
                "the directory of its run."
            )
            return
        learned, chose = (
            sum(self._by_split[split, is_right] for is_right in (True, False))
            for split in (TRAIN, VALIDATION)
        )
        if not learned + chose:
            return
        yield (
            f"Warning: the model was trained on {learned} of these images, and {chose} were "
            "validation images, which chose its best epoch: this accuracy is too high."
        )
        if new := count - learned - chose:
            correct = sum(
                number
                for (split, is_right), number in self._by_split.items()
                if is_right and split not in (TRAIN, VALIDATION)
            )
            low, high = accuracy_interval(correct, new)
            yield (
                f"Accuracy without them {correct / new:.4f} ({low:.4f}-{high:.4f}) on "
                f"{count_of(new, 'image')}"
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
