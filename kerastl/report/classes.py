"""What the model takes for what: classes, pairs of them, and the images behind each number."""

import collections
import dataclasses
import itertools
from collections.abc import Mapping

import numpy as np

from kerastl.outputs.heat_maps import MOST_MISTAKES
from kerastl.report.heat import Heat
from kerastl.report.predictions import Predictions
from kerastl.report.thumbnails import Picture, Thumbnails
from kerastl.training.scores import CLASS_SCORES, ClassCounts, accuracy_interval, class_scores

# What is shown of more: classes in the table and in the matrix, pairs, images of a cell.
_MOST_ROWS, _MOST_IN_MATRIX, _MOST_PAIRS = 1000, 15, 20
_MOST_OF_CELL = 12


@dataclasses.dataclass(frozen=True)
class Tested:
    """A test image with the model's prediction.

    Attributes:
        example: Its name.
        class_name: Its class.
        first: The most probable classes with their probabilities.
        picture: Its thumbnail, if there is one.
        heat: The same with the evidence for the first class, if it is known where that is.
        sha256: Its hash, by which it can be fixed; empty if it cannot.
    """

    example: str
    class_name: str
    first: tuple[tuple[str, float], ...]
    picture: Picture | None
    heat: Picture | None = None
    sha256: str = ""


@dataclasses.dataclass(frozen=True)
class ClassRow:
    """A class in the table.

    Attributes:
        name: Its name.
        scores: CLASS_SCORES by name.
        trained: Its training images.
        taken_for: The class that it is most often taken for, empty if it never is.
        cell: The cell of that pair.
    """

    name: str
    scores: Mapping[str, float]
    trained: int
    taken_for: str
    cell: str


@dataclasses.dataclass(frozen=True)
class Cell:
    """The test images of one class that are named as one class.

    Attributes:
        key: Its anchor in the page.
        class_name: The true class.
        predicted: The class that the model names.
        count: Its images.
        share: Their share of the true class.
        low: Lower end of its interval.
        high: Upper end.
        images: The first of them: of mistakes the surest, of right ones the least sure.
    """

    key: str
    class_name: str
    predicted: str
    count: int
    share: float
    low: float = 0.0
    high: float = 1.0
    images: tuple[Tested, ...] = ()


@dataclasses.dataclass(frozen=True)
class Matrix:
    """The confusion matrix, or the part of it with the most mistakes.

    Attributes:
        class_names: Its classes.
        rows: For each its cells, one for each class; last, of a part, one for the others.
        num_classes: Classes that there are.
    """

    class_names: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    num_classes: int

    @property
    def is_part(self) -> bool:
        """Whether it lacks classes."""
        return len(self.class_names) < self.num_classes


