"""Deals a source's images to training, validation and test, the same way every time."""

import csv
import dataclasses
import hashlib
import pathlib
from collections.abc import Iterator

import numpy as np

from kerastl.config import Config
from kerastl.data.dealing import Sizes, count_sizes, deal_clusters
from kerastl.data.sources import Source
from kerastl.errors import UsageError, bad_value
from kerastl.progress import count_of

_PARTS = ("train", "validation", "test", "unused")


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
        for name in _PARTS:
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
    sides = _name_sides(
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


def restore(source: Source, path: pathlib.Path) -> Splits:
    """Gives a run's splits back from its `splits.csv`, each in the order of the source.

    Args:
        source: The same data.
        path: The file.

    Raises:
        ValueError: If it lists other images.
    """
    with path.open(encoding="utf-8", newline="") as file:
        # By their place: one name may stand for several images.
        rows = [(row["example"], row["split"]) for row in csv.DictReader(file)]
    if [example for example, _ in rows] != list(source.examples):
        raise ValueError(f"{path} does not list the images of {source.name}")
    names = np.array([split for _, split in rows])
    return Splits(source, **{name: np.flatnonzero(names == name) for name in _PARTS})


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
    if strange := set(earlier.values()) - set(_PARTS):
        raise _no_splits(path, f"has {min(map(str, strange))!r} as a split")
    return {example: split.replace("unused", "train") for example, split in earlier.items()}


def _no_splits(path: str, problem: str) -> UsageError:
    return bad_value("splits_from", path, problem, "Give one, as in runs/first/splits.csv")


def _name_sides(
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
    sizes = count_sizes(clusters[in_train], source.labels[in_train], rank[in_train])
    old = {
        index: earlier[source.examples[index]]
        for index in in_train.tolist()
        if source.examples[index] in earlier
    }
    dealt: dict[int, str] = {}
    for index, side in old.items():
        # Training first: what it has seen is no test of it.
        if dealt.get(int(clusters[index])) != "train":
            dealt[int(clusters[index])] = side
    free = sizes.keys() - dealt.keys()
    deal_clusters(sizes, fractions, dealt)
    _look_at_classes(source, sizes, dealt, free, ["train", *fractions], may_be_small=may_be_small)
    if empty := [name for name in fractions if name not in dealt.values()]:
        raise bad_value(
            "dataset",
            source.name,
            f"has no class with enough images for {' and '.join(empty)}",
            f"Give one at least {1 + len(fractions)} images that may be apart",
        )
    sides[in_train] = [dealt[cluster] for cluster in clusters[in_train].tolist()]
    for index, side in old.items():
        sides[index] = side
    return sides


def _look_at_classes(
    source: Source,
    sizes: Sizes,
    dealt: dict[int, str],
    free: set[int],
    splits: list[str],
    *,
    may_be_small: bool,
) -> None:
    """Refuses classes that are not in every split, or puts them into training alone.

    A class of which an earlier run has dealt a part only has to be in training.
    """
    clusters_of: dict[int, list[int]] = {label: [] for label in range(len(source.class_names))}
    for cluster, counts in sizes.items():
        for label in counts:
            clusters_of[label].append(cluster)
    for label, of_class in clusters_of.items():
        missing = set(splits) - {dealt[cluster] for cluster in of_class}
        if missing and may_be_small:
            alone = [cluster for cluster in free.intersection(of_class) if len(sizes[cluster]) == 1]
            dealt |= dict.fromkeys(alone, "train")
            missing &= {"train"} - {dealt[cluster] for cluster in of_class}
        elif not free.issuperset(of_class):
            missing &= {"train"}
        if missing:
            images = sum(sizes[cluster][label] for cluster in of_class)
            if not free.issuperset(of_class):
                raise bad_value(
                    "dataset",
                    source.name,
                    f"class {source.class_names[label]!r} has {count_of(images, 'image')}, none of "
                    "which the earlier run of splits_from leaves for training",
                    "Give the class more images, or deal anew without splits_from",
                )
            raise _too_small(source, label, images, len(of_class), splits)


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
