"""Images that lie as arrays in files, with their labels: NumPy's, MNIST's IDX, and MATLAB's."""

import collections
import functools
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from kerastl.data.array_classes import OfClass, find_classes
from kerastl.data.array_reading import read_arrays
from kerastl.data.array_values import (
    are_names,
    as_pixels,
    columns_of,
    find_groups,
    find_splits,
    holds_words_for_splits,
    image_axes,
    images_first,
    is_called_images,
    is_called_labels,
    is_index,
    name_classes,
    not_divided,
    read_column,
    split_of,
)
from kerastl.data.source import Source
from kerastl.data.table_columns import Roles
from kerastl.data.table_names import NO_COLUMN
from kerastl.data.table_reading import Table
from kerastl.data.table_rows import Wrong, flat_sides
from kerastl.data.table_split_choice import choose_splits
from kerastl.data.table_split_reading import read_splits
from kerastl.data.table_values import note_classes
from kerastl.errors import bad_value, name_some
from kerastl.paths import local_path
from kerastl.progress import Progress, count_of
from kerastl.settings import DataSettings
from kerastl.split_names import SPLITS, TRAIN

# Dimensions of an array of images at least, and of one with a row for each.
_IMAGES, _FLAT = 3, 2


class _Part(NamedTuple):
    """The images of a split, (images, height, width, ...), and the class of each as written."""

    split: str
    name: str
    images: np.ndarray
    labels_name: str
    labels: np.ndarray

    def about(self) -> str:
        """Describes it for a person."""
        images = count_of(len(self.labels), "image")
        return f"{self.name} and {self.labels_name} ({images}, {self.split})"


def open_source(
    place: str, data: DataSettings, *, memory: pathlib.Path | None, progress: Progress
) -> Source:
    """Opens a file of arrays, or a folder of such files, as `kerastl.data_sources` describes.

    The words for splits in the names of arrays and files tell which images and labels belong
    together, as in `train_images` and `y_test`. Arrays of numbers of images, as `train_idx`, give
    splits where they divide all images of the only array among them.

    Where there are no labels, the names of folders, or of the arrays, are classes: see
    `find_classes`.

    Raises:
        UsageError: If it is no such file, or does not hold images and one class for each.
    """
    del memory
    wrong = functools.partial(bad_value, "dataset", data.dataset)
    arrays = read_arrays(local_path(place, field="dataset"), wrong)
    if classes := find_classes(arrays):
        return _open_classes(classes, data.dataset, wrong, progress)
    return _open_parts(arrays, data, wrong, progress)


def _open_parts(
    arrays: Mapping[str, np.ndarray], data: DataSettings, wrong: Wrong, progress: Progress
) -> Source:
    """Makes a source of arrays of images with labels beside them."""
    parts = sorted(_pair(arrays, wrong), key=lambda part: SPLITS.index(part.split))
    pixels, scaled = as_pixels({part.name: part.images for part in parts}, wrong)
    labels, names, of_names = _join_labels(parts, arrays, wrong)
    used = {name for part in parts for name in (part.name, part.labels_name)}
    others = {name: array for name, array in arrays.items() if name not in used}
    splits, given_names, meaning = _read_splits(parts, others, data, wrong)
    group, groups = find_groups(others, labels) if len(parts) == 1 else ("", [])
    lines = (
        f"Arrays: {', '.join(part.about() for part in parts)}.",
        scaled,
        *_say_given(given_names, meaning, group, len(set(groups))),
        _say_unused(others, {of_names, group, *given_names}),
        *_note_labels(parts, arrays, names, of_names),
    )
    for line in filter(None, lines):
        progress.line(line)
    return Source.from_arrays(
        [image for part in pixels for image in part],
        labels,
        class_names=names,
        splits=splits,
        groups=groups or None,
        name=data.dataset,
    )


