"""Whether the rows of a feature store are still what was written."""

import dataclasses
import math
import pathlib
import zlib
from collections.abc import Iterator

import numpy as np

from kerastl.data.entries import Entry, files_of, list_entries
from kerastl.data.segments import ANY_LENGTH, Segment, open_segment


@dataclasses.dataclass(frozen=True)
class Health:
    """What reading a store has shown.

    Attributes:
        num_rows: Rows that were read.
        num_damaged: Those of them that fail their checksum, and indexes that do.
        num_bytes: Bytes that were read.
        is_whole: Whether these are all rows of the store.
    """

    num_rows: int
    num_damaged: int
    num_bytes: int
    is_whole: bool


def read_store(root: pathlib.Path, *, most_bytes: int) -> Health:
    """Reads the rows in a store's directory, the last used first, and checks each.

    It ends after the file in which `most_bytes` are reached.
    """
    num_rows = num_damaged = num_bytes = 0
    for index, row_bytes in _list_segments(root):
        if num_bytes >= most_bytes:
            return Health(num_rows, num_damaged, num_bytes, is_whole=False)
        segment = open_segment(index, row_bytes)
        if segment is None:
            # Removed by another process meanwhile, or damaged with all its rows, however many.
            num_damaged += index.exists()
            continue
        valid = segment.valid if row_bytes else _check_each(segment)
        num_rows += len(valid)
        num_damaged += int((~valid).sum())
        num_bytes += segment.path.stat().st_size
    return Health(num_rows, num_damaged, num_bytes, is_whole=True)


def _list_segments(root: pathlib.Path) -> Iterator[tuple[pathlib.Path, int]]:
    for entry in reversed(list_entries(root)):
        if "identity" in entry.about:
            for index in sorted(files_of(entry.path, "[!.]*.index")):
                yield index, _row_bytes(entry)


def _row_bytes(entry: Entry) -> int:
    """Returns the length of a combination's rows: features have a shape, and pixels none."""
    identity = entry.about["identity"]
    if "shape" not in identity:
        return ANY_LENGTH
    size: int = math.prod(identity["shape"]) * np.dtype(identity["dtype"]).itemsize
    return size


def _check_each(segment: Segment) -> np.ndarray:
    """Checks rows that have each a checksum of its own, bool (rows,)."""
    valid = np.zeros(len(segment.lengths), bool)
    with segment.path.open("rb") as file:
        for place, length in enumerate(segment.lengths.tolist()):
            valid[place] = zlib.crc32(file.read(length)) == segment.checksums[place]
    return valid
