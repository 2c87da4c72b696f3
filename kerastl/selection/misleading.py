"""Finds facts about the files that tell a class by themselves, which a model may learn instead."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from kerastl.data.folds import make_folds
from kerastl.data.splits import Splits, spread
from kerastl.lazy import LazyModule

_metrics = LazyModule("sklearn.metrics")
_tree = LazyModule("sklearn.tree")

# A fact tells a class if it takes away this share of the uncertainty whether an image is of it.
# Of the classes of CIFAR-10's photographs, of digits and of drawn pictures none reaches more than
# half of it.
_LEAST_SHARE = 0.2
# And clearly more than nothing: by so many standard errors, which random facts reach once in
# a thousand times.
_ERRORS = 3.1
_FOLDS = 5
# More leaves find no more here, since a fact has one or two numbers.
_LEAVES, _LEAST_IN_LEAF = 16, 5
# Images that are looked at, and of many classes their product with the classes.
_MOST_IMAGES, _MOST_PRODUCT, _FEWEST = 20_000, 10_000_000, 2_000


@dataclasses.dataclass(frozen=True)
class Misleading:
    """A fact that tells a class from the others.

    Attributes:
        fact: Its name.
        class_name: The class.
        num_images: Training images of the class that were looked at.
        explained: The share of the uncertainty (cross-entropy) whether an image is of the class
            that the fact takes away.
        auc: The probability that the fact ranks an image of the class above another one.
    """

    fact: str
    class_name: str
    num_images: int
    explained: float
    auc: float


def find_misleading(splits: Splits, *, seed: int) -> tuple[Misleading, ...]:
    """Finds facts that tell a class of the training images, most telling first.

    For each fact a small decision tree names the class of images that it has not seen, nor others
    of their group, by cross-validation.
    """
    labels = splits.source.labels[splits.train]
    most = max(_FEWEST, min(_MOST_IMAGES, _MOST_PRODUCT // len(splits.source.class_names)))
    chosen = spread(len(labels), most)
    labels, groups = labels[chosen], splits.clusters[splits.train][chosen]
    folds = make_folds(labels, groups, count=_FOLDS, seed=seed)
    found: list[Misleading] = []
    for fact, values in splits.source.facts.items():
        of_fact = values[splits.train][chosen]
        if folds and len(np.unique(of_fact, axis=0)) > 1:
            found += _look_at(fact, of_fact, labels, groups, folds, splits.source.class_names)
    return tuple(sorted(found, key=lambda one: -one.explained))


def warn_of_misleading(found: tuple[Misleading, ...]) -> Iterator[str]:
    """Yields a line for each fact that tells a class, with the class that it tells best."""
    by_fact: dict[str, list[Misleading]] = {}
    for one in found:
        by_fact.setdefault(one.fact, []).append(one)
    for fact, (best, *others) in by_fact.items():
        more = f" and {len(others)} more" if others else ""
        yield (
            f"Warning: {fact} alone tells class {best.class_name!r}{more} from the others: it "
            f"takes away {best.explained:.0%} of the uncertainty (AUC {best.auc:.2f}). A model may "
            "learn it instead of what the images show; misleading.csv has the numbers."
        )


def _look_at(
    fact: str,
    values: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    folds: list[tuple[np.ndarray, np.ndarray]],
    class_names: tuple[str, ...],
) -> Iterator[Misleading]:
    told, before = _predict(values, labels, len(class_names), folds)
    counts = np.bincount(labels, minlength=len(class_names))
    for label in np.flatnonzero(counts > 1).tolist():
        is_class = labels == label
        without = _uncertainty(before[:, label], is_class)
        gain = without - _uncertainty(told[:, label], is_class)
        # Images of a group are no independent evidence.
        gains = np.bincount(groups, gain)
        error = float(np.std(gains) * np.sqrt(len(gains)))
        explained = float(gain.sum() / without.sum())
        if explained >= _LEAST_SHARE and gain.sum() > _ERRORS * error:
            auc = float(_metrics.roc_auc_score(is_class, told[:, label]))
            yield Misleading(fact, class_names[label], int(counts[label]), explained, auc)


def _predict(
    values: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    folds: list[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the probabilities of the classes by the fact and without it, (images, classes)."""
    told, before = np.empty((2, len(labels), num_classes))
    for train, held_out in folds:
        tree = _tree.DecisionTreeClassifier(
            max_leaf_nodes=_LEAVES, min_samples_leaf=_LEAST_IN_LEAF, random_state=0
        )
        leaves = tree.fit(values[train], labels[train]).apply(values[train])
        # One image more of each class in its share keeps every probability above 0.
        shares = (np.bincount(labels[train], minlength=num_classes) + 0.5) / (
            len(train) + 0.5 * num_classes
        )
        counts = np.zeros((leaves.max() + 1, num_classes))
        np.add.at(counts, (leaves, labels[train]), 1)
        counts += shares
        told[held_out] = (counts / counts.sum(axis=1, keepdims=True))[tree.apply(values[held_out])]
        before[held_out] = shares
    return told, before


def _uncertainty(probability: np.ndarray, is_class: np.ndarray) -> np.ndarray:
    """Computes the cross-entropy of each image, in nats."""
    return np.asarray(-np.log(np.where(is_class, probability, 1 - probability)))
