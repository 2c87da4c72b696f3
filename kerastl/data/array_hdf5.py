"""Arrays by name from HDF5 files, as MATLAB 7.3 writes them, too."""

import io
from collections.abc import Iterator

import h5py
import numpy as np

from kerastl.data.array_matlab import join_cells

# First bytes, which MATLAB has behind a head of its own.
HDF5, MATLAB_HEAD = b"\x89HDF", 512
# What MATLAB keeps for cells and objects.
_OWN = ("#refs#", "#subsystem#")
_CLASS = "MATLAB_class"
_MOST_LEVELS = 20


def read_hdf5(content: bytes) -> dict[str, np.ndarray]:
    """Reads arrays by name; groups, which are MATLAB's structures, have one in each field.

    MATLAB's dimensions come in its order. What is no array of numbers or texts is one of objects
    without values.

    Raises:
        OSError: If the file is damaged, and other errors of its reader.
    """
    with h5py.File(io.BytesIO(content), "r") as file:
        return dict(_arrays_below(file, "", 0))


def _arrays_below(group: h5py.Group, name: str, level: int) -> Iterator[tuple[str, np.ndarray]]:
    for key in group:
        # Links may lead to other files, and around.
        is_own = isinstance(group.get(key, getlink=True), h5py.HardLink)
        if key in _OWN or not is_own or level > _MOST_LEVELS:
            continue
        item, inner = group[key], f"{name}.{key}" if name else key
        if isinstance(item, h5py.Dataset):
            yield inner, _read_dataset(item)
        elif isinstance(item, h5py.Group) and "MATLAB_sparse" not in item.attrs:
            yield from _arrays_below(item, inner, level + 1)
        else:
            yield inner, np.empty(0, object)


def _read_dataset(item: h5py.HLObject) -> np.ndarray:
    # Cells may refer to anything.
    if not isinstance(item, h5py.Dataset):
        return np.empty(0, object)
    of_class = bytes(item.attrs.get(_CLASS, b"")).decode("latin-1")
    if "MATLAB_empty" in item.attrs or item.shape is None:
        return np.empty(0)
    if h5py.check_string_dtype(item.dtype):
        return np.asarray(item.asstr()[()], str)
    if h5py.check_ref_dtype(item.dtype):
        # The order of MATLAB's dimensions is the other one.
        cells = [_read_dataset(item.file[cell]) for cell in item[()].reshape(-1)]
        return join_cells(cells, item.shape[::-1])
    if item.dtype.kind not in "iubf":
        return np.empty(0, object)
    values = np.asarray(item[()])
    values = values.T if of_class else values
    return _join_letters(values) if of_class == "char" else values


def _join_letters(numbers: np.ndarray) -> np.ndarray:
    """Makes a text of each row of numbers of letters."""
    return np.array(["".join(map(chr, row)).rstrip() for row in numbers.tolist()], str)
