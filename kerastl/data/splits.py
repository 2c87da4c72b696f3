"""Deals a source's images to training, validation and test, the same way every time."""

import csv
import dataclasses
import hashlib
from collections.abc import Iterator

import numpy as np

from kerastl.config import Config
from kerastl.data.sources import Source
from kerastl.errors import bad_value

_OR_TRAIN = ", or add --small_classes=train to learn it from all that it has and judge it by none"


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
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return {row["example"]: row["split"].replace("unused", "train") for row in rows}
    except (OSError, UnicodeDecodeError, KeyError, AttributeError) as error:
        raise bad_value(
            "splits_from",
            path,
            "cannot be read as the splits.csv of a run",
            "Give one, as in runs/first/splits.csv",
        ) from error


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
    in_train = sides == "train"
    lowest = np.full(clusters.max() + 1, np.iinfo(np.uint64).max)
    np.minimum.at(lowest, clusters[in_train], rank[in_train])
    dealt = {
        int(clusters[index]): earlier[source.examples[index]]
        for index in np.flatnonzero(in_train).tolist()
        if earlier.get(source.examples[index]) in ("train", *fractions)
    }
    for label, class_name in enumerate(source.class_names):
        members = np.flatnonzero(in_train & (source.labels == label))
        numbers, sizes = np.unique(clusters[members], return_counts=True)
        order = np.argsort(lowest[numbers], kind="stable")
        size_of = dict(zip(numbers[order].tolist(), sizes[order].tolist(), strict=True))
        free = size_of.keys() - dealt.keys()
        _deal_class(size_of, fractions, dealt)
        missing = {"train", *fractions} - {dealt[cluster] for cluster in size_of}
        if missing and may_be_small and free:
            dealt |= dict.fromkeys(free, "train")
        elif missing:
            together = f" in {len(size_of)} groups" if len(size_of) < len(members) else ""
            raise bad_value(
                "dataset",
                source.name,
                f"class {class_name!r} has {len(members)} training images{together}, too few for "
                f"{' and '.join(['train', *fractions])}",
                f"Give it at least {len(fractions) + 1}"
                f"{' that may be apart' if together else ''}"
                f"{_OR_TRAIN if len(members) else ''}",
            )
    sides[in_train] = [dealt[cluster] for cluster in clusters[in_train].tolist()]
    return sides


def _deal_class(
    size_of: dict[int, int], fractions: dict[str, float], dealt: dict[int, str]
) -> None:
    """Deals the clusters of one class, in the order of their rank, that are not dealt yet."""
    total = sum(size_of.values())
    start = 0
    for needed_after, (name, fraction) in zip(
        range(len(fractions), 0, -1), fractions.items(), strict=True
    ):
        target = min(max(1, round(fraction * total)), total - start - needed_after)
        have = sum(size for cluster, size in size_of.items() if dealt.get(cluster) == name)
        free = [cluster for cluster in size_of if cluster not in dealt]
        for cluster in free:
            if have + size_of[cluster] <= target:
                dealt[cluster] = name
                have += size_of[cluster]
        if not have and len(free) > needed_after:
            smallest = min(free, key=size_of.__getitem__)
            dealt[smallest] = name
            have = size_of[smallest]
        start += have
    for cluster in size_of:
        dealt.setdefault(cluster, "train")


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
