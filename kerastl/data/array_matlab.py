"""Arrays by name from MATLAB's files up to version 7.

They are read here and not by SciPy, which takes numbers of a damaged file for places in memory: one
wrong byte in fifty ended the process.
"""

import math
import struct
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

HEAD_SIZE = 128
# https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf names the kinds of elements, and
# the classes of matrices that are made of them.
_TYPES = {
    **{1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4"},
    **{7: "f4", 9: "f8", 12: "i8", 13: "u8"},
}
_TEXTS = {2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_MATRIX, _COMPRESSED = 14, 15
_KINDS = {*_TYPES, *_TEXTS, _MATRIX, _COMPRESSED}
_CELLS, _STRUCTURE, _CHARACTERS, _OPAQUE = 1, 2, 4, 17
_CLASSES = {
    **{6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2"},
    **{12: "i4", 13: "u4", 14: "i8", 15: "u8"},
}
_COMPLEX = 0x08
# Cells within cells within cells.
_MOST_LEVELS = 20
_Element = tuple[int, memoryview]


def read_matlab(content: bytes) -> dict[str, np.ndarray]:
    """Reads arrays by name; a structure has one in each field, and texts lose blanks at their end.

    Returns:
        Arrays of numbers and texts. Cells with a number or text in each are one, and what is no
        such array is one of objects without values.

    Raises:
        ValueError: If the file is damaged, and errors of `struct` and `zlib`.
    """
    # Also where the file names no order that there is.
    order = ">" if content[HEAD_SIZE - 2 : HEAD_SIZE] == b"MI" else "<"
    found: dict[str, np.ndarray] = {}
    for kind, element in _elements(memoryview(content)[HEAD_SIZE:], order):
        inside = zlib.decompress(element) if kind == _COMPRESSED else b""
        elements = [*_elements(memoryview(inside), order)] if inside else [(kind, element)]
        for _, matrix in elements:
            name, value = _read_matrix(matrix, order, 0)
            # What belongs to objects has no name.
            if name:
                found |= _open_structure(name, value)
    return found


def _elements(content: memoryview, order: str) -> Iterator[_Element]:
    """Yields the kind and the content of each element."""
    place = 0
    while place < len(content):
        kind, size = struct.unpack_from(f"{order}2I", content, place)
        start = place + 8
        # Up to four bytes lie within the tag.
        if kind >> 16:
            kind, size, start = kind & 0xFFFF, kind >> 16, place + 4
        end = start + size
        if kind not in _KINDS or end > len(content):
            raise ValueError(f"the element at byte {place} is damaged")
        yield kind, content[start:end]
        place = end if kind == _COMPRESSED else end + -end % 8


def _read_matrix(content: memoryview, order: str, level: int) -> tuple[str, object]:
    """Reads the name and the value of a matrix; one that is a structure comes as a dictionary."""
    elements = list(_elements(content, order))
    if not elements or level > _MOST_LEVELS:
        return "", np.empty((0, 0))
    (_, head), (_, sizes), *others = elements
    number = int(_numbers((6, head), order)[0])
    of_class = number & 0xFF
    name, *inside = [(0, sizes), *others] if of_class == _OPAQUE else others
    text = bytes(name[1]).decode("latin-1")
    # Functions, objects, and sparse and complex numbers are no images or labels.
    if of_class not in (_CELLS, _STRUCTURE, _CHARACTERS, *_CLASSES) or number >> 8 & _COMPLEX:
        return text, np.empty(0, object)
    shape = _numbers((5, sizes), order).tolist()
    if min(shape, default=0) < 0:
        raise ValueError(f"a matrix has the dimensions {shape}")
    return text, _read_value(of_class, shape, inside, order, level)


def _read_value(
    of_class: int, shape: list[int], inside: list[_Element], order: str, level: int
) -> object:
    if of_class in _CLASSES:
        numbers = _numbers(inside[0], order).astype(_CLASSES[of_class], copy=False)
        return numbers.reshape(shape, order="F")
    if of_class == _CHARACTERS:
        return _read_texts(inside[0], shape, order)
    names = _read_fields(inside, order) if of_class == _STRUCTURE else []
    matrices = inside[2:] if of_class == _STRUCTURE else inside
    if len(matrices) != math.prod(shape) * (len(names) if of_class == _STRUCTURE else 1):
        raise ValueError(f"{len(matrices)} values are not those of {shape}")
    # Of several structures nothing is an array.
    if of_class == _STRUCTURE and math.prod(shape) != 1:
        return np.empty(0, object)
    values = [_read_matrix(matrix, order, level + 1)[1] for _, matrix in matrices]
    return dict(zip(names, values, strict=True)) if names else join_cells(values, shape)


def _numbers(element: _Element, order: str) -> np.ndarray:
    kind, content = element
    if kind not in _TYPES:
        raise ValueError(f"numbers of the kind {kind}")
    return np.frombuffer(content, order + _TYPES[kind])


def _read_fields(inside: list[_Element], order: str) -> list[str]:
    """Returns the names of the fields of a structure, which are equally long."""
    length = int(_numbers(inside[0], order)[0])
    names = bytes(inside[1][1])
    if length <= 0:
        raise ValueError("names of fields have no length")
    parts = (names[start : start + length] for start in range(0, len(names), length))
    return [part.split(b"\0")[0].decode("latin-1") for part in parts]


def _read_texts(element: _Element, shape: list[int], order: str) -> np.ndarray:
    """Reads a text for each row of characters."""
    kind, content = element
    encoding = _TEXTS.get(kind, "latin-1")
    if encoding in ("utf-16", "utf-32"):
        encoding += "-be" if order == ">" else "-le"
    text = bytes(content).decode(encoding, "replace")
    if not text:
        return np.empty(0, "U1")
    letters = np.array([*text], "U1").reshape(shape, order="F")
    rows = ["".join(row).rstrip() for row in letters.reshape(-1, shape[-1]).tolist()]
    return np.array(rows).reshape(shape[:-1])


def join_cells(values: Sequence[object], shape: Sequence[int]) -> np.ndarray:
    """Makes an array of cells that hold one number or text each, and one of objects of others."""
    cells = [value for value in values if isinstance(value, np.ndarray)]
    are_single = all(cell.size == 1 and cell.dtype.kind in "Uiuf" for cell in cells)
    if not are_single or not cells or len(cells) < len(values):
        return np.empty(0, object)
    return np.array([cell.item() for cell in cells]).reshape(shape, order="F")


def _open_structure(name: str, value: object) -> dict[str, np.ndarray]:
    if isinstance(value, np.ndarray):
        return {name: value}
    fields = value.items() if isinstance(value, dict) else ()
    return {
        inner: array
        for field, one in fields
        for inner, array in _open_structure(f"{name}.{field}", one).items()
    }