def _open_classes(
    classes: Sequence[OfClass], dataset: str, wrong: Wrong, progress: Progress
) -> Source:
    """Makes a source of arrays that are of one class each."""
    arrays = {f"{one.class_name} ({place})": one.images for place, one in enumerate(classes, 1)}
    pixels, scaled = as_pixels(arrays, wrong)
    counts: collections.Counter[str] = collections.Counter()
    for one in classes:
        counts[one.class_name] += len(one.images)
    described = name_some(f"{name} {count}" for name, count in sorted(counts.items()))
    progress.line(
        f"Arrays: {count_of(len(classes), 'array')}, named for their classes: {described}."
    )
    if scaled:
        progress.line(scaled)
    base = min({one.split for one in classes}, key=("", *SPLITS).index)
    return Source.from_arrays(
        [image for part in pixels for image in part],
        [one.class_name for one in classes for _ in one.images],
        splits=[TRAIN if one.split == base else one.split for one in classes for _ in one.images],
        name=dataset,
    )


def _read_splits(
    parts: list[_Part], others: Mapping[str, np.ndarray], data: DataSettings, wrong: Wrong
) -> tuple[list[str], Sequence[str], str]:
    """Returns the split of each image, the names of the arrays that have it, and what these mean.

    Raises:
        UsageError: If an array looks like splits and does not tell one for each image.
    """
    # What others are split off.
    base = parts[0].split
    named = [TRAIN if part.split == base else part.split for part in parts for _ in part.images]
    if data.split_column == NO_COLUMN or len(parts) > 1:
        return named, (), ""
    if not data.split_column and (found := find_splits(others, len(named))):
        return found[0].tolist(), found[1], ""
    columns = columns_of(others, len(named))
    if strange := [] if data.split_column else not_divided(others, columns, len(named)):
        raise wrong(
            f"has {name_some(strange)}, named for a split, without a word, a yes or a number for "
            f"each of {count_of(len(named), 'image')} or for those of every split",
            f"Complete it, or add --split_column={NO_COLUMN}",
        )
    if data.split_column and data.split_column not in columns:
        raise bad_value(
            "split_column",
            data.split_column,
            "is no array with a value for each image",
            f"Such arrays: {name_some(columns) or 'none'}",
        )
    given = [data.split_column] if data.split_column else []
    names = given or choose_splits(columns, list(map(str, parts[0].labels)), wrong)
    if not names:
        return named, (), ""
    # Arrays have no lines that a message could name.
    held = {name: columns[name] for name in names}
    table = Table(pathlib.Path(parts[0].name), held, [0] * len(named), True, wrong)
    roles = Roles("", split=names[0]) if len(names) == 1 else Roles("", split_flags=tuple(names))
    splits, meaning = read_splits(table, roles, data.meanings_of_splits)
    return splits, names, meaning


def _join_labels(
    parts: list[_Part], arrays: Mapping[str, np.ndarray], wrong: Wrong
) -> tuple[np.ndarray, list[str] | None, str]:
    """Returns the labels of all parts, their names if they are numbers, and who has those."""
    are_texts = {part.labels.dtype.kind == "U" for part in parts}
    if len(are_texts) > 1:
        raise wrong(
            f"has labels that are names and labels that are numbers "
            f"({', '.join(part.labels_name for part in parts)})",
            "Give names or numbers in all of them",
        )
    labels = np.concatenate([part.labels for part in parts])
    # Labels that are texts are their own names.
    if are_texts.pop():
        return labels, None, ""
    used = {part.labels_name for part in parts}
    others = {name: array for name, array in arrays.items() if name not in used}
    return name_classes(labels, others, len(labels), wrong)


def _note_labels(
    parts: list[_Part], arrays: Mapping[str, np.ndarray], names: list[str] | None, of_names: str
) -> Iterator[str]:
    counts = collections.Counter(str(one) for part in parts for one in part.labels.tolist())
    if not of_names:
        yield from note_classes(counts, counts.total(), "image")
        return
    known = read_column(arrays[of_names])
    if bare := [name for name in known if name not in (names or ())]:
        yield f"Classes of {of_names} without an image, left out: {name_some(bare)}."


def _say_given(names: Sequence[str], meaning: str, group: str, count: int) -> Iterator[str]:
    if names:
        yield f"Splits are those of {name_some(names)}{meaning and f' ({meaning})'}."
    if group:
        yield f"Groups: images of the same {group} stay in one split ({count_of(count, 'group')})."


def _say_unused(arrays: Mapping[str, np.ndarray], used: set[str]) -> str:
    unused = {name: array for name, array in arrays.items() if name not in used}
    return f"Arrays that are not used: {_shapes(unused)}." if unused else ""


