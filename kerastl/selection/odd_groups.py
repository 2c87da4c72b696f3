"""Finds groups of images that are like no class: pictures that came into the data by mistake.

A probe learns such a group as a part of the class that it lies in, and each of its images has the
others as neighbors. So a group is judged by classes that were measured without it.
"""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

from kerastl.data.source import USED, Finding, Source
from kerastl.data.splits import Splits, spread
from kerastl.lazy import sklearn
from kerastl.progress import count_of
from kerastl.training.whitening import find_whitening, of_length_1

# Clusters have about so many images, a class so many of them, and one with fewer images than the
# least shows nothing.
_OF_CLUSTER, _MOST_CLUSTERS, _FEWEST = 20, 20, 5
# Times that the clusters are begun anew, of which the best are taken: a group that lies far from
# its class is then a cluster of its own.
_BEGINNINGS = 5
# A cluster is like no class if it is so many times as far from the nearest one as the median
# cluster. In CIFAR-10, digits and drawn pictures without such groups, and in halves of them, none
# was more than 2.41 times as far; docs/how_to/wrong_labels.md has what is found of such groups.
_FAR = 2.5
# Directions of the largest variance that count, and images for each.
_MOST_DIRECTIONS, _FOR_DIRECTION = 100, 10
# Images that are looked at. What was found is left out, and the rest looked at once more.
_MOST_IMAGES, _ROUNDS = 20_000, 2
KIND = "group unlike every class"


@dataclasses.dataclass(frozen=True, eq=False)
class OddGroup:
    """Images of a class that lie together and far from every class.

    Attributes:
        indices: Their positions in the source, int64.
        times: How many times as far they are from the nearest class as the median cluster.
    """

    indices: np.ndarray
    times: float


def find_odd_groups(
    features: np.ndarray, splits: Splits, indices: np.ndarray, *, seed: int
) -> tuple[OddGroup, ...]:
    """Finds the groups, the farthest first.

    The images of each class are put into clusters. One cluster of each class at a time is left out,
    and its distance measured from the means of the classes, in units of the deviations of the
    images that are left (Mahalanobis).

    Args:
        features: Float32 (images, channels).
        splits: Where the images are from.
        indices: Their positions in the source.
        seed: Seed of the clusters.
    """
    chosen = spread(len(indices), min(len(indices), _MOST_IMAGES))
    if not len(chosen):
        return ()
    places, labels = indices[chosen], splits.source.labels[indices[chosen]]
    values = _project(features[chosen])
    is_left = np.ones(len(chosen), bool)
    found: list[OddGroup] = []
    for _ in range(_ROUNDS):
        left = np.flatnonzero(is_left)
        odd = list(_find(values[left], labels[left], seed=seed))
        found += [OddGroup(places[left[group]], times) for group, times in odd]
        for group, _ in odd:
            is_left[left[group]] = False
        if not odd:
            break
    return tuple(sorted(found, key=lambda one: -one.times))


def list_findings(source: Source, groups: Iterable[OddGroup]) -> Iterator[Finding]:
    """Yields a finding of the audit for each image."""
    for number, group in enumerate(groups, start=1):
        for index in group.indices.tolist():
            detail = (
                f"group {number}, {count_of(len(group.indices), 'image')} in "
                f"{source.class_names[source.labels[index]]}, {group.times:.1f} times as far from "
                "the nearest class as usual"
            )
            sha256 = source.hashes[index].tobytes().hex()
            yield Finding(source.examples[index], KIND, detail, sha256=sha256)


def describe_groups(source: Source, groups: tuple[OddGroup, ...]) -> Iterator[str]:
    """Yields the line that a run prints, if there are any."""
    if groups:
        count = sum(len(group.indices) for group in groups)
        yield (
            f"Audit: {KIND}: {count_of(count, 'image')} in {count_of(len(groups), 'group')}, as "
            f"{source.examples[groups[0].indices[0]]}. {USED} drop them."
        )


def _project(features: np.ndarray) -> np.ndarray:
    """Projects features of length 1 to the directions of the largest variance, float64."""
    values = of_length_1(features)
    values = (values - values.mean(axis=0)).astype(np.float64)
    count = max(1, min(_MOST_DIRECTIONS, len(values) // _FOR_DIRECTION))
    _, directions = np.linalg.eigh(values.T @ values)
    projected: np.ndarray = values @ directions[:, -count:]
    return projected


def _find(
    values: np.ndarray, labels: np.ndarray, *, seed: int
) -> Iterator[tuple[np.ndarray, float]]:
    """Yields the positions of each group, and how many times as far as usual it is."""
    clusters = _find_clusters(values, labels, seed=seed)
    distances: dict[tuple[int, int], float] = {}
    for number in range(int(clusters.max(initial=-1)) + 1):
        is_out = clusters == number
        whiten, centers = _measure(values[~is_out], labels[~is_out])
        for label in np.unique(labels[is_out]).tolist():
            white = values[is_out & (labels == label)] @ whiten
            if len(white) >= _FEWEST:
                distances[number, label] = _distance(white, centers)
    usual = float(np.median([*distances.values()])) if distances else 0.0
    for (number, label), distance in distances.items():
        if distance > _FAR * usual > 0:
            group = np.flatnonzero((clusters == number) & (labels == label))
            yield group, distance / usual


def _find_clusters(values: np.ndarray, labels: np.ndarray, *, seed: int) -> np.ndarray:
    """Numbers the clusters of each class; -1 in one that is too small, int64 (images,)."""
    clusters = np.full(len(labels), -1)
    for label in np.unique(labels).tolist():
        of_class = np.flatnonzero(labels == label)
        count = min(_MOST_CLUSTERS, max(2, round(len(of_class) / _OF_CLUSTER)))
        different = len(np.unique(values[of_class], axis=0))
        if len(of_class) >= 2 * _FEWEST and different >= count:
            found = sklearn.cluster.KMeans(count, n_init=_BEGINNINGS, random_state=seed)
            clusters[of_class] = found.fit_predict(values[of_class])
    return clusters


def _measure(values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns what makes deviations from the class means unit ones, and the means made so."""
    names, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
    centers = np.zeros((len(names), values.shape[1]))
    np.add.at(centers, numbers, values)
    centers /= counts[:, np.newaxis]
    inside = values - centers[numbers]
    whiten = find_whitening(inside.T @ inside / len(values), len(values))
    return whiten, centers @ whiten


def _distance(white: np.ndarray, centers: np.ndarray) -> float:
    """Returns the distance of the mean of images from the nearest center, less what is chance."""
    squares = np.sum((white.mean(axis=0) - centers) ** 2, axis=1)
    chance = float(white.var(axis=0, ddof=1).sum()) / len(white)
    return float(np.sqrt(max(0.0, float(squares.min()) - chance)))
