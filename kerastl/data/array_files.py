"""Images that lie as arrays in files, with their labels: NumPy's, MNIST's IDX, and MATLAB's."""

import collections
import functools
import gzip
import io
import pathlib
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy.io

from kerastl.data.beside import other_kind
from kerastl.data.other_contents import find_other
from kerastl.data.source import Source
from kerastl.data.split_words import split_within
from kerastl.data.table_rows import Wrong
from kerastl.errors import bad_value, name_some
from kerastl.paths import local_path
from kerastl.progress import Progress, count_of
from kerastl.settings import DataSettings
from kerastl.split_names import SPLITS, TEST, TRAIN

# First bytes of the files, and the types of IDX, big-endian, http://yann.lecun.com/exdb/mnist
_NPZ, _NPY, _GZIP, _MATLAB, _IDX = b"PK", b"\x93NUMPY", b"\x1f\x8b", b"MATLAB ", b"\0\0"
_IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
# MNIST calls its ten thousand test images so.
_OTHER_SPLITS = {"t10k": TEST}
# Words for names of classes in the name of an array.
_NAMES = ("class", "name", "meta", "categor")
_CHANNELS = (1, 3)
# Dimensions of an array of images at least.
_IMAGES = 3
_READS = (
    "Give an .npz, .npy, IDX or .mat file, or a folder of them, with arrays of images and of labels"
)


# What readers raise, the last for MATLAB's newer form, which is HDF5.
_BROKEN = (
    *(ValueError, TypeError, EOFError, struct.error, zipfile.BadZipFile, zlib.error),
    NotImplementedError,
)


class _Part(NamedTuple):
    """The images of a split, (images, height, width, ...), and the class of each as written."""

    split: str
    images: np.ndarray
    labels: np.ndarray
    about: str


def open_source(
    place: str, data: DataSettings, *, memory: pathlib.Path | None, progress: Progress
) -> Source:
    """Opens a file of arrays, or a folder of such files, as `kerastl.data_sources` describes.

    The words for splits in the names of arrays and files tell which images and labels belong
    together, as in `train_images` and `y_test`.

    Raises:
        UsageError: If it is no such file, or does not hold images and one class for each.
    """
    del memory
    wrong = functools.partial(bad_value, "dataset", data.dataset)
    arrays = _read(local_path(place, field="dataset"), wrong)
    parts = sorted(_pair(arrays, wrong), key=lambda part: SPLITS.index(part.split))
    # What others are split off.
    base = parts[0].split
    values, labels = np.unique(np.concatenate([part.labels for part in parts]), return_inverse=True)
    progress.line(f"Arrays: {', '.join(part.about for part in parts)}.")
    return Source.from_arrays(
        [image for part in parts for image in part.images],
        labels.reshape(-1),
        class_names=_find_names(arrays, values),
        splits=[TRAIN if part.split == base else part.split for part in parts for _ in part.images],
        name=data.dataset,
    )


def _read(path: pathlib.Path, wrong: Wrong) -> dict[str, np.ndarray]:
    """Reads all arrays by name, with the name of their file where there are several files."""
    try:
        files = sorted(filter(_may_hold_arrays, path.iterdir())) if path.is_dir() else [path]
        found = {file.name: _read_file(file, wrong) for file in files}
    except OSError as error:
        raise wrong(f"cannot be read ({error.strerror or error})", "Check its path") from error
    arrays = {
        f"{file} {name}".strip() if len(found) > 1 else name or file: array
        for file, inside in found.items()
        for name, array in inside.items()
    }
    if not arrays:
        raise wrong("holds no arrays", _READS)
    return arrays


def _may_hold_arrays(path: pathlib.Path) -> bool:
    """Whether a file of a folder is no text or the like beside the arrays, nor hidden."""
    is_shown = not path.name.startswith(".") and path.is_file()
    return is_shown and other_kind(path.name) in (None, "arrays")


def _read_file(path: pathlib.Path, wrong: Wrong) -> dict[str, np.ndarray]:
    """Reads the arrays of a file by name; one of IDX or .npy has none."""
    content = path.read_bytes()
    try:
        if content.startswith(_GZIP):
            content = gzip.decompress(content)
        if content.startswith(_NPZ):
            with np.load(io.BytesIO(content), allow_pickle=False) as loaded:
                return {name: loaded[name] for name in loaded.files}
        if content.startswith(_NPY):
            return {"": np.load(io.BytesIO(content), allow_pickle=False)}
        if content.startswith(_MATLAB):
            loaded = scipy.io.loadmat(io.BytesIO(content))
            return {name: one for name, one in loaded.items() if isinstance(one, np.ndarray)}
        if content.startswith(_IDX) and content[2] in _IDX_TYPES:
            return {"": _read_idx(content)}
    except _BROKEN as error:
        raise wrong(
            f"{path.name} cannot be read as arrays ({error})",
            "Save it again with images as uint8, and without Python objects",
        ) from error
    other = find_other(content)
    raise wrong(
        f"{path.name} "
        + (other.reason.replace("an image", "an array that is read") if other else "is no array"),
        _READS,
    )