def _pair(arrays: Mapping[str, np.ndarray], wrong: Wrong) -> Iterator[_Part]:
    """Yields the images and labels of each split."""
    of_split: dict[str, dict[str, np.ndarray]] = collections.defaultdict(dict)
    for name, array in arrays.items():
        of_split[split_of(name) or TRAIN][name] = array
    with_images = {
        split: group for split, group in of_split.items() if any(map(_has_images, group.values()))
    }
    if not with_images:
        raise wrong(
            f"has no images among its arrays ({_shapes(arrays)}){_say_flat(arrays)}",
            "Give an array of the shape (images, height, width) or (images, height, width, 3)",
        )
    for split, group in with_images.items():
        images = {name: array for name, array in group.items() if _has_images(array)}
        images = _called_so(images, is_called_images)
        if len(images) > 1:
            raise wrong(
                f"has {len(images)} arrays of images for {split} ({_shapes(images)})",
                "Leave one, and name the splits, as in train_images and test_images",
            )
        [(name, pixels)] = images.items()
        axis, labels_name, labels = _find_labels(group, name, wrong)
        yield _Part(split, name, images_first(pixels, axis), labels_name, labels)


def _say_flat(arrays: Mapping[str, np.ndarray]) -> str:
    """Says which array may hold images whose pixels are in a row each."""
    for name, array in arrays.items():
        if array.ndim == _FLAT and (sides := flat_sides(array.shape[1])):
            return f", of which {name} may be images of {sides} pixels in a row each"
    return ""


def _has_images(array: np.ndarray) -> bool:
    # A column may have several dimensions of one.
    is_column = sum(side > 1 for side in array.shape) <= 1
    return array.ndim >= _IMAGES and array.size > 0 and array.dtype.kind in "iubf" and not is_column


def _called_so(
    found: dict[str, np.ndarray], is_called: Callable[[str], bool]
) -> dict[str, np.ndarray]:
    """Leaves those of several arrays that are called so, if there are any."""
    called = {name: array for name, array in found.items() if is_called(name)}
    return called if len(found) > 1 and called else found


def _shapes(arrays: Mapping[str, np.ndarray]) -> str:
    return name_some(
        [
            f"{name} (Python objects)" if array.dtype.kind == "O" else f"{name} {array.shape}"
            for name, array in arrays.items()
        ]
    )


def _find_labels(
    group: Mapping[str, np.ndarray], images: str, wrong: Wrong
) -> tuple[int, str, np.ndarray]:
    """Finds the array with a label for each image, and the dimension that counts the images.

    Raises:
        UsageError: If there is not one.
    """
    shape = group[images].shape
    read = {
        name: read_column(array)
        for name, array in group.items()
        if not (_has_images(array) or is_index(name))
        and (is_called_labels(name) or not holds_words_for_splits(array))
    }
    usual, *others = image_axes(shape)
    for axis in (usual, *others):
        # What only has the length of a side says nothing.
        found = {
            name: column
            for name, column in read.items()
            if (axis == usual or is_called_labels(name))
            and not isinstance(column, str)
            and len(column) == shape[axis]
        }
        found = _called_so(found, is_called_labels)
        found = _called_so(found, lambda name: not are_names(name, group[name]))
        if len(found) == 1:
            [(name, labels)] = found.items()
            return axis, name, labels
        if found:
            raise wrong(
                f"has {images} {shape} and {len(found)} ({name_some(found)}) with a label for each "
                "image",
                "Leave one array of labels beside it, with a number or a name for each image",
            )
    raise wrong(
        f"has {images} {shape} without labels{_why_none(read, shape[usual])}",
        "Give one array beside it, with a number or a name for each image",
    )


def _why_none(read: Mapping[str, np.ndarray | str], count: int) -> str:
    called = {name: one for name, one in read.items() if is_called_labels(name)} or read
    reasons = [
        f"{name} {one}"
        if isinstance(one, str)
        else f"{name} has {count_of(len(one), 'value')} for {count_of(count, 'image')}"
        for name, one in called.items()
    ]
    return f": {'; '.join(reasons[:3])}" if reasons else ""
