"""Files of a store: rows of features or pixels, each file written once and checked when read.

`NAME.rows` holds rows one after the other. `NAME.index`, which appears last and whole, holds the
hash of each row's image, the lengths of rows that differ in it, the checksums of the rows, and a
checksum of itself. A segment without an index was cut off and is not read.

Rows of one length share checksums and are checked when the segment is opened. Others have each its
own, and are checked by who reads them.
"""

import contextlib
import dataclasses
import errno
import functools
import io
import math
import os
import pathlib
import struct
import time
import uuid
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from kerastl.data.content import HASH
from kerastl.data.store_locks import FIELD
from kerastl.disk_errors import explained
from kerastl.errors import KerastlError
from kerastl.locks import Held, take_new
from kerastl.writing import replacing

# Rows that share a checksum and are recomputed together if it is wrong.
ROWS_PER_CHECKSUM = 64
# A pass that is killed keeps all but the last of these, which ends at one of the three.
_ROWS_PER_SEGMENT = 2048
_BYTES_PER_SEGMENT = 1 << 28
SECONDS_PER_SEGMENT = 60.0
# In place of the length of a row where each has its own.
ANY_LENGTH = 0
# An index is its number of rows, their hashes, their checksums, and a checksum of all that.
_COUNT = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")


@dataclasses.dataclass(frozen=True, eq=False)
class Segment:
    """One file of rows.

    Attributes:
        path: The file.
        hashes: Hash of each row's image, uint8 (rows, 16).
        valid: Whether each row passed its checksum, or its own is still to be checked, bool
            (rows,).
        lengths: Bytes of each row where they differ, int64 (rows,).
        checksums: Of each such row, uint32 (rows,).
    """

    path: pathlib.Path
    hashes: np.ndarray
    valid: np.ndarray
    lengths: np.ndarray
    checksums: np.ndarray

    @functools.cached_property
    def ends(self) -> np.ndarray:
        """Where each row of its own length ends in the file, int64 (rows,)."""
        return np.cumsum(self.lengths)


def count_bytes(rows: int, row_bytes: int) -> int:
    """Counts the bytes that rows take on disk, with their share of an index."""
    return rows * (row_bytes + HASH.itemsize) + (
        math.ceil(rows / ROWS_PER_CHECKSUM) * _CHECKSUM.size
    )


def open_segment(index: pathlib.Path, row_bytes: int) -> Segment | None:
    """Checks every row of a segment; None if it is damaged as a whole or was removed."""
    path = index.with_suffix(".rows")
    try:
        known = _read_index(index, row_bytes)
        if known is None:
            return None
        hashes, lengths, checksums = known
        if row_bytes == ANY_LENGTH:
            valid = np.cumsum(lengths) <= path.stat().st_size
            return Segment(path, hashes, valid, lengths, checksums)
        found = _checksums(path, row_bytes)
    except OSError:
        # Removed by another process, or unreadable: computed again.
        return None
    valid = np.zeros(len(checksums), bool)
    shared = min(len(found), len(checksums))
    valid[:shared] = found[:shared] == checksums[:shared]
    valid = np.repeat(valid, ROWS_PER_CHECKSUM)[: len(hashes)]
    return Segment(path, hashes, valid, lengths, checksums)


def read_into(target: memoryview, file: io.RawIOBase, offset: int) -> None:
    """Fills `target` from a file opened without a buffer, which may return less at a time."""
    file.seek(offset)
    done = 0
    while done < len(target):
        count = file.readinto(target[done:])
        if not count:
            raise OSError(errno.EIO, "a row ends early", str(getattr(file, "name", "")))
        done += count