class Confusion:
    """Counts the pairs of true and named classes, and knows their images."""

    def __init__(self, predictions: Predictions) -> None:
        self._all = predictions
        self._counts = ClassCounts.of(
            predictions.labels, predictions.predicted, len(predictions.class_names)
        )
        self._images: dict[tuple[int, int], list[int]] = collections.defaultdict(list)
        pairs = zip(predictions.labels.tolist(), predictions.predicted.tolist(), strict=True)
        for image, pair in enumerate(pairs):
            self._images[pair].append(image)
        wrong = [pair for pair in self._images if pair[0] != pair[1]]
        self._mistakes = sorted(wrong, key=lambda pair: (-len(self._images[pair]), pair))
        self._in_matrix = list(range(len(predictions.class_names)))
        if len(self._in_matrix) > _MOST_IN_MATRIX:
            ranked = dict.fromkeys(label for pair in self._mistakes for label in pair)
            self._in_matrix = sorted([*ranked][:_MOST_IN_MATRIX])
        inside = {(label, other) for label in self._in_matrix for other in self._in_matrix}
        # The cells of the page: those of the matrix with images, and of the mistakes listed.
        self._shown = (inside & self._images.keys()) | set(self._mistakes[:_MOST_PAIRS])

    @property
    def num_mistakes(self) -> int:
        """Counts the images that are named wrongly."""
        return int(np.sum(self._all.labels != self._all.predicted))

    def classes(self, trained: Mapping[str, int]) -> list[ClassRow]:
        """Lists the classes that were tested, those with the lowest recall first."""
        scores = class_scores(self._counts)
        worst = {label: pair for pair in reversed(self._mistakes) for label in pair[:1]}
        order = np.lexsort((-self._counts.images, scores["recall"]))
        rows = []
        for label in [each for each in order.tolist() if self._counts.images[each]][:_MOST_ROWS]:
            name, pair = self._all.class_names[label], worst.get(label)
            values = {column: float(scores[column][label]) for column in CLASS_SCORES}
            taken_for = self._all.class_names[pair[1]] if pair else ""
            # A cell that is not on the page is no place to lead to.
            cell = _key(*pair) if pair in self._shown else ""
            rows.append(ClassRow(name, values, trained.get(name, 0), taken_for, cell))
        return rows

    def pairs(self) -> list[Cell]:
        """Lists the most frequent mistakes."""
        return [self._cell(*pair) for pair in self._mistakes[:_MOST_PAIRS]]

    def matrix(self) -> Matrix:
        """Returns the matrix, of many classes those with the most mistakes."""
        labels = self._in_matrix
        is_part = len(labels) < len(self._all.class_names)
        rows = []
        for label in labels:
            cells = [self._cell(label, other) for other in labels]
            if is_part:
                name = self._all.class_names[label]
                left = int(self._counts.images[label]) - sum(cell.count for cell in cells)
                cells.append(Cell("", name, "", left, self._share(label, left)))
            rows.append(tuple(cells))
        names = tuple(self._all.class_names[label] for label in labels)
        return Matrix(names, tuple(rows), len(self._all.class_names))

    def mistakes(
        self, thumbnails: Thumbnails, heat: Heat, hashes: Mapping[str, str]
    ) -> list[Tested]:
        """Lists the mistakes that the model is surest of; `hashes` are by the names of images."""
        wrong = np.flatnonzero(self._all.labels != self._all.predicted)
        order = wrong[np.argsort(-self._all.confidence[wrong], kind="stable")]
        chosen = order[:MOST_MISTAKES].tolist()
        found = [self._tested(image, thumbnails, heat) for image in chosen]
        return [dataclasses.replace(one, sha256=hashes.get(one.example, "")) for one in found]

    def recognized(self, thumbnails: Thumbnails, heat: Heat) -> list[Tested]:
        """Lists the right images whose evidence is known."""
        right = np.flatnonzero(self._all.labels == self._all.predicted).tolist()
        chosen = [image for image in right if self._all.examples[image] in heat]
        return [self._tested(image, thumbnails, heat) for image in chosen]

    def cells(self, thumbnails: Thumbnails) -> list[Cell]:
        """Lists the cells that the page leads to, with their images.

        The most frequent mistakes come first, then right ones. Where the page has no room for all
        pictures, each cell gets its first one before any gets its second.
        """
        mistakes = [pair for pair in self._mistakes if pair in self._shown]
        pairs = [*mistakes, *sorted(self._shown - set(mistakes))]
        chosen = {pair: self._images_of(*pair)[:_MOST_OF_CELL] for pair in pairs}
        shown: dict[tuple[int, int], list[Tested]] = {pair: [] for pair in pairs}
        for row in itertools.zip_longest(*chosen.values()):
            for pair, image in zip(pairs, row, strict=True):
                if image is not None:
                    shown[pair].append(self._tested(image, thumbnails))
        return [
            dataclasses.replace(self._cell(*pair), images=tuple(images))
            for pair, images in shown.items()
        ]

    def _images_of(self, label: int, predicted: int) -> list[int]:
        """Lists the images of a cell: of mistakes the surest first, of right ones the least."""
        sign = 1 if label == predicted else -1
        images = self._images[label, predicted]
        return sorted(images, key=lambda image: sign * float(self._all.confidence[image]))

    def _cell(self, label: int, predicted: int) -> Cell:
        count = len(self._images.get((label, predicted), ()))
        names = self._all.class_names
        key = _key(label, predicted) if count else ""
        low, high = accuracy_interval(count, int(self._counts.images[label]))
        share = self._share(label, count)
        return Cell(key, names[label], names[predicted], count, share, low, high)

    def _share(self, label: int, count: int) -> float:
        return count / max(1, int(self._counts.images[label]))

    def _tested(self, image: int, thumbnails: Thumbnails, heat: Heat | None = None) -> Tested:
        names, example = self._all.class_names, self._all.examples[image]
        return Tested(
            example,
            names[self._all.labels[image]],
            tuple(
                (names[label], float(probability))
                for label, probability in zip(
                    self._all.first[image], self._all.probabilities[image], strict=True
                )
            ),
            thumbnails.of(example),
            heat.of(example) if heat else None,
        )


def _key(label: int, predicted: int) -> str:
    return f"cell-{label}-{predicted}"
