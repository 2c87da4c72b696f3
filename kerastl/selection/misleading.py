"""Finds facts about the files that tell a class by themselves, which a model may learn instead."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from kerastl.data.folds import make_folds
from kerastl.data.splits import Splits, spread
from kerastl.lazy import sklearn
from kerastl.training.bootstrap import Means, find_intervals, in_columns

# A fact tells a class if it takes away this share of the uncertainty whether an image is of it.
# Of the classes of CIFAR-10's photographs, of digits and of drawn pictures none reaches more than
# half of it.
_LEAST_SHARE = 0.2
# And clearly more than nothing: by so many standard errors, which random facts reach once in
# a thousand times.
_ERRORS = 3.1
_FOLDS = 5
_LEAST = 1e-12
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
        explained_low: Lower end of its 95 % interval, by the bootstrap over groups; None if it is
            the same in every draw.
        explained_high: Upper end.
        auc: The probability that the fact ranks an image of the class above another one.
        auc_low: Lower end of its interval.
        auc_high: Upper end.
    """

    fact: str
    class_name: str
    num_images: int
    explained: float
    explained_low: float | None
    explained_high: float | None
    auc: float
    auc_low: float | None
    auc_high: float | None


# The columns of `misleading.csv`.
HEADER = tuple(field.name for field in dataclasses.fields(Misleading))


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
            class_names = splits.source.class_names
            found += _look_at(fact, of_fact, _Sample(labels, groups, folds, class_names, seed))
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
            f"learn it instead of what the images show. {suggest_remedy(fact)}; misleading.csv has "
            "the numbers."
        )


def suggest_remedy(fact: str) -> str:
    """Says how the images of a class stop giving it away by a fact, without a full stop."""
    if fact == "border":
        return "Crop the border off the image files"
    return f"Add images whose {fact} does not depend on the class"


class _Sample(NamedTuple):
    """The images that are looked at: their classes and groups, both int64 (images,)."""

    labels: np.ndarray
    groups: np.ndarray
    folds: list[tuple[np.ndarray, np.ndarray]]
    class_names: tuple[str, ...]
    seed: int


def _look_at(fact: str, values: np.ndarray, sample: _Sample) -> Iterator[Misleading]:
    """Yields the classes that a fact tells, the best told first.

    Each is told from those that are left: that an image lacks the frame of one class tells nothing
    of the others.
    """
    labels, groups, folds, class_names, seed = sample
    told, before = _predict(values, labels, len(class_names), folds)
    counts = np.bincount(labels, minlength=len(class_names))
    judged = [
        _judge(told[:, label], before[:, label], labels == label)
        for label in np.flatnonzero(counts > 1).tolist()
    ]
    order = np.argsort([-one.explained for one in judged], kind="stable")
    is_left = np.ones(len(labels), bool)
    # Shares of the classes that are told already.
    done_told, done_before = np.zeros((2, len(labels)))
    for label in np.flatnonzero(counts > 1)[order].tolist():
        is_class = labels == label
        one = _judge(
            told[is_left, label] / (1 - done_told[is_left]),
            before[is_left, label] / (1 - done_before[is_left]),
            is_class[is_left],
        )
        if not one.is_clear(groups[is_left]):
            continue
        numbers = _measure(one, groups[is_left], seed)
        yield Misleading(fact, class_names[label], int(counts[label]), *numbers)
        is_left &= ~is_class
        done_told, done_before = done_told + told[:, label], done_before + before[:, label]


class _Judged(NamedTuple):
    """How a fact changes the uncertainty whether an image is of a class, float64 (images,)."""

    told: np.ndarray
    is_class: np.ndarray
    without: np.ndarray
    gain: np.ndarray

    @property
    def explained(self) -> float:
        return float(self.gain.sum() / max(self.without.sum(), _LEAST))

    def is_clear(self, groups: np.ndarray) -> bool:
        # Images of a group are no independent evidence.
        gains = np.bincount(groups, self.gain)
        error = float(np.std(gains) * np.sqrt(len(gains)))
        return self.explained >= _LEAST_SHARE and bool(self.gain.sum() > _ERRORS * error)

    def tables(self) -> dict[str, csr_array]:
        """Returns what `_scores` are made of: the images at each probability, and the rest."""
        different, place = np.unique(self.told, return_inverse=True)
        return {
            "inside": in_columns(self.is_class, place, len(different)),
            "outside": in_columns(~self.is_class, place, len(different)),
            "without": in_columns(self.without),
            "gain": in_columns(self.gain),
        }


def _judge(told: np.ndarray, before: np.ndarray, is_class: np.ndarray) -> _Judged:
    without = _uncertainty(before, is_class)
    return _Judged(told, is_class, without, without - _uncertainty(told, is_class))


def _measure(one: _Judged, groups: np.ndarray, seed: int) -> tuple[Any, ...]:
    """Measures `explained` and `auc` of `Misleading`, each with its interval."""
    tables = _sum_groups(one.tables(), groups)
    scores, ends = _scores(_sums(tables)), find_intervals(tables, _scores, seed=seed)
    return tuple(
        each
        for name, value in scores.items()
        for each in (float(value[0]), ends.get(f"{name}_low"), ends.get(f"{name}_high"))
    )


def _sums(tables: Mapping[str, csr_array]) -> Means:
    return {name: np.asarray(table.sum(axis=0))[np.newaxis] for name, table in tables.items()}


def _sum_groups(tables: Mapping[str, csr_array], groups: np.ndarray) -> dict[str, csr_array]:
    """Sums over the images of each group, which are no independent evidence."""
    _, numbers = np.unique(groups, return_inverse=True)
    member_of = in_columns(np.ones(len(groups)), numbers, int(numbers.max()) + 1).T.tocsr()
    return {name: csr_array(member_of @ table) for name, table in tables.items()}


def _scores(means: Means) -> dict[str, np.ndarray]:
    """Computes `explained` and `auc` of `Misleading`, for each draw."""
    inside, outside = means["inside"], means["outside"]
    # Images outside at a lower probability, and half of those at the same.
    below = np.cumsum(outside, axis=1) - outside / 2
    pairs = inside.sum(axis=1) * outside.sum(axis=1)
    ranked = np.sum(inside * below, axis=1)
    return {
        "explained": means["gain"][:, 0] / np.maximum(means["without"][:, 0], _LEAST),
        # Rounding may lead beyond 1.
        "auc": np.divide(ranked, pairs, out=np.full(len(pairs), 0.5), where=pairs > 0).clip(0, 1),
    }


def _predict(
    values: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    folds: list[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the probabilities of the classes by the fact and without it, (images, classes)."""
    told, before = np.empty((2, len(labels), num_classes))
    for train, held_out in folds:
        tree = sklearn.tree.DecisionTreeClassifier(
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
    return -np.log(np.maximum(np.where(is_class, probability, 1 - probability), _LEAST))
