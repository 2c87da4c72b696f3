"""`splits.csv`, which names the split of each image of a run: its columns, written and read."""

import csv
import functools
import os
from collections.abc import Iterator

import numpy as np

from kerastl.data.source import Source
from kerastl.data.splits import Splits
from kerastl.errors import bad_value
from kerastl.split_names import ALL_NAMES, TRAIN, UNUSED

HEADER = ("example", "class_name", "split")


def list_rows(splits: Splits) -> Iterator[tuple[str, str, str]]:
    """Lists the row of each image, in the source's order."""
    source = splits.source
    split_names = np.full(len(source), "", dtype="<U10")
    for name, indices in splits.items():
        split_names[indices] = name
    class_names = (source.class_names[label] for label in source.labels)
    return zip(source.examples, class_names, split_names.tolist(), strict=True)


def read_splits(path: str | os.PathLike[str], source: Source) -> Splits:
    """Reads the splits of the same images back, each in the order of the source.

    Raises:
        ValueError: If they are of other images.
    """
    rows = _read_rows(path)
    # By their position: one name may stand for several images.
    if [example for example, _ in rows] != list(source.examples):
        raise ValueError(f"{path} does not list the images of {source.name}")
    names = np.array([split for _, split in rows])
    train, validation, test, unused = (np.flatnonzero(names == name) for name in ALL_NAMES)
    return Splits(source, train, validation, test, unused)


def list_examples(path: str | os.PathLike[str]) -> list[str]:
    """Lists the images of a run, of whatever split."""
    return [example for example, _ in _read_rows(path)]


def read_earlier(path: str) -> dict[str, str]:
    """Reads the split of each example of an earlier run; unused ones count as "train".

    Raises:
        UsageError: If the file is not a run's `splits.csv`.
    """
    wrong = functools.partial(bad_value, "splits_from", path)
    advice = "Give one, as in runs/first/splits.csv"
    try:
        earlier = dict(_read_rows(path))
    except (OSError, UnicodeDecodeError, KeyError, csv.Error) as error:
        raise wrong("cannot be read as the splits.csv of a run", advice) from error
    if not earlier:
        raise wrong("names no image", advice)
    if strange := set(earlier.values()) - set(Splits.NAMES):
        raise wrong(f"has {min(map(str, strange))!r} as a split", advice)
    return {example: split.replace(UNUSED, TRAIN) for example, split in earlier.items()}


def _read_rows(path: str | os.PathLike[str]) -> list[tuple[str, str]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        return [(row["example"], row["split"]) for row in csv.DictReader(file, strict=True)]