class SegmentWriter:
    """Writes rows, a segment at a time.

    Attributes:
        written: The segments that are complete, by the path of their index.
    """

    def __init__(self, directory: pathlib.Path, dtype: np.dtype, row_bytes: int) -> None:
        self.written: dict[pathlib.Path, Segment | None] = {}
        self._directory = directory
        self._dtype = dtype
        self._block_bytes = row_bytes * ROWS_PER_CHECKSUM
        self._file: Any = None
        self._lock: Held | None = None
        self._began = 0.0
        self._hashes: list[np.ndarray] = []
        self._lengths: list[int] = []
        self._num_bytes = 0
        # Checksums of the full blocks, and of the one that is being filled.
        self._checksums: list[int] = []
        self._checksum = self._bytes_in_block = 0

    def add(self, hashes: np.ndarray, rows: np.ndarray) -> None:
        """Adds rows, of any float type, for images that the store does not have.

        Raises:
            KerastlError: If they cannot be written; complete segments stay.
        """
        if not len(hashes):
            return
        content = np.ascontiguousarray(rows, self._dtype).reshape(-1).view(np.uint8).data
        self._write(content)
        self._add_checksums(content)
        self._end_row(hashes)

    def add_one(self, hash_: np.ndarray, row: np.ndarray) -> None:
        """Adds a row of its own length, uint8 (bytes,), for an image that the store lacks.

        Raises:
            KerastlError: If it cannot be written; complete segments stay.
        """
        content = np.ascontiguousarray(row).data
        self._write(content)
        self._checksums.append(zlib.crc32(content))
        self._lengths.append(len(row))
        self._end_row(hash_[np.newaxis])

    def _write(self, content: memoryview) -> None:
        with self._discarding():
            if self._file is None:
                path = self._directory / f"{uuid.uuid4().hex}.rows"
                # Until its index is there, so that it is not taken for one that was cut off.
                self._lock, self._began = take_new(path), time.monotonic()
                self._file = path.open("wb")
            self._file.write(content)
        self._num_bytes += len(content)

    def _end_row(self, hashes: np.ndarray) -> None:
        self._hashes.append(hashes)
        is_long = self._num_bytes >= _BYTES_PER_SEGMENT
        is_late = time.monotonic() - self._began >= SECONDS_PER_SEGMENT
        if is_long or is_late or sum(map(len, self._hashes)) >= _ROWS_PER_SEGMENT:
            self.commit()

    def commit(self) -> None:
        """Makes what was added so far readable."""
        if self._file is None:
            return
        if self._bytes_in_block:
            self._checksums.append(self._checksum)
        hashes = np.concatenate(self._hashes)
        path = pathlib.Path(self._file.name)
        index = path.with_suffix(".index")
        with self._discarding():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            with replacing(index, field=FIELD) as temporary:
                temporary.write_bytes(_index_of(hashes, self._lengths, self._checksums))
        self.written[index] = Segment(
            path,
            hashes,
            np.ones(len(hashes), bool),
            np.array(self._lengths, np.int64),
            np.array(self._checksums, np.uint32),
        )
        self._reset()

    def _add_checksums(self, content: memoryview) -> None:
        while len(content):
            part = content[: self._block_bytes - self._bytes_in_block]
            self._checksum = zlib.crc32(part, self._checksum)
            self._bytes_in_block += len(part)
            content = content[len(part) :]
            if self._bytes_in_block == self._block_bytes:
                self._checksums.append(self._checksum)
                self._checksum = self._bytes_in_block = 0

    def _reset(self) -> None:
        self._file = self._lock = None
        self._hashes, self._lengths, self._checksums = [], [], []
        self._checksum = self._bytes_in_block = self._num_bytes = 0

    @contextlib.contextmanager
    def _discarding(self) -> Iterator[None]:
        """Leaves nothing of the segment that is being written if the disk refuses it."""
        try:
            with explained(self._directory.parent, field=FIELD):
                yield
        except KerastlError:
            if self._file is not None:
                path = pathlib.Path(self._file.name)
                with contextlib.suppress(OSError):
                    self._file.close()
                path.unlink(missing_ok=True)
            self._reset()
            raise


def _index_of(hashes: np.ndarray, lengths: list[int], checksums: list[int]) -> bytes:
    numbers = np.array(lengths, "<u4").tobytes() + np.array(checksums, "<u4").tobytes()
    body = _COUNT.pack(len(hashes)) + hashes.tobytes() + numbers
    return body + _CHECKSUM.pack(zlib.crc32(body))


def _read_index(
    index: pathlib.Path, row_bytes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Reads the hashes, lengths and checksums of a segment's rows, None if it is damaged."""
    content = index.read_bytes()
    body, end = content[: -_CHECKSUM.size], content[-_CHECKSUM.size :]
    if len(body) < _COUNT.size or _CHECKSUM.pack(zlib.crc32(body)) != end:
        return None
    (count,) = _COUNT.unpack_from(body)
    middle = _COUNT.size + count * HASH.itemsize
    hashes = np.frombuffer(body[_COUNT.size : middle], np.uint8).reshape(count, HASH.itemsize)
    numbers = np.frombuffer(body[middle:], "<u4")
    num_lengths = count if row_bytes == ANY_LENGTH else 0
    return hashes, numbers[:num_lengths].astype(np.int64), numbers[num_lengths:]


def _checksums(path: pathlib.Path, row_bytes: int) -> np.ndarray:
    size = row_bytes * ROWS_PER_CHECKSUM
    with path.open("rb") as file:
        return np.array(
            [zlib.crc32(block) for block in iter(lambda: file.read(size), b"")], np.uint32
        )
