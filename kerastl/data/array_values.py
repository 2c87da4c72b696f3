"""What arrays of a file mean: a class for each image, names of classes, splits, and pixels."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from kerastl.data.annotations import is_one_hot
from kerastl.data.arrays import as_bytes, find_factor
from kerastl.data.split_words import split_named, split_within
from kerastl.data.table_groups import (
    can_be_divided,
    is_called_people,
    is_called_things,
    repeats,
)
from kerastl.data.table_rows import Wrong
from kerastl.data.table_splits import holds_splits, is_called_split, splits_of_cells
from kerastl.errors import name_some, shorten
from kerastl.progress import count_of
from kerastl.split_names import SPLITS, TEST

# MNIST calls its ten thousand test images so, and Oxford's flowers their test images.
_OTHER_SPLITS = {"t10k": TEST, "tst": TEST}
# How arrays are called.
_LABELS = re.compile(
    r"label|target|class|categor|truth|(?<![a-z])y(?![a-z])|(?<![a-z])y(tr|te|val)"
)
_IMAGES = re.compile(r"image|img|data|pixel|(?<![a-z])x(?![a-z])|(?<![a-z])x(tr|te|val)")
_CLASSES = re.compile(r"class|categor|label")
_NAMES = re.compile(r"class|name|meta|categor")
_OF_FILES = re.compile(r"file|path|image")
_INDEX = re.compile(
    r"^(is|idx|ind|index|indices|mask)[\W_]+|[\W_]*(idx|ids?|inds?|index(es)?|indices|mask)$"
)
# Larger whole numbers are not exact in float64.
_LARGEST = 2**53
_CHANNELS = (1, 3)
_GRAY, _COLOR = 3, 4


def split_of(name: str) -> str | None:
    """Returns the split that the name of an array, or else that of its file, holds."""
    inner = _inner(name)
    return split_within(_with_usual_words(inner)) or split_within(_with_usual_words(name))


def is_called_labels(name: str) -> bool:
    """Whether an array has a usual name for labels, as in `y_train`."""
    return _LABELS.search(_inner(name).lower()) is not None


def is_called_images(name: str) -> bool:
    """Whether an array has a usual name for images, as in `x_train`."""
    return _IMAGES.search(_inner(name).lower()) is not None


def are_names(name: str, array: np.ndarray) -> bool:
    """Whether an array may hold the names of the classes."""
    inner = _inner(name).lower()
    return (
        array.dtype.kind in "US"
        and _NAMES.search(inner) is not None
        and _OF_FILES.search(inner) is None
    )


def read_column(array: np.ndarray, *, is_whole: bool = True) -> np.ndarray | str:
    """Returns one class for each image, int64, bool or text (images,); else why there is none.

    `is_whole` is whether no text may be empty.
    """
    if array.dtype.kind == "O":
        return "holds Python objects"
    if array.dtype.kind not in "iubfUS":
        return f"is of the type {array.dtype}"
    if not array.size or not array.ndim:
        return "is one value" if array.size else "is empty"
    flat = array.reshape(-1) if max(array.shape) == array.size else array
    values = _read_text(flat, is_whole) if flat.dtype.kind in "US" else _read_numbers(flat)
    if isinstance(values, str) or values.ndim == 1:
        return values
    if values.dtype.kind in "ib" and is_one_hot(values):
        return np.asarray(values.argmax(axis=1))
    return f"has the shape {array.shape}, not one class for each image"


def _read_text(array: np.ndarray, is_whole: bool) -> np.ndarray | str:
    if array.dtype.kind == "S":
        try:
            array = np.char.decode(array, "utf-8")
        except UnicodeDecodeError as error:
            return f"holds bytes that are no UTF-8, as {shorten(repr(error.object))}"
    empty = int((np.char.strip(array) == "").sum())
    return f"is empty for {count_of(empty, 'image')}" if empty and is_whole else array


def _read_numbers(array: np.ndarray) -> np.ndarray | str:
    if array.dtype.kind == "f":
        if lacking := int((~np.isfinite(array)).sum()):
            return f"has {count_of(lacking, 'value')} that {'is' if lacking == 1 else 'are'} NaN"
        if np.abs(array).max() > _LARGEST or not np.array_equal(array, np.round(array)):
            return "holds fractions, not whole numbers"
    return array if array.dtype.kind == "b" else array.astype(np.int64)


def name_classes(
    labels: np.ndarray, arrays: Mapping[str, np.ndarray], count: int, wrong: Wrong
) -> tuple[np.ndarray, list[str], str]:
    """Finds the names of whole-number labels.

    Args:
        labels: The numbers, int64 or bool (images,).
        arrays: What may hold the names.
        count: Number of images.
        wrong: Builds the error.

    Returns:
        Labels from 0 without gaps; the name of each class that has an image; and the name of the
        array that has the names, empty if there is none.

    Raises:
        UsageError: If an array of names has none for some label, or several arrays may have them.
    """
    values, numbers = np.unique(labels, return_inverse=True)
    found = _may_name(arrays, values, count)
    fitting = {name: texts for name, texts in found.items() if _fits(values, texts)}
    alike = {name: texts for name, texts in fitting.items() if len(texts) == len(values)}
    if len(alike or fitting) > 1:
        raise wrong(
            f"has {len(alike or fitting)} arrays of names for classes "
            f"({name_some(alike or fitting)})",
            "Leave the one that labels are numbers of",
        )
    for name, texts in (alike or fitting).items():
        numbered = texts[values.astype(np.int64) - _first_number(values, name, texts, wrong)]
        return numbers.reshape(-1), numbered.tolist(), name
    for name, texts in found.items():
        if _CLASSES.search(_inner(name).lower()):
            raise wrong(
                f"has labels from {values.min()} to {values.max()}, which do not number the "
                f"{len(texts)} names in {name}",
                "Number the names from 0 or from 1, and remove images without a class",
            )
    return numbers.reshape(-1), [str(value) for value in values], ""


def _first_number(values: np.ndarray, name: str, texts: np.ndarray, wrong: Wrong) -> int:
    """Returns the number of the first name: 0, or 1 as MATLAB counts."""
    if values.min() > 0 and values.max() < len(texts):
        raise wrong(
            f"has labels from {values.min()} to {values.max()} and {len(texts)} names in "
            f"{name}, which may count from 0 or from 1",
            "Number the labels from 0 without gaps, with a name for each class",
        )
    return int(values.max() == len(texts))


def _may_name(
    arrays: Mapping[str, np.ndarray], values: np.ndarray, count: int
) -> dict[str, np.ndarray]:
    """Returns texts that may be the names of classes, without those that name each image."""
    read = {name: read_column(array) for name, array in arrays.items() if are_names(name, array)}
    return {
        name: texts
        for name, texts in read.items()
        if not isinstance(texts, str)
        and len(set(texts.tolist())) == len(texts)
        and (len(texts) != count or len(texts) == len(values))
    }


def _fits(values: np.ndarray, texts: np.ndarray) -> bool:
    from_zero = values.min() >= 0 and values.max() < len(texts)
    return bool(from_zero or (values.min() >= 1 and values.max() == len(texts)))


def is_index(name: str) -> bool:
    """Whether an array is called like the numbers of the images of a split, as `train_idx`."""
    return _split_of_index(name) is not None


def find_splits(
    arrays: Mapping[str, np.ndarray], count: int
) -> tuple[np.ndarray, list[str]] | None:
    """Reads the splits of images from arrays of their numbers, of a flag, or of a word for each.

    Returns:
        The split of each of `count` images, and the names of the arrays; None unless each image is
        in one of them.
    """
    words = {name: array for name, array in arrays.items() if holds_words_for_splits(array)}
    if len(words) == 1:
        [(name, array)] = words.items()
        cells = [str(one).strip() for one in read_column(array)]
        split_of = splits_of_cells(_inner(name), cells)
        if len(cells) == count and all(split_of.values()):
            return np.array([split_of[cell] for cell in cells]), [name]
    of_split = {}
    for name, array in arrays.items():
        split, numbers = _split_of_index(name), read_column(array)
        if split is None or isinstance(numbers, str) or numbers.dtype.kind not in "ib":
            continue
        is_flag = len(numbers) == count and set(numbers.tolist()) <= {0, 1}
        of_split[name] = (split, np.flatnonzero(numbers) if is_flag else numbers)
    if not of_split:
        return None
    together = np.sort(np.concatenate([numbers for _, numbers in of_split.values()]))
    first = int(together[0]) if len(together) else 0
    if first not in (0, 1) or not np.array_equal(together, np.arange(count) + first):
        return None
    splits = np.empty(count, f"U{max(map(len, SPLITS))}")
    for split, numbers in of_split.values():
        splits[numbers - first] = split
    return splits, list(of_split)


def columns_of(arrays: Mapping[str, np.ndarray], count: int) -> dict[str, list[str]]:
    """Returns the arrays that have a value for each image, as the columns of a table."""
    read = {_inner(name): read_column(array, is_whole=False) for name, array in arrays.items()}
    return {
        name: [str(value).strip() for value in column.tolist()]
        for name, column in read.items()
        if not isinstance(column, str) and len(column) == count
    }


def not_divided(
    arrays: Mapping[str, np.ndarray], columns: Mapping[str, Sequence[str]], count: int
) -> list[str]:
    """Returns arrays that are named for splits, and whose values tell none for each image."""
    return [
        name
        for name, array in arrays.items()
        if _inner(name) not in columns
        and (
            is_index(name)
            # The size of Python objects is not known.
            or ((array.size == count or array.dtype.kind == "O") and is_called_split(_inner(name)))
        )
    ]


def holds_words_for_splits(array: np.ndarray) -> bool:
    """Whether an array has a word for a split for each image, and for several splits."""
    column = read_column(array) if array.dtype.kind in "US" else ""
    return not isinstance(column, str) and holds_splits([str(one).strip() for one in column])


def find_groups(arrays: Mapping[str, np.ndarray], labels: np.ndarray) -> tuple[str, list[str]]:
    """Finds the array of what images are of, such as patients: its name and a text an image.

    Both are empty if there is none, or there are several.
    """
    found = {}
    for name, array in arrays.items():
        inner, column = _inner(name), read_column(array)
        if not isinstance(column, str) and len(column) == len(labels):
            cells = [str(one) for one in column]
            is_divided = is_called_things(inner) and can_be_divided(inner, cells, labels.tolist())
            if repeats(cells) and (is_called_people(inner) or is_divided):
                found[name] = cells
    return (*found.items(), ("", []))[0] if len(found) == 1 else ("", [])


def _split_of_index(name: str) -> str | None:
    return split_named(_with_usual_words(_INDEX.sub("", _inner(name).lower())))


def _inner(name: str) -> str:
    """Returns the name of an array without that of its file."""
    return name.rpartition(" ")[2].removesuffix(".npy")


def _with_usual_words(name: str) -> str:
    for word, split in _OTHER_SPLITS.items():
        name = name.replace(word, split)
    return name


def image_axes(shape: Sequence[int]) -> tuple[int, ...]:
    """Returns where the images of an array may be counted, first where they usually are.

    That is the first dimension, and the last as MATLAB has it: (height, width, channels, images).
    """
    if len(shape) == _GRAY:
        return 0, -1
    if len(shape) == _COLOR and shape[2] in _CHANNELS and shape[1] not in _CHANNELS:
        return (0, -1) if shape[3] in _CHANNELS else (-1,)
    return (0,)


def images_first(pixels: np.ndarray, axis: int) -> np.ndarray:
    """Puts the images first and the channels last: MATLAB and PyTorch have them elsewhere."""
    pixels = np.moveaxis(pixels, axis, 0)
    if pixels.ndim == _COLOR and pixels.shape[1] in _CHANNELS and pixels.shape[3] not in _CHANNELS:
        pixels = np.moveaxis(pixels, 1, 3)
    return pixels


def as_pixels(arrays: Mapping[str, np.ndarray], wrong: Wrong) -> tuple[list[np.ndarray], str]:
    """Makes uint8 pixels of all arrays of images, which must hold the same kind of numbers.

    Returns:
        Pixels in 0..255, uint8, and a line for people where numbers in 0..1 were scaled.

    Raises:
        UsageError: If shape or numbers are not those of images.
    """
    for name, array in arrays.items():
        if array.shape[_GRAY:] not in ((), (1,), (3,)):
            raise wrong(
                f"{name} {array.shape} is not (images, height, width) nor with 1 or 3 channels",
                "Leave out other channels, or give slices as images",
            )
    if all(array.dtype == np.uint8 for array in arrays.values()):
        return list(arrays.values()), ""
    try:
        factor = find_factor(arrays.values())
    except ValueError as error:
        raise wrong(
            f"{', '.join(arrays)}: {error}",
            "Give whole numbers in 0..255, best as uint8, or floats in 0..1",
        ) from error
    pixels = [as_bytes(array, factor) for array in arrays.values()]
    if factor == 1:
        return pixels, ""
    types = ", ".join(sorted({str(array.dtype) for array in arrays.values()}))
    return pixels, f"Pixels of {types} in 0..1 are scaled by {factor}."
