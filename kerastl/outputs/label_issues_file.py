"""The file of training images whose label is probably wrong."""

from collections.abc import Iterable, Iterator
from typing import Any

from kerastl.data.splits import Splits

HEADER = (
    "example",
    "class_name",
    "probability",
    "likelier",
    "its_probability",
    "sha256",
)


def list_rows(
    splits: Splits, issues: Iterable[tuple[int, float, int, float]]
) -> Iterator[tuple[Any, ...]]:
    """Yields the row of each issue.

    Args:
        splits: The images.
        issues: For each its position in `splits.train`, the probability of its label, and the
            likeliest class with its probability.
    """
    source, names = splits.source, splits.source.class_names
    for position, probability, likelier, its_probability in issues:
        index = splits.train[position]
        yield (
            source.examples[index],
            names[source.labels[index]],
            f"{probability:.4f}",
            names[likelier],
            f"{its_probability:.4f}",
            source.hashes[index].tobytes().hex(),
        )
