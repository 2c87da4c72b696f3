"""Deals a source's images to training, validation and test, the same way every time."""

import collections
import csv
import dataclasses
import hashlib
from collections.abc import Iterator

import numpy as np

from kerastl.config import Config
from kerastl.data.sources import Source
from kerastl.errors import UsageError, bad_value
from kerastl.progress import count_of

# Images of each cluster by class.
_Sizes = dict[int, dict[int, int]]
# Sums of group sizes that are tried to meet a fraction.
_MOST_SUMS = 2_000_000


@dataclasses.dataclass(frozen=True, eq=False)
class Splits:
    """Indices into a source's images, int64.

    Attributes:
        source: Where the images are.
        train: Images to learn from, in an order that their content decides: training depends on
            what the data hold and not on how they are named or sorted. The others are in the
            source's order.
        validation: Images that choose the best weights.
        test: Images that are looked at once, at the end.
        unused: Training images left out by `examples_per_class`.
    """

    source: Source
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    unused: np.ndarray

    def clusters(self) -> np.ndarray:
        """Numbers the source's images; those that belong on one side have the same number."""
        return _clusters(self.source)

    def seen_before(self) -> np.ndarray:
        """Says of each test image whether training or validation has it too, bool (test,)."""
        clusters = self.clusters()
        return np.isin(clusters[self.test], clusters[np.concatenate([self.train, self.validation])])

    def items(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yields each split's name and indices."""
        for name in ("train", "validation", "test", "unused"):
            yield name, getattr(self, name)


def deal(source: Source, config: Config) -> Splits:
    """Keeps the splits that the source brings and splits off what it does not.

    Within a class, images are ranked by a hash of their content and the seed and cut at the
    fraction, so neither their names nor their order matter, and most stay where they were
    when others are added. Images of the same content or group are on one side, so a fraction
    may be missed by what they take together. Every class has at least one image in each split.

    With `config.splits_from`, images that an earlier run had stay where they were, and only
    new ones are dealt. With `config.small_classes` "train", a class that is too small to be in
    every split is in training alone.

    Raises:
        UsageError: If a class has too few images, or groups of them, to be in every split, or
            the earlier run's splits cannot be read.
    """
    rank = _ranks(source.contents, config.seed)
    given = {name: np.flatnonzero(source.given_splits == name) for name in ("validation", "test")}
    fractions = {
        name: getattr(config, f"{name}_fraction")
        for name, indices in given.items()
        if not len(indices)
    }
    earlier = read_earlier(config.splits_from) if config.splits_from else {}
    sides = _deal_clusters(
        source, rank, fractions, earlier, may_be_small=config.small_classes == "train"
    )
    train, unused = [], []
    for label in range(len(source.class_names)):
        members = np.flatnonzero((sides == "train") & (source.labels == label))
        members = members[np.argsort(rank[members], kind="stable")]
        keep = config.examples_per_class or len(members)
        train.append(members[:keep])
        unused.append(members[keep:])
    return Splits(
        source,
        # Equal images may have two labels.
        train=_sorted(np.concatenate(train), rank, source.labels),
        validation=np.flatnonzero(sides == "validation"),
        test=np.flatnonzero(sides == "test"),
        unused=np.sort(np.concatenate(unused)),
    )


def read_earlier(path: str) -> dict[str, str]:
    """Reads a `splits.csv`: the split of each example, "train" for those left out of it.

    Raises:
        UsageError: If it cannot be read as one.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
        earlier = {row["example"]: row["split"] for row in rows}
    except (OSError, UnicodeDecodeError, KeyError, csv.Error) as error:
        raise _no_splits(path, "cannot be read as the splits.csv of a run") from error
    if not earlier:
        raise _no_splits(path, "names no image")
    if strange := set(earlier.values()) - {"train", "validation", "test", "unused"}:
        raise _no_splits(path, f"has {min(map(str, strange))!r} as a split")
    return {example: split.replace("unused", "train") for example, split in earlier.items()}


def _no_splits(path: str, problem: str) -> UsageError:
    return bad_value("splits_from", path, problem, "Give one, as in runs/first/splits.csv")


def _deal_clusters(
    source: Source,
    rank: np.ndarray,
    fractions: dict[str, float],
    earlier: dict[str, str],
    *,
    may_be_small: bool,
) -> np.ndarray:
    """Names the split of each image; what is on one side goes there together."""
    sides = source.given_splits.astype("<U10")
    clusters = _clusters(source)
    in_train = np.flatnonzero(sides == "train")
    sizes = _sizes(clusters[in_train], source.labels[in_train], rank[in_train])
    old = {
        index: earlier[source.examples[index]]
        for index in in_train.tolist()
        if earlier.get(source.examples[index]) in ("train", *fractions)
    }
    dealt: dict[int, str] = {}
    for index, side in old.items():
        # Training first: what it has seen is no test of it.
        if dealt.get(int(clusters[index])) != "train":
            dealt[int(clusters[index])] = side
    known = set(dealt)
    _deal(sizes, fractions, dealt)
    for label in range(len(source.class_names)):
        of_class = [cluster for cluster, counts in sizes.items() if label in counts]
        missing = {"train", *fractions} - {dealt[cluster] for cluster in of_class}
        if not missing or ("train" not in missing and not known.isdisjoint(of_class)):
            continue
        if may_be_small and of_class:
            dealt |= {
                cluster: "train"
                for cluster in of_class
                if len(sizes[cluster]) == 1 and cluster not in known
            }
        if "train" not in {dealt[cluster] for cluster in of_class} or not may_be_small:
            images = sum(sizes[cluster][label] for cluster in of_class)
            raise _too_small(source, label, images, len(of_class), ["train", *fractions])
    sides[in_train] = [dealt[cluster] for cluster in clusters[in_train].tolist()]
    for index, side in old.items():
        sides[index] = side
    return sides


def _too_small(
    source: Source, label: int, images: int, clusters: int, splits: list[str]
) -> UsageError:
    together = ""
    if clusters < images:
        together = f" in {count_of(clusters, 'group')} of equal, nearly equal or grouped images"
    apart = " that may be apart (see --near_duplicates)" if together else ""
    train = ", or add --small_classes=train to learn it from all that it has and judge it by none"
    return bad_value(
        "dataset",
        source.name,
        f"class {source.class_names[label]!r} has {count_of(images, 'training image')}{together}, "
        f"too few for {' and '.join(splits)}",
        f"Give it at least {len(splits)}{apart}{train if images else ''}",
    )


def _sizes(clusters: np.ndarray, labels: np.ndarray, rank: np.ndarray) -> _Sizes:
    """Counts the images of each cluster by class, the clusters in the order of their rank."""
    sizes: _Sizes = {}
    for position in np.argsort(rank, kind="stable").tolist():
        counts = sizes.setdefault(int(clusters[position]), {})
        label = int(labels[position])
        counts[label] = counts.get(label, 0) + 1
    return sizes


def _deal(sizes: _Sizes, fractions: dict[str, float], dealt: dict[int, str]) -> None:
    """Deals the clusters that are not dealt yet, over all classes at once."""
    total: collections.Counter[int] = collections.Counter()
    for counts in sizes.values():
        total.update(counts)
    promised: collections.Counter[int] = collections.Counter()
    for others, (name, fraction) in zip(
        range(len(fractions), 0, -1), fractions.items(), strict=True
    ):
        wanted = {
            label: max(0, min(max(1, round(fraction * n)), n - promised[label] - others))
            for label, n in total.items()
        }
        promised.update(wanted)
        share = _Share(sizes, wanted, dealt, name, others)
        share.fill()
        # The rarest first, which have the fewest to choose from.
        for label in sorted(total, key=lambda label: (total[label], label)):
            share.represent(label)
            share.fit(label)
        dealt |= dict.fromkeys(share.taken, name)
    for cluster in sizes:
        dealt.setdefault(cluster, "train")


class _Share:
    """What one split takes of the clusters that are free.

    Attributes:
        taken: Clusters that it has taken.
    """

    def __init__(
        self,
        sizes: _Sizes,
        wanted: dict[int, int],
        dealt: dict[int, str],
        name: str,
        others: int,
    ) -> None:
        """Starts with what is dealt to it already.

        Args:
            sizes: Images of each cluster by class, in the order in which they are taken.
            wanted: Images of each class that the split should have.
            dealt: Split of clusters that have one.
            name: Of this split.
            others: Splits that every class has to leave a cluster for.
        """
        self.taken: set[int] = set()
        self._sizes, self._wanted, self._others = sizes, wanted, others
        self._free = {cluster: counts for cluster, counts in sizes.items() if cluster not in dealt}
        self._have: collections.Counter[int] = collections.Counter()
        self._left: collections.Counter[int] = collections.Counter()
        for cluster, counts in sizes.items():
            if dealt.get(cluster) == name:
                self._have.update(counts)
        for counts in self._free.values():
            self._left.update(counts.keys())

    def fill(self) -> None:
        """Takes clusters as long as no class gets more than it should have."""
        for cluster, counts in self._free.items():
            if self._may_take(cluster) and not self._beyond(counts):
                self._take(cluster)

    def represent(self, label: int) -> None:
        """Takes, of a class that it has nothing of, the cluster that goes least beyond."""
        if self._have[label] or not self._wanted[label]:
            return
        able = [
            cluster
            for cluster, counts in self._free.items()
            if label in counts and self._may_take(cluster)
        ]
        if able:
            self._take(min(able, key=lambda cluster: self._beyond(self._free[cluster])))

    def fit(self, label: int) -> None:
        """Chooses clusters of one class anew that together come nearer to what is wanted."""
        gap = self._wanted[label] - self._have[label]
        if gap <= 1:
            return
        own = [cluster for cluster, counts in self._free.items() if counts.keys() == {label}]
        if len(own) * self._wanted[label] > _MOST_SUMS:
            return
        before = [cluster for cluster in own if cluster in self.taken]
        sizes = [self._free[cluster][label] for cluster in own]
        chosen = _nearest(sizes, gap + sum(self._free[cluster][label] for cluster in before))
        if len(own) - len(chosen) < self._others:
            return
        for cluster in before:
            self._take(cluster, times=-1)
        for place in chosen:
            self._take(own[place])

    def _may_take(self, cluster: int) -> bool:
        return cluster not in self.taken and all(
            self._left[label] > self._others for label in self._free[cluster]
        )

    def _beyond(self, counts: dict[int, int]) -> int:
        return sum(
            max(0, self._have[label] + count - self._wanted[label])
            for label, count in counts.items()
        )

    def _take(self, cluster: int, *, times: int = 1) -> None:
        for label, count in self._free[cluster].items():
            self._have[label] += times * count
            self._left[label] -= times
        if times > 0:
            self.taken.add(cluster)
        else:
            self.taken.remove(cluster)


def _nearest(sizes: list[int], wanted: int) -> list[int]:
    """Finds the positions of sizes whose sum is nearest to `wanted`, the first that do."""
    # How each sum is reached: the last size in it and the sum before.
    reached: dict[int, tuple[int, int]] = {0: (-1, 0)}
    for place, size in enumerate(sizes):
        for before in sorted(reached, reverse=True):
            if before < wanted and before + size not in reached:
                reached[before + size] = (place, before)
    total = min(reached, key=lambda sum_: (abs(sum_ - wanted), sum_))
    chosen = []
    while total:
        place, total = reached[total]
        chosen.append(place)
    return chosen


def _sorted(indices: np.ndarray, *keys: np.ndarray) -> np.ndarray:
    return indices[np.lexsort([key[indices] for key in reversed(keys)])]


def _clusters(source: Source) -> np.ndarray:
    """Numbers what belongs on one side, int64 (images,)."""
    if source.groups is not None:
        return np.unique(source.groups, return_inverse=True)[1]
    contents = np.ascontiguousarray(source.contents).view("S16").reshape(-1)
    return np.unique(contents, return_inverse=True)[1]


def count_per_class(source: Source, indices: np.ndarray) -> np.ndarray:
    """Counts the images of each class among `indices`, int64 (classes,)."""
    return np.bincount(source.labels[indices], minlength=len(source.class_names))


def _ranks(contents: np.ndarray, seed: int) -> np.ndarray:
    key = seed.to_bytes(8, "little")
    hashed = b"".join(
        hashlib.blake2b(row.tobytes(), digest_size=8, key=key).digest() for row in contents
    )
    return np.frombuffer(hashed, np.uint64)
