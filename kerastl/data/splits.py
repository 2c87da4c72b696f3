"""Splits a source's images into training, validation and test, the same way every time."""

import collections
import dataclasses
import functools
import hashlib
import pathlib
from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np

from kerastl.data.content import as_keys
from kerastl.data.source import Cause, Source
from kerastl.data.stratify import Sizes, assign_clusters, count_sizes
from kerastl.errors import UsageError, bad_value, name_some
from kerastl.progress import count_of
from kerastl.settings import DataSettings
from kerastl.split_names import ALL_NAMES, SPLITS, TEST, TRAIN, VALIDATION


@dataclasses.dataclass(frozen=True)
class Teacher:
    """A finished run whose answers for the training images are learned.

    Attributes:
        model: Its Keras file.
        fingerprint: Hash of its network and weights.
        image_size: Side of the images that it takes, in pixels.
        resize: How they become square.
    """

    model: pathlib.Path
    fingerprint: str
    image_size: int
    resize: str


@dataclasses.dataclass(frozen=True, eq=False)
class Splits:
    """Indices into a source's images, int64.

    Attributes:
        source: Where the images are.
        train: Images to learn from, in an order that their content decides: training depends on
            the data and not on how they are named or sorted. The others are in the source's
            order.
        validation: Images that choose the best weights.
        test: Images that are evaluated once, at the end.
        unused: Training images left out by `examples_per_class`.
        earlier: The splits of an earlier run that were kept, by the names of its images.
        teacher: Answers for the training images; None if these have labels alone.
    """

    # With the training images that `examples_per_class` leaves out.
    NAMES: ClassVar = ALL_NAMES

    source: Source
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    unused: np.ndarray
    earlier: Mapping[str, str] = dataclasses.field(default_factory=dict)
    teacher: Teacher | None = None

    @property
    def used(self) -> np.ndarray:
        """Indices of the images of all three splits, int64."""
        return np.concatenate([self.train, self.validation, self.test])

    @functools.cached_property
    def clusters(self) -> np.ndarray:
        """Number of each image of the source, int64 (images,), the same for what stays together."""
        return _clusters(self.source)

    def seen_before(self) -> np.ndarray:
        """Finds the test images that training or validation has too, bool (test,)."""
        clusters = self.clusters
        return np.isin(clusters[self.test], clusters[np.concatenate([self.train, self.validation])])

    def fingerprints(self) -> dict[str, str]:
        """Hashes the images of each split with their classes, whatever their order and names."""
        classes = np.array(self.source.class_names)[self.source.labels]
        found = {}
        for name, indices in self.items():
            rows = zip(self.source.hashes[indices], classes[indices].tolist(), strict=True)
            lines = sorted(content.tobytes() + label.encode() for content, label in rows)
            found[name] = hashlib.sha256(b"\0".join(lines)).hexdigest()
        return found

    def items(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yields each split's name and indices."""
        for name in self.NAMES:
            yield name, getattr(self, name)


def make_splits(
    source: Source, data: DataSettings, *, earlier: Mapping[str, str] | None = None
) -> Splits:
    """Keeps the splits that the source has and splits off the missing ones.

    Within a class, images are ranked by a hash of their content and the seed and cut at the
    fraction, so neither their names nor their order matter, and most stay where they were
    when others are added. Images of the same content or group are on one side, so a fraction
    may be off by the size of such a group. Every class has at least one image in each split.

    With `data.small_classes` "train", a class that is too small to be in every split is only
    in training.

    Args:
        source: The images.
        data: Fractions, limits and the seed.
        earlier: Splits of an earlier run, see `splits_file.read_earlier`: its images stay where
            they were, and only new ones are split.

    Raises:
        UsageError: If a class has too few images, or groups of them, to be in every split.
    """
    rank = _ranks(source.contents, data.seed)
    fractions = {
        name: getattr(data, f"{name}_fraction")
        for name in (VALIDATION, TEST)
        if name not in source.given_splits
    }
    sides = _name_sides(
        source, rank, fractions, earlier or {}, may_be_small=data.trains_small_classes
    )
    # Equal images may have two labels.
    ranked = np.lexsort([source.labels, rank])
    train = ranked[sides[ranked] == TRAIN]
    of_class = [train[source.labels[train] == label] for label in range(len(source.class_names))]
    keep = data.examples_per_class or len(train)
    unused = np.concatenate([indices[keep:] for indices in of_class])
    return Splits(
        source,
        train=train[~np.isin(train, unused)],
        validation=np.flatnonzero(sides == VALIDATION),
        test=np.flatnonzero(sides == TEST),
        unused=np.sort(unused),
        earlier=earlier or {},
    )


def count_per_class(source: Source, indices: np.ndarray) -> np.ndarray:
    """Counts the images of each class among `indices`, int64 (classes,)."""
    return np.bincount(source.labels[indices], minlength=len(source.class_names))


def largest_class(splits: Splits) -> int:
    """Finds the class of most training images; of equal ones that of most test images."""
    source = splits.source
    train, test = (count_per_class(source, indices) for indices in (splits.train, splits.test))
    first = -np.arange(len(source.class_names))
    return int(np.lexsort([first, test, train])[-1])


def baseline_accuracy(splits: Splits, indices: np.ndarray) -> float:
    """Computes the share of images that always naming the largest class would get right."""
    return float(np.mean(splits.source.labels[indices] == largest_class(splits)))


def spread(count: int, most: int = 256) -> np.ndarray:
    """Chooses at most `most` of `count` positions, evenly spaced from the first to the last."""
    return np.unique(np.linspace(0, count - 1, most).astype(np.int64))


def _name_sides(
    source: Source,
    rank: np.ndarray,
    fractions: dict[str, float],
    earlier: Mapping[str, str],
    *,
    may_be_small: bool,
) -> np.ndarray:
    """Names the split of each image; clusters stay together."""
    sides = source.given_splits.astype("<U10")
    clusters = _clusters(source)
    in_train = np.flatnonzero(sides == TRAIN)
    sizes = count_sizes(clusters[in_train], source.labels[in_train], rank[in_train])
    old = {
        index: earlier[source.examples[index]]
        for index in in_train.tolist()
        if source.examples[index] in earlier
    }
    side_of: dict[int, str] = {}
    for index, side in old.items():
        # Training first: images that it has seen cannot test it.
        if side_of.get(int(clusters[index])) != TRAIN:
            side_of[int(clusters[index])] = side
    free = sizes.keys() - side_of.keys()
    given = {*clusters[sides != TRAIN].tolist()}
    side_of |= dict.fromkeys(_already_seen(given & free, sizes, len(fractions)), TRAIN)
    assign_clusters(sizes, fractions, side_of)
    _check_classes(source, sizes, side_of, free, [TRAIN, *fractions], may_be_small=may_be_small)
    if empty := [name for name in fractions if name not in side_of.values()]:
        raise bad_value(
            "dataset",
            source.name,
            f"has no class with enough images for {' and '.join(empty)}",
            f"Give one at least {1 + len(fractions)} images that need not stay together",
        )
    sides[in_train] = [side_of[cluster] for cluster in clusters[in_train].tolist()]
    for index, side in old.items():
        sides[index] = side
    return sides


def _already_seen(given: set[int], sizes: Sizes, num_dealt: int) -> list[int]:
    """Returns the clusters to train on since a split of the data has images of them, too.

    Of these, a validation split would choose what the test split is to judge. Where they are most
    of a class, or too few others would be left of it, they are dealt as all others are.
    """
    left, shared = collections.Counter[int](), collections.Counter[int]()
    for cluster, counts in sizes.items():
        left.update(counts.keys())
        shared.update(counts.keys() if cluster in given else ())
    return [
        cluster
        for cluster in sizes
        if cluster in given
        and all(
            2 * shared[label] <= left[label] and left[label] - shared[label] >= num_dealt
            for label in sizes[cluster]
        )
    ]


def describe_shared(splits: Splits) -> Iterator[str]:
    """Yields a line for each split that was dealt groups which the data's own splits have."""
    source = splits.source
    if source.group_names is None:
        return
    names = np.array(source.group_names)
    of_split = {name: {*names[indices].tolist()} - {""} for name, indices in splits.items()}
    given = set(source.given_splits.tolist()) - {TRAIN}
    for name in (split for split in (VALIDATION, TEST) if split not in given):
        for other in (split for split in SPLITS if split in given):
            if shared := sorted(of_split[name] & of_split[other]):
                yield (
                    f"Groups: {len(shared)} of {len(of_split[name])} in {name} are also in {other} "
                    f"({name_some(shared)}), since the data have them in train and in {other}: "
                    "neither result holds for new groups."
                )


def _check_classes(
    source: Source,
    sizes: Sizes,
    side_of: dict[int, str],
    free: set[int],
    splits: list[str],
    *,
    may_be_small: bool,
) -> None:
    """Refuses classes that are not in every split, or puts them into training only.

    A class that is partly in an earlier run only has to be in training.
    """
    clusters_of: dict[int, list[int]] = {label: [] for label in range(len(source.class_names))}
    for cluster, counts in sizes.items():
        for label in counts:
            clusters_of[label].append(cluster)
    for label, of_class in clusters_of.items():
        missing = set(splits) - {side_of[cluster] for cluster in of_class}
        if missing and may_be_small:
            alone = [cluster for cluster in free.intersection(of_class) if len(sizes[cluster]) == 1]
            side_of |= dict.fromkeys(alone, TRAIN)
            missing &= {TRAIN} - {side_of[cluster] for cluster in of_class}
        elif not free.issuperset(of_class):
            missing &= {TRAIN}
        if missing:
            images = sum(sizes[cluster][label] for cluster in of_class)
            if not free.issuperset(of_class):
                raise bad_value(
                    "dataset",
                    source.name,
                    f"class {source.class_names[label]!r} has {count_of(images, 'image')}, none of "
                    "which the earlier run of splits_from leaves for training",
                    "Give the class more images, or make new splits without splits_from",
                )
            raise _too_small(source, label, images, len(of_class), splits)


def _too_small(
    source: Source, label: int, images: int, clusters: int, splits: list[str]
) -> UsageError:
    together = apart = ""
    if clusters < images:
        together, apart = _explain_groups(source, label, clusters)
    train = ", or add --small_classes=train to use all of it for training and evaluate none of it"
    return bad_value(
        "dataset",
        source.name,
        f"class {source.class_names[label]!r} has {count_of(images, 'training image')}{together}, "
        f"too few for {' and '.join(splits)}",
        f"Give it at least {len(splits)}{apart}{train if images else ''}",
    )


def _explain_groups(source: Source, label: int, clusters: int) -> tuple[str, str]:
    """Explains why images of a class stay together, and what would let them be apart."""
    causes = np.zeros(len(source), np.int8) if source.causes is None else source.causes
    cause = Cause(int(np.bitwise_or.reduce(causes[source.labels == label])))
    together = f" in {count_of(clusters, 'group')}"
    if cause:
        together += f" of {cause.words()}"
    apart = " that need not stay together"
    if cause & Cause.GROUP:
        apart += ", or ignore groups with --group_column=none, or with --layout for a folder"
    if not cause & (Cause.NEAR | Cause.NAMED):
        return together, apart
    if count := int(np.count_nonzero(causes & Cause.NEAR)):
        scene = ", as from one camera" if count > len(source) // 2 else ""
        together += f" ({count} of {len(source)} images are nearly alike{scene})"
    return together, f"{apart}, or add --near_duplicates=report to split such images"


def _clusters(source: Source) -> np.ndarray:
    """Numbers images, those that stay together alike, int64 (images,)."""
    groups = as_keys(source.contents) if source.groups is None else source.groups
    return np.unique(groups, return_inverse=True)[1]


def _ranks(contents: np.ndarray, seed: int) -> np.ndarray:
    key = seed.to_bytes(8, "little")
    hashed = b"".join(
        hashlib.blake2b(row.tobytes(), digest_size=8, key=key).digest() for row in contents
    )
    return np.frombuffer(hashed, np.uint64)
