"""What Python code gives for each image: its class, its split and its group."""

import contextlib
import numbers
import os
import pathlib
import unicodedata
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from kerastl.data.labels import is_one_line, order_classes, refuse_alike
from kerastl.data.split_words import split_within
from kerastl.errors import UsageError, bad_value
from kerastl.paths import local_path
from kerastl.progress import count_of
from kerastl.split_names import SPLITS, TRAIN

# How libraries write a value that is missing.
_MISSING = ("None", "nan", "NaT", "<NA>")
_TABLE = 2


def read_annotations(
    count: int,
    labels: Sequence[Any] | np.ndarray,
    class_names: Sequence[str] | Mapping[Any, Any] | None,
    splits: Sequence[str] | None,
    groups: Sequence[Hashable] | None,
    *,
    name: str,
) -> dict[str, Any]:
    """Checks what Python code gives for `count` images and returns it as fields of a `Source`.

    Raises:
        UsageError: If a length or a value is wrong.
    """
    given: dict[str, Any] = {"labels": labels, "splits": splits, "groups": groups}
    for field, values in given.items():
        if values is None and field != "labels":
            continue
        if isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
            raise UsageError(f"{field}: is of type {type(values).__name__}. Give a list of values.")
        if len(values) != count:
            raise UsageError(
                f"{field}: there are {len(values)} for {count_of(count, 'image')}. Give one for "
                "each."
            )
    of_images, names = _number_labels(_read_labels(labels), class_names)
    refuse_alike(names, name=name)
    return {
        "class_names": names,
        "labels": of_images,
        "given_splits": np.full(count, TRAIN) if splits is None else _read_splits(splits),
        **({} if groups is None else describe_groups(groups)),
    }


def read_paths(paths: Iterable[str | os.PathLike[str]]) -> list[pathlib.Path]:
    """Reads the paths of images.

    Raises:
        UsageError: If it is a single one, or one is no path on a disk.
    """
    if isinstance(paths, (str, bytes, os.PathLike)):
        raise bad_value(
            "paths",
            os.fspath(paths),
            "is one path",
            "Give a list of files, or a folder as Config(dataset='folder:DIR')",
        )
    files = list(paths)
    for place, path in enumerate(files):
        if not isinstance(path, (str, os.PathLike)):
            raise UsageError(f"paths[{place}]={path!r}: is no path. Give the path of a file.")
    return [local_path(path, field="paths") for path in files]


def describe_groups(groups: Sequence[Hashable]) -> dict[str, Any]:
    """Returns the group of each image as fields of a `Source`: its number, and its name.

    None, NaN and the empty text stand for no group.

    Raises:
        UsageError: If a group cannot be compared with others.
    """
    names = ["" if _is_missing(group) else str(group) for group in groups]
    number_of: dict[Hashable, int] = {}
    try:
        numbers_of_groups = [
            number_of.setdefault(group if name else ("alone", place), place)
            for place, (group, name) in enumerate(zip(groups, names, strict=True))
        ]
    except TypeError as error:  # It cannot be hashed.
        raise UsageError(f"groups: {error}. Give a text or a number for each image.") from error
    return {
        "groups": np.array(numbers_of_groups, np.int64),
        "group_names": names if any(names) else None,
    }


def _is_missing(value: object) -> bool:
    if isinstance(value, (str, bytes)):
        return not value.strip()
    return str(value) in _MISSING


def _read_splits(splits: Sequence[str]) -> np.ndarray:
    given = [str(split) for split in splits]
    split_of = {word: split_within(word) for word in set(given)}
    if strange := sorted(word for word, split in split_of.items() if not split):
        raise bad_value("splits", strange[0], "is not a split", f"Use {', '.join(SPLITS)}")
    return np.array([split_of[word] for word in given])