def _read_idx(content: bytes) -> np.ndarray:
    dimensions = content[3]
    shape = struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions])
    values = np.frombuffer(content, _IDX_TYPES[content[2]], offset=4 + 4 * dimensions)
    return values.reshape(shape).astype(values.dtype.newbyteorder("="))


def _pair(arrays: Mapping[str, np.ndarray], wrong: Wrong) -> Iterator[_Part]:
    """Yields the images and labels of each split."""
    of_split: dict[str, dict[str, np.ndarray]] = collections.defaultdict(dict)
    for name, array in arrays.items():
        of_split[_split_of(name) or TRAIN][name] = array
    with_images = {
        split: group for split, group in of_split.items() if any(map(_has_images, group.values()))
    }
    if not with_images:
        raise wrong(
            f"has no images among its arrays ({_shapes(arrays)})",
            "Give an array of the shape (images, height, width) or (images, height, width, 3)",
        )
    for split, group in with_images.items():
        images = {name: array for name, array in group.items() if _has_images(array)}
        if len(images) > 1:
            raise wrong(
                f"has {len(images)} arrays of images for {split} ({_shapes(images)})",
                "Leave one, and name the splits, as in train_images and test_images",
            )
        [(name, pixels)] = images.items()
        labels = _find_labels(group, pixels.shape)
        if len(labels) != 1:
            found = f"{len(labels)} ({name_some([*labels])})" if labels else "none"
            raise wrong(
                f"has {name} {pixels.shape} and {found} with a label for each image",
                "Leave one array of labels beside it, with a number or a name for each image",
            )
        [(other, values)] = labels.items()
        about = f"{name} and {other} ({count_of(len(values), 'image')}, {split})"
        yield _Part(split, _images_first(pixels, len(values)), values, about)


def _has_images(array: np.ndarray) -> bool:
    return array.ndim >= _IMAGES


def _shapes(arrays: Mapping[str, np.ndarray]) -> str:
    return name_some([f"{name} {array.shape}" for name, array in arrays.items()])


def _find_labels(group: Mapping[str, np.ndarray], shape: Sequence[int]) -> dict[str, np.ndarray]:
    """Finds the arrays with a label for each image; the images are first, or else last."""
    read = {name: _as_labels(one) for name, one in group.items() if not _has_images(one)}
    for count in (shape[0], shape[-1]):
        found = {name: one for name, one in read.items() if one is not None and len(one) == count}
        if len(found) > 1:
            found = {name: one for name, one in found.items() if not _are_names(name, one)}
        if found:
            return found
    return {}


def _split_of(name: str) -> str | None:
    for word, split in _OTHER_SPLITS.items():
        name = name.replace(word, split)
    return split_within(name)


def _as_labels(array: np.ndarray) -> np.ndarray | None:
    """Returns one class for each image, as an array may hold them; None for other arrays."""
    if array.dtype.kind == "f" and np.array_equal(array, np.round(array)):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iubUS":
        return None
    if max(array.shape, default=0) == array.size:
        return array.reshape(-1)
    is_one_hot = array.dtype.kind in "iub" and (array.astype(np.int64).sum(axis=1) == 1).all()
    return array.argmax(axis=1) if is_one_hot and array.min() >= 0 else None


def _images_first(pixels: np.ndarray, count: int) -> np.ndarray:
    """Puts the images first and the channels last: MATLAB and PyTorch have them elsewhere."""
    if pixels.shape[0] != count:
        pixels = np.moveaxis(pixels, pixels.shape.index(count), 0)
    if pixels.ndim > _IMAGES and pixels.shape[1] in _CHANNELS and pixels.shape[3] not in _CHANNELS:
        pixels = np.moveaxis(pixels, 1, 3)
    return pixels


def _find_names(arrays: Mapping[str, np.ndarray], values: np.ndarray) -> Sequence[str]:
    """Finds the names of the classes: an array of as many, or the labels themselves."""
    for name, array in arrays.items():
        if _are_names(name, array) and array.size == len(values):
            return [_as_text(one) for one in array.reshape(-1)]
    return [_as_text(value) for value in values]


def _are_names(name: str, array: np.ndarray) -> bool:
    return array.dtype.kind in "US" and any(word in name.lower() for word in _NAMES)


def _as_text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
