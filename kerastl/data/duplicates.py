"""Images that are equal or nearly so, and which images a split must therefore keep together."""

import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from scipy.sparse import coo_array, csgraph

from kerastl.data.inspection import DESCRIPTOR_BYTES, Inspection
from kerastl.data.near import find_near
from kerastl.data.source import Cause

# A class is a copy of others if this share of its images are there, and at least so many.
_MOST_OF_A_CLASS, _FEWEST = 0.9, 4


def find_duplicates(inspections: Sequence[Inspection]) -> Iterator[list[int]]:
    """Yields groups (two or more) of positions of images with the same pixels."""
    by_pixels: dict[str, list[int]] = {}
    for number, one in enumerate(inspections):
        by_pixels.setdefault(one.pixels, []).append(number)
    yield from (numbers for numbers in by_pixels.values() if len(numbers) > 1)


def find_near_duplicates(inspections: Sequence[Inspection]) -> Iterator[list[int]]:
    """Yields groups (two or more) of positions of images that look nearly the same.

    Each image of a list is near its first one, so no chain of small steps joins pictures that
    differ. Equal pixels are left to `find_duplicates`. Pictures of one color are all near each
    other and never count.
    """
    yield from _find_alike(inspections, [one.descriptor for one in inspections])


def find_turned_duplicates(
    inspections: Sequence[Inspection], upright: Iterable[Sequence[int]]
) -> Iterator[list[int]]:
    """Yields such groups of images that look alike once they are turned or mirrored.

    `upright` are the groups of those that need not be, which are left out.
    """
    known = {frozenset((one[0], other)) for one in upright for other in one[1:]}
    for first, *others in _find_alike(inspections, [one.turned for one in inspections]):
        if more := [other for other in others if frozenset((first, other)) not in known]:
            yield [first, *more]


def _find_alike(
    inspections: Sequence[Inspection], descriptors_of: Sequence[str]
) -> Iterator[list[int]]:
    varied = (number for number, one in enumerate(inspections) if not one.is_flat)
    # The lists depend on which file is first, which must not be the order of the files.
    numbers = np.array(sorted(varied, key=lambda number: inspections[number].pixels), int)
    found = b"".join(bytes.fromhex(descriptors_of[number]) for number in numbers)
    _, pixels = np.unique([inspections[number].pixels for number in numbers], return_inverse=True)
    descriptors = np.frombuffer(found, np.uint8).reshape(len(numbers), DESCRIPTOR_BYTES)
    for group in find_near(descriptors, pixels):
        yield numbers[group].tolist()


def find_copied_class(
    labels: np.ndarray, lists: Iterable[Sequence[int]]
) -> tuple[int, set[int], int] | None:
    """Finds a class that most of whose images are in other classes, too, each beside its own.

    A scene of many images that are alike makes few lists, and no class is a copy by that.

    Returns:
        Its label, those of the other classes, and the number of its images that are there.
    """
    beside: dict[int, set[int]] = {}
    shared: collections.Counter[int] = collections.Counter()
    for numbers in lists:
        together = set(labels[list(numbers)].tolist())
        for label in together if len(together) > 1 else ():
            shared[label] += 1
            beside.setdefault(label, set()).update(together - {label})
    counts = np.bincount(labels)
    copies = [
        label
        for label, count in shared.items()
        if count >= max(_FEWEST, _MOST_OF_A_CLASS * counts[label])
    ]
    if not copies:
        return None
    # A copy of all has the most.
    most = max(copies, key=lambda label: (shared[label], -label))
    return most, beside[most], shared[most]


def find_causes(
    groups: np.ndarray | None, lists: Mapping[Cause, Sequence[Sequence[int]]], *, count: int
) -> np.ndarray:
    """Returns for each image why others are kept beside it, as `Cause` in int8 (images,)."""
    causes = np.zeros(count, np.int8)
    if groups is not None:
        _, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        causes[sizes[inverse] > 1] |= Cause.GROUP
    for cause, of_cause in lists.items():
        for numbers in of_cause:
            causes[list(numbers)] |= cause
    return causes


def join_groups(
    count: int, groups: np.ndarray | None, lists: Iterable[Sequence[int]]
) -> np.ndarray:
    """Numbers images so that those which belong together have the same number, int64 (images,).

    `lists` has the positions of those that belong together beside the given `groups`.
    """
    pairs = [np.array([numbers[:-1], numbers[1:]]) for numbers in lists]
    if groups is not None:
        _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
        pairs.append(np.array([first[inverse], np.arange(count)]))
    starts, ends = np.concatenate([np.zeros((2, 0), np.int64), *pairs], axis=1)
    graph = coo_array((np.ones(len(starts), bool), (starts, ends)), shape=(count, count))
    numbers: np.ndarray = csgraph.connected_components(graph, directed=False)[1]
    return numbers.astype(np.int64)
