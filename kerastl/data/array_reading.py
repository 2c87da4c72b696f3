"""Arrays by name from files: NumPy's .npz and .npy, MNIST's IDX, MATLAB's .mat, and HDF5."""

import gzip
import io
import pathlib
import struct
import tokenize
import zipfile
import zlib

import numpy as np

from kerastl.data.array_hdf5 import HDF5, MATLAB_HEAD, read_hdf5
from kerastl.data.array_matlab import read_matlab
from kerastl.data.beside import other_kind
from kerastl.data.other_contents import find_other
from kerastl.data.table_rows import Wrong

# First bytes of the files, and the types of IDX, big-endian, http://yann.lecun.com/exdb/mnist
_NPZ, _NPY, _GZIP, _MATLAB, _IDX = b"PK", b"\x93NUMPY", b"\x1f\x8b", b"MATLAB ", b"\0\0"
_IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_IDX_HEAD = 4
_READS = (
    "Give an .npz, .npy, IDX, .mat or HDF5 file, or a folder of them, with arrays of images and of "
    "labels"
)
# What readers raise; RuntimeError is for a ZIP with a password, and for what HDF5 cannot read.
_BROKEN = (
    *(ValueError, TypeError, EOFError, struct.error, zipfile.BadZipFile, zlib.error),
    *(RuntimeError, OverflowError, MemoryError, LookupError, OSError),
    *(tokenize.TokenError, SyntaxError),
)


def read_arrays(path: pathlib.Path, wrong: Wrong) -> dict[str, np.ndarray]:
    """Reads all arrays of a file or folder by name, after the name of their file if it has several.

    What holds Python objects, which could run code, comes as an array of objects without values.

    Raises:
        UsageError: If a file is broken or no such file, or there are no arrays.
    """
    try:
        found = {name: _read_file(file, wrong) for name, file in _files_of(path).items()}
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


def _files_of(path: pathlib.Path) -> dict[str, pathlib.Path]:
    """Returns the files with arrays by their names below a folder, deeper if none is in it."""
    if not path.is_dir():
        return {path.name: path}
    files = [file for file in sorted(path.iterdir()) if _may_hold_arrays(file)]
    if not files:
        below = sorted(path.rglob("*"))
        files = [file for file in below if file.is_file() and other_kind(file.name) == "arrays"]
    return {file.relative_to(path).as_posix(): file for file in files}


def _may_hold_arrays(path: pathlib.Path) -> bool:
    """Whether a file of a folder is no text or the like beside the arrays, nor hidden."""
    is_shown = not path.name.startswith(".") and path.is_file()
    return is_shown and other_kind(path.name) in (None, "arrays")


def _read_file(path: pathlib.Path, wrong: Wrong) -> dict[str, np.ndarray]:
    content = path.read_bytes()
    try:
        if content.startswith(_GZIP):
            content = gzip.decompress(content)
        arrays = _read_content(content)
    except _BROKEN as error:
        raise wrong(
            f"{path.name} cannot be read as arrays ({error})", "Check that it is whole"
        ) from error
    if arrays:
        return arrays
    other = find_other(content)
    raise wrong(
        f"{path.name} "
        + (other.reason.replace("an image", "an array that is read") if other else "is no array"),
        _READS,
    )


def _read_content(content: bytes) -> dict[str, np.ndarray]:
    """Reads arrays by name; one of IDX or .npy has none. Returns nothing for other files."""
    if content.startswith(_NPZ):
        with np.load(io.BytesIO(content), allow_pickle=False) as loaded:
            arrays = {name: _read_member(loaded, name) for name in loaded.files}
        # Other files in a ZIP come as bytes.
        return {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}
    if content.startswith(_NPY):
        return {"": np.load(io.BytesIO(content), allow_pickle=False)}
    if content.startswith(HDF5) or content[MATLAB_HEAD:].startswith(HDF5):
        return read_hdf5(content)
    if content.startswith(_MATLAB):
        return read_matlab(content)
    if content.startswith(_IDX) and len(content) > _IDX_HEAD and content[2] in _IDX_TYPES:
        return {"": _read_idx(content)}
    return {}


def _read_member(loaded: np.lib.npyio.NpzFile, name: str) -> object:
    try:
        return loaded[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        return np.empty(0, object)


def _read_idx(content: bytes) -> np.ndarray:
    dimensions = content[3]
    start = _IDX_HEAD + 4 * dimensions
    shape = struct.unpack(f">{dimensions}I", content[_IDX_HEAD:start])
    values = np.frombuffer(content, _IDX_TYPES[content[2]], offset=start)
    return values.reshape(shape).astype(values.dtype.newbyteorder("="))
