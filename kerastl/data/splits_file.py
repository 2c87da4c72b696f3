"""`splits.csv`, which names the split of each image of a run: its columns, written and read.

It also has the hash of each image's content, by which an image is known whatever its name is.
"""

import csv
import functools
import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from kerastl.data.source import Source
from kerastl.data.splits import Splits
from kerastl.errors import bad_value
from kerastl.split_names import ALL_NAMES, TRAIN, UNUSED

# Those of earlier versions, and the column that they lack.
NAMED = ("example", "class_name", "split")
_HASH = "sha256"
HEADER = (*NAMED, _HASH)


def list_rows(splits: Splits) -> Iterator[tuple[str, str, str, str]]:
    """Lists the row of each image, in the source's order."""
    source = splits.source
    split_names = np.full(len(source), "", dtype="<U10")
    for name, indices in splits.items():
        split_names[indices] = name
    class_names = (source.class_names[label] for label in source.labels)
    hashes = (row.tobytes().hex() for row in source.hashes)
    return zip(source.examples, class_names, split_names.tolist(), hashes, strict=True)


def read_splits(path: str | os.PathLike[str], source: Source) -> Splits:
    """Reads the splits of the same images back, each in the order of the source.

    Raises:
        ValueError: If they are of other images.
    """
    rows = list_images(path)
    # By their position: one name may stand for several images.
    if [row.example for row in rows] != list(source.examples):
        raise ValueError(f"{path} does not list the images of {source.name}")
    names = np.array([row.split for row in rows])
    train, validation, test, unused = (np.flatnonzero(names == name) for name in ALL_NAMES)
    return Splits(source, train, validation, test, unused)


class Listed(NamedTuple):
    """An image of a run: its name, its split, and its hash, empty from an earlier version."""

    example: str
    split: str
    sha256: str


def list_images(path: str | os.PathLike[str]) -> list[Listed]:
    """Lists the images of a run, of whatever split, in the order of its source."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        return [
            Listed(row["example"], row["split"], row.get(_HASH, ""))
            for row in csv.DictReader(file, strict=True)
        ]


def read_earlier(path: str) -> dict[str, str]:
    """Reads the split of each example of an earlier run; unused ones count as "train".

    Raises:
        UsageError: If the file is not a run's `splits.csv`.
    """
    wrong = functools.partial(bad_value, "splits_from", path)
    advice = "Give one, as in runs/first/splits.csv"
    try:
        earlier = {row.example: row.split for row in list_images(path)}
    except (OSError, UnicodeDecodeError, KeyError, csv.Error) as error:
        raise wrong("cannot be read as the splits.csv of a run", advice) from error
    if not earlier:
        raise wrong("names no image", advice)
    if strange := set(earlier.values()) - set(Splits.NAMES):
        raise wrong(f"has {min(map(str, strange))!r} as a split", advice)
    return {example: split.replace(UNUSED, TRAIN) for example, split in earlier.items()}
