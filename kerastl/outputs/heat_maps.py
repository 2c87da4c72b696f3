"""`heat_maps.csv`: where the evidence for their class is in some test images, for the page.

Imports no TensorFlow.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from kerastl.data.splits import Splits
from kerastl.training.evaluation import Evaluation

HEADER = ("example", "class_name", "rows", "columns", "evidence")
# Mistakes, and right ones of as many classes, that have a map.
MOST_MISTAKES, MOST_RIGHT = 12, 6


class HeatMap(NamedTuple):
    """Where the evidence for a class is.

    Attributes:
        class_name: The class that the model names.
        evidence: Float (rows, columns) over the network's input, above 0 where something speaks
            for the class.
    """

    class_name: str
    evidence: np.ndarray


def list_heat_maps(
    splits: Splits,
    test: Evaluation,
    locate: Callable[[np.ndarray, np.ndarray], np.ndarray | None],
) -> Iterator[tuple[str | int, ...]]:
    """Lists the rows: of the mistakes that the model is surest of, then of right images.

    `locate` is `Trained.locate_evidence`. Where it has no maps there are no rows.
    """
    right = test.predicted == test.labels
    mistakes, others = test.surest(~right)[:MOST_MISTAKES], test.surest(right)
    # The surest of each class.
    _, firsts = np.unique(test.labels[others], return_index=True)
    chosen = np.concatenate([mistakes, others[np.sort(firsts)][:MOST_RIGHT]])
    source, indices = splits.source, splits.test[chosen]
    maps = locate(indices, test.predicted[chosen])
    if maps is None:
        return
    for index, label, evidence in zip(indices, test.predicted[chosen], maps, strict=True):
        numbers = " ".join(f"{value:.4g}" for value in evidence.flat)
        yield source.examples[index], source.class_names[label], *evidence.shape, numbers


def read_heat_map(row: Mapping[str, str]) -> HeatMap:
    """Reads a row.

    Raises:
        ValueError: If it is damaged.
    """
    evidence = np.array(row["evidence"].split(), float)
    return HeatMap(row["class_name"], evidence.reshape(int(row["rows"]), int(row["columns"])))