def _read_labels(labels: Sequence[Any] | np.ndarray) -> list[int] | list[str]:
    """Reads the class of each image, its number or its name."""
    # As objects: an array of text would make a text of a missing value.
    values = np.asarray(labels, object)
    if values.ndim > 1 and values.size == len(values):
        values = values.reshape(-1)  # A column of labels.
    if is_one_hot(values):
        values = values.astype(np.float64).argmax(axis=1).astype(object)
    if values.ndim == _TABLE and (rows := _rows_of_several(values)):
        raise UsageError(
            f"labels: {count_of(len(rows), 'one-hot row')} of {len(values)} without exactly one 1, "
            f"as labels[{rows[0]}]. Leave out those images."
        )
    if values.ndim != 1:
        raise UsageError(
            f"labels: have the shape {values.shape}. Give one class for each image, as in "
            "labels.argmax(axis=1)."
        )
    if lacking := [place for place, value in enumerate(values) if _is_missing(value)]:
        raise UsageError(
            f"labels: {count_of(len(lacking), 'image')} of {len(values)} "
            f"{'has' if len(lacking) == 1 else 'have'} none, as labels[{lacking[0]}]="
            f"{values[lacking[0]]!r}. Leave out images without a class."
        )
    cells = [_read_label(value) for value in values]
    texts = [cell for cell in cells if isinstance(cell, str)]
    whole = [cell for cell in cells if isinstance(cell, int)]
    if texts and whole:
        raise UsageError(
            f"labels: are names and numbers, as {texts[0]!r} and {whole[0]}. Give only names or "
            "only numbers."
        )
    return texts or whole


def is_one_hot(values: np.ndarray) -> bool:
    """Whether it is a table of zeros that has exactly one 1 in each row."""
    ones = _count_ones(values) if values.ndim == _TABLE else None
    return ones is not None and bool((ones == 1).all())


def _rows_of_several(values: np.ndarray) -> list[int]:
    """Returns the rows of a table of zeros and ones that have no 1 or several."""
    ones = _count_ones(values)
    return [] if ones is None else np.flatnonzero(ones != 1).tolist()


def _count_ones(values: np.ndarray) -> np.ndarray | None:
    """Counts the ones in each row of a table; None if it has other values too."""
    try:
        parts = values.astype(np.float64)
    except (TypeError, ValueError):
        return None
    return np.asarray(parts.sum(axis=1)) if np.isin(parts, (0, 1)).all() else None


def _read_label(value: Any) -> int | str:
    if isinstance(value, bytes):
        with contextlib.suppress(UnicodeDecodeError):
            value = value.decode()
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, (numbers.Real, np.bool_)) and float(value).is_integer():
        return int(float(value))
    raise bad_value(
        "labels", value, "is neither a name nor a whole number", "Give one for each image"
    )


def _number_labels(
    labels: Sequence[int | str], class_names: Sequence[str] | Mapping[Any, Any] | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Turns labels, names or numbers, into numbers and the class names in their order."""
    are_numbers = not any(isinstance(label, str) for label in labels)
    values: Iterable[int | str]
    if class_names is None:
        values = sorted(set(labels)) if are_numbers else order_classes(map(str, set(labels)))
        names = _check_names(values)
    else:
        of_number = _names_by_number(class_names)
        names = _check_names(of_number.values())
        values = of_number if are_numbers else names
    place_of = {value: place for place, value in enumerate(values)}
    # Libraries mark an image without a class by -1.
    none = {label for label in labels if isinstance(label, int) and label < 0}
    if strange := [label for label in labels if label not in place_of or label in none]:
        known = f"{min(place_of)} to {max(place_of)}" if are_numbers else ", ".join(names)
        is_none = strange[0] in none
        raise bad_value(
            "labels",
            strange[0],
            f"{'is no number of a class' if is_none else 'is not in class_names'} "
            f"({count_of(len(strange), 'image')})",
            "Leave out images without a class" if is_none else f"Known: {known}",
        )
    return np.array([place_of[label] for label in labels], np.int64), names


def _names_by_number(class_names: Sequence[str] | Mapping[Any, Any]) -> dict[int, str]:
    """Returns the names in the order of the numbers that stand for them."""
    if isinstance(class_names, (str, bytes)):
        raise bad_value("class_names", class_names, "is one text", "Give a list of names")
    if not isinstance(class_names, Mapping):
        return dict(enumerate(class_names))
    # Which of the two is the number differs from library to library.
    for pairs in (class_names.items(), [(number, name) for name, number in class_names.items()]):
        if all(isinstance(number, numbers.Integral) for number, _ in pairs):
            return {int(number): name for number, name in sorted(pairs)}
    raise UsageError("class_names: has no whole numbers. Give a name for each number, or a list.")


def _check_names(class_names: Iterable[object]) -> tuple[str, ...]:
    names = tuple(unicodedata.normalize("NFC", str(name)) for name in class_names)
    if strange := [name for name in names if not is_one_line(name)]:
        raise bad_value("class_names", strange[0], "is not one line of text", "Rename the class")
    if twice := [name for name in names if names.count(name) > 1]:
        raise bad_value("class_names", twice[0], "stands for two classes", "Rename one")
    return names
