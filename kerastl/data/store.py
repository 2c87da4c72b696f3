"""Rows of images on disk, as of features, found by the hash of each image's content.

A combination of everything that decides the values (network, weights, boundary, size, ...) has
a directory of segments. Processes that write at the same time write different segments.
"""

import contextlib
import hashlib
import json
import math
import pathlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from kerastl.data.content import HASH, as_keys
from kerastl.data.entries import ABOUT, files_of, hold, read_about
from kerastl.data.segments import (
    Segment,
    SegmentWriter,
    count_bytes,
    open_segment,
    read_into,
)
from kerastl.data.store_locks import FIELD
from kerastl.writing import left_behind, remove_leftovers, replace_text


class RowStore:
    """The rows of one combination, open for reading and adding, and never removed while it is open.

    Attributes:
        path: Its directory.
        damaged: Number of rows that failed their checksum and are in no other segment.
    """

    def __init__(self, root: pathlib.Path, identity: Mapping[str, Any], *, row_bytes: int) -> None:
        """Opens the combination that `identity` describes, or creates it in `root`.

        Args:
            root: Directory of all combinations.
            identity: Everything that decides the values, as JSON can hold it.
            row_bytes: Length of a row, or `ANY_LENGTH`.
        """
        text = json.dumps(identity, sort_keys=True)
        self.path = root / hashlib.sha256(text.encode()).hexdigest()[:32]
        self._identity = dict(identity)
        self._row_bytes = row_bytes
        self._lock = hold(self.path)
        self._segments: dict[pathlib.Path, Segment | None] = {}
        self.damaged = 0
        self.refresh()

    def refresh(self) -> None:
        """Reads which rows are there, checking every one."""
        # A segment is written once, so it is checked once, however often rows are added.
        for index in set(self.path.glob("[!.]*.index")) - self._segments.keys():
            self._segments[index] = open_segment(index, self._row_bytes)
        found = (self._segments[index] for index in sorted(self._segments))
        segments = [segment for segment in found if segment is not None]
        self._opened = segments
        self._starts = np.cumsum([0, *(len(segment.hashes) for segment in segments)])
        keys = np.concatenate(
            [np.zeros(0, HASH), *(as_keys(segment.hashes) for segment in segments)]
        )
        valid = np.concatenate([np.zeros(0, bool), *(segment.valid for segment in segments)])
        self._keys, first = np.unique(keys[valid], return_index=True)
        self._rows = np.flatnonzero(valid)[first]
        self.damaged = len(np.setdiff1d(keys[~valid], self._keys))
        _remove_stale(self.path)

    def find(self, hashes: np.ndarray) -> np.ndarray:
        """Finds the row of each image, -1 where there is none.

        Args:
            hashes: Hashes of the images' content, uint8 (images, 16).
        """
        keys = as_keys(hashes)
        if not len(self._keys):
            return np.full(len(keys), -1)
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[place] == keys, self._rows[place], -1)

    def locate(self, image: np.ndarray) -> tuple[Segment, int] | None:
        """Finds the segment and the place in it of one image's row, by its hash; None without."""
        row = int(self.find(image[np.newaxis])[0])
        if row < 0:
            return None
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._opened[number], row - int(self._starts[number])

    def take_in(self, writer: SegmentWriter) -> None:
        """Finishes what a writer has added, which can then be read."""
        writer.commit()
        # What this process has just written needs no reading to be known.
        self._segments |= writer.written
        self.refresh()

    def describe(self, **notes: Any) -> None:
        """Notes what a person wants to know of the combination, and that it is in use."""
        about = read_about(self.path) | {"identity": self._identity} | notes
        text = json.dumps(about | {"last_use": time.time()})
        replace_text(self.path / ABOUT, text, field=FIELD)

    def about(self) -> dict[str, Any]:
        """Reads what `describe` has noted."""
        return read_about(self.path)

    def close(self) -> None:
        """Unlocks the combination, which other runs may then remove; ends reading and adding."""
        self._lock.release()


class FeatureStore(RowStore):
    """Rows of features, all of one shape.

    Attributes:
        shape: Shape of one row.
        dtype: Type that the rows are stored in; they are read as float32.
    """

    def __init__(
        self, root: pathlib.Path, identity: Mapping[str, Any], *, shape: tuple[int, ...], dtype: str
    ) -> None:
        """Opens the combination that `identity`, shape and type describe, or creates it in `root`.

        Args:
            root: Directory of all combinations.
            identity: Everything else that decides the values, as JSON can hold it.
            shape: Shape of one row.
            dtype: "float32" or "float16".
        """
        self.shape = shape
        self.dtype = np.dtype(dtype)
        full = {**identity, "shape": list(shape), "dtype": dtype}
        super().__init__(root, full, row_bytes=math.prod(shape) * self.dtype.itemsize)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Reads rows by number, float32 (rows, *shape).

        Reading into a buffer, and not through a memory map, keeps the process's memory the
        same however many rows there are. A file is open only while it is read, since a large
        data set has more of them than a process may hold open.
        """
        buffer = np.empty((len(rows), *self.shape), self.dtype)
        target = buffer.reshape(-1).view(np.uint8).data
        segments = np.searchsorted(self._starts, rows, side="right") - 1
        # Rows that follow each other in the file are read together: a call takes longer than
        # the bytes of a row.
        is_first = (np.diff(rows, prepend=-2) != 1) | (np.diff(segments, prepend=-1) != 0)
        firsts = np.flatnonzero(is_first)
        ends = np.append(firsts[1:], len(rows)) * self._row_bytes
        offsets = (rows - self._starts[segments])[firsts] * self._row_bytes
        for segment in np.unique(segments).tolist():
            runs = np.flatnonzero(segments[firsts] == segment)
            with open(self._opened[segment].path, "rb", buffering=0) as file:
                for first, end, offset in zip(
                    firsts[runs].tolist(), ends[runs].tolist(), offsets[runs].tolist(), strict=True
                ):
                    read_into(target[first * self._row_bytes : end], file, offset)
        return buffer.astype(np.float32, copy=False)

    @contextlib.contextmanager
    def adding(self) -> Iterator[SegmentWriter]:
        """Opens the store for new rows; what is added can be read after the block."""
        writer = SegmentWriter(self.path, self.dtype, self._row_bytes)
        try:
            yield writer
        finally:
            self.take_in(writer)

    def bytes_for(self, rows: int) -> int:
        """Counts the bytes that `rows` rows take on disk."""
        return count_bytes(rows, self._row_bytes)


def _remove_stale(path: pathlib.Path) -> None:
    remove_leftovers(path)
    for rows in files_of(path, "*.rows"):
        with contextlib.suppress(FileNotFoundError), left_behind(rows, rows) as is_left:
            if is_left and not rows.with_suffix(".index").exists():
                rows.unlink()
