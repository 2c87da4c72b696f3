"""Deals a source's images to training, validation and test, the same way every time."""

import dataclasses
import hashlib
from collections.abc import Iterator

import numpy as np

from kerastl.config import Config
from kerastl.data.sources import Source
from kerastl.errors import bad_value


@dataclasses.dataclass(frozen=True, eq=False)
class Splits:
    """Indices into a source's images, each int64 in the source's order.

    Attributes:
        source: Where the images are.
        train: Images to learn from.
        validation: Images that choose the best weights.
        test: Images that are looked at once, at the end.
        unused: Training images left out by `examples_per_class`.
    """

    source: Source
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    unused: np.ndarray

    def items(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yields each split's name and indices."""
        for name in ("train", "validation", "test", "unused"):
            yield name, getattr(self, name)


def deal(source: Source, config: Config) -> Splits:
    """Keeps the splits that the source brings and splits off what it does not.

    Within a class, images are ranked by a hash of their content and the seed and cut at the
    fraction, so neither their names nor their order matter, and most stay where they were
    when others are added. Every class has at least one image in each split.

    Raises:
        UsageError: If a class has too few images to be in every split.
    """
    rank = _ranks(source.digests, config.seed)
    given = {name: np.flatnonzero(source.given_splits == name) for name in ("validation", "test")}
    fractions = {
        name: getattr(config, f"{name}_fraction")
        for name, indices in given.items()
        if not len(indices)
    }
    dealt: dict[str, list[np.ndarray]] = {"train": [], "unused": [], "validation": [], "test": []}
    in_train = source.given_splits == "train"
    for label, class_name in enumerate(source.class_names):
        members = np.flatnonzero(in_train & (source.labels == label))
        members = members[np.argsort(rank[members], kind="stable")]
        if len(members) <= len(fractions):
            raise bad_value(
                "dataset",
                source.name,
                f"class {class_name!r} has {len(members)} training images, too few for "
                f"{' and '.join(['train', *fractions])}",
                f"Give it at least {len(fractions) + 1}",
            )
        start = 0
        for needed_after, (name, fraction) in zip(
            range(len(fractions), 0, -1), fractions.items(), strict=True
        ):
            most = len(members) - start - needed_after
            count = min(max(1, round(fraction * len(members))), most)
            dealt[name].append(members[start : start + count])
            start += count
        rest = members[start:]
        keep = config.examples_per_class or len(rest)
        dealt["train"].append(rest[:keep])
        dealt["unused"].append(rest[keep:])
    joined = {
        name: given[name]
        if name in given and name not in fractions
        else np.sort(np.concatenate(parts))
        for name, parts in dealt.items()
    }
    return Splits(source, **joined)


def count_per_class(source: Source, indices: np.ndarray) -> np.ndarray:
    """Counts the images of each class among `indices`, int64 (classes,)."""
    return np.bincount(source.labels[indices], minlength=len(source.class_names))


def _ranks(digests: np.ndarray, seed: int) -> np.ndarray:
    key = seed.to_bytes(8, "little")
    hashed = b"".join(
        hashlib.blake2b(digest.tobytes(), digest_size=8, key=key).digest() for digest in digests
    )
    return np.frombuffer(hashed, np.uint64)
