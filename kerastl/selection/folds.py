"""Training images dealt to folds and thinned out, class by class, with groups kept together."""

import warnings

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from kerastl.data.splits import Splits
from kerastl.errors import bad_value

# Positions to learn from and positions to judge.
Fold = tuple[np.ndarray, np.ndarray]


def deal_folds(labels: np.ndarray, groups: np.ndarray, *, count: int, seed: int) -> list[Fold]:
    """Deals images to folds, each of which is judged by what was learnt from the others.

    Args:
        labels: Classes, int64 (images,).
        groups: Images of one number are in one fold, int64 (images,).
        count: Folds; fewer where the largest class or the groups are fewer, none where all would
            be in one.
        seed: Decides the folds.
    """
    count = min(count, int(np.bincount(labels).max()), len(np.unique(groups)))
    if count < 2:  # noqa: PLR2004  two sides
        return []
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # It warns of classes with fewer images than folds, which some folds then go without.
        warnings.simplefilter("ignore", UserWarning)
        return list(splitter.split(labels, labels, groups))


def take_part(
    labels: np.ndarray,
    groups: np.ndarray,
    *,
    fraction: float,
    seed: int,
    fewest_groups: int = 1,
) -> np.ndarray:
    """Takes a fraction of each class at random, and at least one image of it.

    Groups are taken whole, so it may be a few more. With the same seed a smaller fraction is
    a part of a larger one.

    Args:
        labels: Classes, int64 (images,).
        groups: Numbers of the groups, int64 (images,).
        fraction: Share of each class, above 0 and at most 1.
        seed: Decides which.
        fewest_groups: Of each class, where it has so many; one image makes a group.

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
    # Within each class, the number of its group in the order in which groups are taken.
    pairs, pair = np.unique(labels * len(numbers) + turn, return_inverse=True)
    number = pair - np.searchsorted(pairs, labels * len(numbers))
    taken = (place < quota[labels]) | (number < fewest_groups)
    return np.flatnonzero(np.isin(group, group[taken]))


def check_enough(splits: Splits) -> None:
    """Refuses training images that cannot be dealt to folds.

    Raises:
        UsageError: If fewer than two classes have images that may be apart.
    """
    labels, clusters = splits.source.labels[splits.train], splits.clusters[splits.train]
    pairs = np.unique(np.stack([labels, clusters]), axis=1)
    apart = np.bincount(pairs[0]) > 1
    if apart.sum() <= 1:
        raise bad_value(
            "dataset",
            splits.source.name,
            "has too few training images to learn from some and judge by others",
            "Give two classes at least two images that are not alike",
        )
