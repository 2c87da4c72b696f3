"""Folds and subsamples of the training images: stratified by class, with groups kept together."""

import numpy as np

from kerastl.data.splits import Splits
from kerastl.environment import ignored_warnings
from kerastl.errors import bad_value
from kerastl.lazy import sklearn

# Positions of the training images and of the held-out images.
Fold = tuple[np.ndarray, np.ndarray]


def make_folds(labels: np.ndarray, groups: np.ndarray, *, count: int, seed: int) -> list[Fold]:
    """Divides images into folds for cross-validation.

    Args:
        labels: Classes, int64 (images,).
        groups: Group of each image, int64 (images,); a group is never divided.
        count: Number of folds; fewer if the largest class has fewer images or there are fewer
            groups, and none if all images are one group.
        seed: Seed of the folds.
    """
    count = min(count, int(np.bincount(labels).max()), len(np.unique(groups)))
    if count <= 1:
        return []
    # Groups are shuffled here: scikit-learn before 1.8 shuffles their classes without them.
    numbers, group = np.unique(groups, return_inverse=True)
    shuffled = np.argsort(np.random.RandomState(seed).permutation(len(numbers)))[group]
    # scikit-learn warns of classes with fewer images than folds, which is fine here.
    with ignored_warnings(UserWarning):
        return list(
            sklearn.model_selection.StratifiedGroupKFold(count).split(labels, labels, shuffled)
        )


def subsample(
    labels: np.ndarray,
    groups: np.ndarray,
    *,
    fraction: float,
    seed: int,
    fewest_groups: int = 1,
) -> np.ndarray:
    """Draws a fraction of each class at random, and at least one image of it.

    Groups are drawn whole, so there may be a few more. With the same seed a smaller fraction is
    a subset of a larger one.

    Args:
        labels: Classes, int64 (images,).
        groups: Group of each image, int64 (images,).
        fraction: Share of each class, above 0 and at most 1.
        seed: Seed of the draw.
        fewest_groups: Least number of groups of each class that has as many.

    Returns:
        Positions in ascending order, int64.
    """
    numbers, group = np.unique(groups, return_inverse=True)
    turn = np.random.default_rng(seed).permutation(len(numbers))[group]
    order = np.lexsort((turn, labels))
    sizes = np.bincount(labels)
    starts = np.cumsum(sizes) - sizes
    place = np.empty(len(labels), np.int64)
    place[order] = np.arange(len(labels)) - starts[labels[order]]
    quota = np.maximum(1, np.round(fraction * sizes))
    # Within each class, the position of its group in the order in which groups are drawn.
    pairs, pair = np.unique(labels * len(numbers) + turn, return_inverse=True)
    number = pair - np.searchsorted(pairs, labels * len(numbers))
    drawn = (place < quota[labels]) | (number < fewest_groups)
    return np.flatnonzero(np.isin(group, group[drawn]))


def check_enough(splits: Splits) -> None:
    """Checks that there are enough training images for cross-validation.

    Raises:
        UsageError: If fewer than two classes have images in more than one group.
    """
    labels, clusters = splits.source.labels[splits.train], splits.clusters[splits.train]
    pairs = np.unique(np.stack([labels, clusters]), axis=1)
    if (np.bincount(pairs[0]) > 1).sum() <= 1:
        raise bad_value(
            "dataset",
            splits.source.name,
            "has too few training images for cross-validation",
            "Give two classes at least two images that are not alike",
        )
