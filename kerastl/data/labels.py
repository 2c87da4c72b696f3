"""Classes, splits and groups of images, as people write them and as arrays."""

import math
import numbers
import unicodedata
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from kerastl.errors import UsageError, bad_value

SPLITS = ("train", "validation", "test")
# Names of splits in folders, tables and TFDS, in lower case.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "eval": "validation",
    "test": "test",
    "testing": "test",
}


def read_annotations(
    count: int,
    labels: Sequence[Any] | np.ndarray,
    class_names: Sequence[str] | None,
    splits: Sequence[str] | None,
    groups: Sequence[Hashable] | None,
) -> dict[str, Any]:
    """Checks what Python code gives for `count` images and returns it as fields of a `Source`.

    Raises:
        UsageError: If a length or a value is wrong.
    """
    for field, values in (("labels", labels), ("splits", splits), ("groups", groups)):
        if values is not None and len(values) != count:
            raise UsageError(
                f"{field}: there are {len(values)} for {count} images. Give one for each image."
            )
    given = np.full(count, "train") if splits is None else np.array(splits, str)
    if strange := sorted(set(given.tolist()) - set(SPLITS)):
        raise bad_value("splits", strange[0], "is not a split", f"Use {', '.join(SPLITS)}")
    of_images, names = _number_labels(labels, class_names)
    return {
        "class_names": names,
        "labels": of_images,
        "given_splits": given,
        "groups": None if groups is None else number_groups(groups),
    }


def order_classes(class_names: Iterable[str]) -> tuple[str, ...]:
    """Sorts class names: whole numbers by value, so that 10 follows 9, all others as text."""
    unique = set(class_names)
    if all(name.isdecimal() for name in unique):
        return tuple(sorted(unique, key=lambda name: (int(name), name)))
    return tuple(sorted(unique))


def number_groups(groups: Iterable[Hashable]) -> np.ndarray:
    """Numbers groups, int64; None, NaN and the empty text stand for no group."""
    number_of: dict[Hashable, int] = {}
    return np.array(
        [
            number_of.setdefault(("alone", place) if _is_missing(group) else group, place)
            for place, group in enumerate(groups)
        ],
        np.int64,
    )


def _is_missing(group: Hashable) -> bool:
    return group in (None, "") or (isinstance(group, float) and math.isnan(group))


def _number_labels(
    labels: Sequence[Any] | np.ndarray, class_names: Sequence[str] | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Turns labels, names or numbers, into numbers and the class names in their order."""
    # As objects: an array of text would make a text of a missing value.
    values = np.asarray(labels, object)
    if values.ndim > 1 and values.size == len(values):
        values = values.reshape(-1)  # A column of labels.
    if values.ndim != 1:
        raise UsageError(
            f"labels: have the shape {values.shape}. Give one class for each image, as in "
            "labels.argmax(axis=1)."
        )
    if all(isinstance(value, numbers.Integral) for value in values):
        of_images = values.astype(np.int64)
        count = int(of_images.max(initial=-1)) + 1
        return of_images, _check_names(range(count) if class_names is None else class_names)
    if strange := [value for value in values if not isinstance(value, str)]:
        raise bad_value(
            "labels", strange[0], "is neither a name nor a whole number", "Give one for each image"
        )
    composed = [unicodedata.normalize("NFC", value) for value in values]
    names = _check_names(order_classes(composed) if class_names is None else class_names)
    number_of = {class_name: number for number, class_name in enumerate(names)}
    if unknown := sorted(set(composed) - set(number_of)):
        raise bad_value("labels", unknown[0], "is not in class_names", f"Known: {', '.join(names)}")
    return np.array([number_of[value] for value in composed], np.int64), names


def _check_names(class_names: Iterable[object]) -> tuple[str, ...]:
    names = tuple(unicodedata.normalize("NFC", str(name)) for name in class_names)
    if strange := [name for name in names if not name.strip() or not name.isprintable()]:
        raise bad_value("class_names", strange[0], "is not one line of text", "Rename the class")
    return names
