"""Arrays that are of one class each: in folders named for classes, or named for them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from kerastl.data.array_values import is_called_images, is_called_labels
from kerastl.data.folder_names import DATA_FOLDERS, SIDE_FOLDERS
from kerastl.data.split_words import split_within

# Dimensions of one image, and of several with channels.
_IMAGE, _COLOR, _SEVERAL = 2, 3, 4
_CHANNELS = (1, 3, 4)
# Endings of files in the names of arrays, and what is before the name of one of several there.
_ENDING = re.compile(r"\.(npy|npz|h5|hdf5?|mat)( |$)", re.IGNORECASE)


class OfClass(NamedTuple):
    """Images of one class and split.

    Attributes:
        split: "train", "validation" or "test"; empty if nothing names one.
        class_name: The name of a folder or of the array.
        images: (images, height, width) or with channels.
    """

    split: str
    class_name: str
    images: np.ndarray


def find_classes(arrays: Mapping[str, np.ndarray]) -> list[OfClass]:
    """Finds the classes of images whose arrays have no labels beside them.

    An array is one image in a folder of its class, as `cat/1.npy`, or holds all images of the
    class that it or its folder is named for. Splits may be named above the classes.

    Returns:
        The images of each array; nothing if there are not two classes or more, or other arrays.
    """
    found = list(_read(arrays))
    classes = {one.class_name for one in found}
    is_each = len(found) == len(arrays) and all(map(_is_class, classes))
    return found if is_each and len(classes) > 1 else []


def _read(arrays: Mapping[str, np.ndarray]) -> Iterator[OfClass]:
    paths = _paths(list(arrays))
    # Arrays at the top have no folder to be named for.
    own = 1 if any(path[1:] for path in paths) else 0
    for path, array in zip(paths, arrays.values(), strict=True):
        images = _images_of(array, is_one=bool(own))
        if images is not None and len(path) > own:
            *above, class_name = path[: len(path) - own]
            split = next(filter(None, map(split_within, above)), "")
            yield OfClass(split or "", class_name, images)


def _paths(names: Sequence[str]) -> list[list[str]]:
    """Takes names apart at the folders in them; HDF5 has dots for its own."""
    bare = [_ENDING.sub(lambda found: "/" if found[2] else "", name) for name in names]
    mark = (
        "/" if any("/" in name for name in bare) or not all("." in name for name in bare) else "."
    )
    return [name.split(mark) for name in bare]


def _images_of(array: np.ndarray, *, is_one: bool) -> np.ndarray | None:
    """Returns the images of an array, None if it holds something else."""
    if array.dtype.kind not in "iubf" or not array.size:
        return None
    is_color = array.ndim == _COLOR and array.shape[-1] in _CHANNELS
    if is_one and (is_color or (array.ndim == _IMAGE and min(array.shape) > 1)):
        return array[np.newaxis]
    return array if array.ndim in (_COLOR, _SEVERAL) and not is_color else None


def _is_class(name: str) -> bool:
    """Whether a name may be that of a class, rather than of a part of the data."""
    is_part = split_within(name) or is_called_images(name) or is_called_labels(name)
    return not is_part and name.lower() not in DATA_FOLDERS | SIDE_FOLDERS
