"""Rows of features on disk, found by the content of the image that they came from.

A combination of everything that decides the values (network, weights, boundary, size, ...) has
a directory. Its rows lie in segments, each written once: `NAME.rows` holds them one after the
other, and `NAME.index`, which appears last and whole, holds whose they are and their checksums,
and one of its own. A segment without that file was cut off and is not read. Processes that write
at the same time write different segments.
"""

import contextlib
import dataclasses
import errno
import fcntl
import hashlib
import io
import json
import math
import os
import pathlib
import re
import shutil
import struct
import time
import uuid
import weakref
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from kerastl.data.content import HASH, as_keys
from kerastl.errors import KerastlError
from kerastl.writing import (
    STALE_SECONDS,
    explained,
    hidden_beside,
    remove_leftovers,
    replace_text,
    replacing,
)

# One checksum for so many rows, which are recomputed together when it is wrong.
_ROWS_PER_CHECKSUM = 64
# A pass that is stopped keeps all but the last of these.
_ROWS_PER_SEGMENT = 2048
# The flag that all of it is written below.
_FIELD = "cache_dir"
_ABOUT = "about.json"
_LOCK = "lock"
# An index is its number of rows, their digests, their checksums, and a checksum of all that.
_COUNT = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")
# Other directories may lie beside the store's own.
_NAME = re.compile(r"[0-9a-f]{32}")
# What is noted of a combination, and of which kind it has to be to be believed.
_NOTES: dict[str, type | tuple[type, ...]] = {
    "identity": dict,
    "datasets": list,
    "boundary": str,
    "seconds_per_image": (int, float),
    "last_use": (int, float),
}


@dataclasses.dataclass(frozen=True, eq=False)
class _Segment:
    """One file of rows; `valid` says which of them passed their checksum."""

    path: pathlib.Path
    digests: np.ndarray
    valid: np.ndarray


class FeatureStore:
    """The rows of one combination, open for reading and adding.

    Attributes:
        path: Its directory.
        shape: Shape of one row.
        dtype: Type that the rows are stored in; they are read as float32.
        damaged: Rows that failed their checksum and are nowhere else.
    """

    def __init__(
        self, root: pathlib.Path, identity: Mapping[str, Any], *, shape: tuple[int, ...], dtype: str
    ) -> None:
        """Opens the combination that `identity` describes, or begins it.

        Args:
            root: Directory of all combinations.
            identity: Everything that decides the values, as JSON can hold it.
            shape: Shape of one row.
            dtype: "float32" or "float16".
        """
        full = {**identity, "shape": list(shape), "dtype": dtype}
        text = json.dumps(full, sort_keys=True)
        self.path = root / hashlib.sha256(text.encode()).hexdigest()[:32]
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._identity = full
        self._row_bytes = math.prod(shape) * self.dtype.itemsize
        # Not __del__, in which nothing is left of `os` when Python ends.
        weakref.finalize(self, os.close, _lock_shared(self.path))
        self._segments: dict[pathlib.Path, _Segment | None] = {}
        self.damaged = 0
        self.refresh()

    def refresh(self) -> None:
        """Reads which rows are there, checking every one."""
        # A segment is written once, so it is checked once, however often rows are added.
        for index in set(self.path.glob("[!.]*.index")) - self._segments.keys():
            self._segments[index] = self._open_segment(index)
        found = (self._segments[index] for index in sorted(self._segments))
        segments = [segment for segment in found if segment is not None]
        self._paths = [segment.path for segment in segments]
        self._starts = np.cumsum([0, *(len(segment.digests) for segment in segments)])
        keys = np.concatenate(
            [np.zeros(0, HASH), *(as_keys(segment.digests) for segment in segments)]
        )
        valid = np.concatenate([np.zeros(0, bool), *(segment.valid for segment in segments)])
        self._keys, first = np.unique(keys[valid], return_index=True)
        self._rows = np.flatnonzero(valid)[first]
        self.damaged = len(np.setdiff1d(keys[~valid], self._keys))
        _remove_stale(self.path)

    def find(self, digests: np.ndarray) -> np.ndarray:
        """Finds the row of each image, -1 where there is none.

        Args:
            digests: Hashes of the images' content, uint8 (images, 16).
        """
        keys = as_keys(digests)
        if not len(self._keys):
            return np.full(len(keys), -1)
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[place] == keys, self._rows[place], -1)

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
            with open(self._paths[segment], "rb", buffering=0) as file:
                for first, end, offset in zip(
                    firsts[runs].tolist(), ends[runs].tolist(), offsets[runs].tolist(), strict=True
                ):
                    _read_into(target[first * self._row_bytes : end], file, offset)
        return buffer.astype(np.float32, copy=False)

    @contextlib.contextmanager
    def adding(self) -> Iterator["_Writer"]:
        """Opens the store for new rows; what is added can be read after the block."""
        writer = _Writer(self.path, self.dtype, self._row_bytes)
        try:
            yield writer
        finally:
            writer.commit()
            # What this process has just written needs no reading to be known.
            self._segments |= writer.written
            self.refresh()

    def describe(self, **facts: Any) -> None:
        """Notes what a person wants to know of the combination, and that it is in use."""
        about = _read_about(self.path) | {"identity": self._identity} | facts
        text = json.dumps(about | {"last_use": time.time()})
        replace_text(self.path / _ABOUT, text, field=_FIELD)

    def about(self) -> dict[str, Any]:
        """Reads what `describe` has noted."""
        return _read_about(self.path)

    def bytes_for(self, rows: int) -> int:
        """Counts the bytes that so many rows take on disk."""
        return rows * (self._row_bytes + HASH.itemsize) + (
            math.ceil(rows / _ROWS_PER_CHECKSUM) * _CHECKSUM.size
        )

    def _open_segment(self, index: pathlib.Path) -> _Segment | None:
        path = index.with_suffix(".rows")
        try:
            known = _read_index(index)
            found = _checksums(path, self._row_bytes) if known else None
        except OSError:
            # Dropped by another process meanwhile, or not to be read: computed again.
            return None
        if known is None or found is None:
            return None
        digests, checksums = known
        valid = np.zeros(len(checksums), bool)
        shared = min(len(found), len(checksums))
        valid[:shared] = found[:shared] == checksums[:shared]
        return _Segment(path, digests, np.repeat(valid, _ROWS_PER_CHECKSUM)[: len(digests)])


class _Writer:
    """Adds rows to a store, a segment at a time.

    Attributes:
        written: The segments that are complete, by the path of their index.
    """

    def __init__(self, path: pathlib.Path, dtype: np.dtype, row_bytes: int) -> None:
        self.written: dict[pathlib.Path, _Segment | None] = {}
        self._path = path
        self._dtype = dtype
        self._block_bytes = row_bytes * _ROWS_PER_CHECKSUM
        self._file: Any = None
        self._digests: list[np.ndarray] = []
        # Of the blocks that are full, and of the one that is being filled.
        self._checksums: list[int] = []
        self._checksum = self._bytes_in_block = 0

    def add(self, digests: np.ndarray, rows: np.ndarray) -> None:
        """Adds rows, of any float type, for images that the store does not have.

        Raises:
            KerastlError: If the disk does not take them; complete segments stay.
        """
        if not len(digests):
            return
        with self._discarding():
            if self._file is None:
                self._file = (self._path / f"{uuid.uuid4().hex}.rows").open("wb")
            content = np.ascontiguousarray(rows, self._dtype).reshape(-1).view(np.uint8).data
            self._file.write(content)
        self._add_checksums(content)
        self._digests.append(digests)
        if sum(map(len, self._digests)) >= _ROWS_PER_SEGMENT:
            self.commit()

    def commit(self) -> None:
        """Makes what was added so far readable."""
        if self._file is None:
            return
        if self._bytes_in_block:
            self._checksums.append(self._checksum)
        digests = np.concatenate(self._digests)
        path = pathlib.Path(self._file.name)
        index = path.with_suffix(".index")
        with self._discarding():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            with replacing(index, field=_FIELD) as temporary:
                temporary.write_bytes(_index_of(digests, self._checksums))
        self.written[index] = _Segment(path, digests, np.ones(len(digests), bool))
        self._begin_anew()

    def _add_checksums(self, content: memoryview) -> None:
        while len(content):
            part = content[: self._block_bytes - self._bytes_in_block]
            self._checksum = zlib.crc32(part, self._checksum)
            self._bytes_in_block += len(part)
            content = content[len(part) :]
            if self._bytes_in_block == self._block_bytes:
                self._checksums.append(self._checksum)
                self._checksum = self._bytes_in_block = 0

    def _begin_anew(self) -> None:
        self._file = None
        self._digests, self._checksums = [], []
        self._checksum = self._bytes_in_block = 0

    @contextlib.contextmanager
    def _discarding(self) -> Iterator[None]:
        """Leaves nothing of the segment that is being written if the disk refuses it."""
        try:
            with explained(self._path.parent, field=_FIELD):
                yield
        except KerastlError:
            if self._file is not None:
                path = pathlib.Path(self._file.name)
                with contextlib.suppress(OSError):
                    self._file.close()
                path.unlink(missing_ok=True)
            self._begin_anew()
            raise


@dataclasses.dataclass(frozen=True)
class Entry:
    """One combination in a store's directory, for listing and dropping.

    Attributes:
        path: Its directory.
        about: What `describe` has noted; empty when nothing was.
        num_bytes: What it takes on disk.
    """

    path: pathlib.Path
    about: dict[str, Any]
    num_bytes: int

    @property
    def last_use(self) -> float:
        """Seconds since 1970 of its last use."""
        return float(self.about.get("last_use", 0.0))


def list_entries(root: pathlib.Path) -> list[Entry]:
    """Lists the combinations in a store's directory, the least recently used first."""
    if not root.is_dir():
        return []
    entries = [
        Entry(path, _read_about(path), _bytes_below(path))
        for path in root.iterdir()
        if _NAME.fullmatch(path.name) and _files_of(path, "*.index")
    ]
    return sorted(entries, key=lambda entry: entry.last_use)


def drop(entry: Entry) -> bool:
    """Removes a combination unless a process has it open; says whether it is gone."""
    try:
        lock = _lock_alone(entry.path)
    except FileNotFoundError:
        return True
    if lock is None:
        return False
    try:
        _remove(entry.path)
    finally:
        os.close(lock)
    return True


def make_room(root: pathlib.Path, *, needed: int, limit: int) -> bool:
    """Drops combinations that no process has open, oldest use first, if that makes room.

    Args:
        root: Directory of all combinations.
        needed: Bytes about to be written.
        limit: Bytes that all combinations may take.

    Returns:
        Whether `needed` more bytes now stay within the limit; if not, nothing was dropped.
    """
    remove_leftovers(root)
    entries = list_entries(root)
    to_free = sum(entry.num_bytes for entry in entries) + needed - limit
    with contextlib.ExitStack() as stack:
        victims = []
        for entry in entries:
            if to_free <= 0:
                break
            with contextlib.suppress(FileNotFoundError):
                lock = _lock_alone(entry.path)
                if lock is None:
                    continue
                stack.callback(os.close, lock)
                victims.append(entry)
            to_free -= entry.num_bytes
        if to_free > 0:
            return False
        for entry in victims:
            _remove(entry.path)
    return True


def _lock_alone(path: pathlib.Path) -> int | None:
    """Locks a combination that no process has open; None if one has."""
    with explained(path, field=_FIELD, but=FileNotFoundError):
        lock = os.open(path / _LOCK, os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _remove(path: pathlib.Path) -> None:
    """Removes a combination that is locked; what another process begins anew stays."""
    away = hidden_beside(path)
    with explained(path, field=_FIELD):
        os.rename(path, away)
        shutil.rmtree(away, ignore_errors=True)


def _files_of(path: pathlib.Path, pattern: str) -> list[pathlib.Path]:
    """Lists a combination's files; none where another process has just removed it."""
    with contextlib.suppress(FileNotFoundError):
        return list(path.glob(pattern))
    return []


def _bytes_below(path: pathlib.Path) -> int:
    total = 0
    for file in _files_of(path, "*"):
        # Another process may just have renamed or removed it.
        with contextlib.suppress(FileNotFoundError):
            total += file.stat().st_size
    return total


def _index_of(digests: np.ndarray, checksums: list[int]) -> bytes:
    body = _COUNT.pack(len(digests)) + digests.tobytes() + np.array(checksums, "<u4").tobytes()
    return body + _CHECKSUM.pack(zlib.crc32(body))


def _read_index(index: pathlib.Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Reads whose a segment's rows are and their checksums, None if it is damaged."""
    content = index.read_bytes()
    body, end = content[: -_CHECKSUM.size], content[-_CHECKSUM.size :]
    if len(body) < _COUNT.size or _CHECKSUM.pack(zlib.crc32(body)) != end:
        return None
    (count,) = _COUNT.unpack_from(body)
    middle = _COUNT.size + count * HASH.itemsize
    digests = np.frombuffer(body[_COUNT.size : middle], np.uint8).reshape(count, HASH.itemsize)
    return digests, np.frombuffer(body[middle:], "<u4")


def _read_into(target: memoryview, file: io.FileIO, offset: int) -> None:
    """Fills `target`; the system may give a large piece in parts."""
    done = 0
    while done < len(target):
        count = os.preadv(file.fileno(), [target[done:]], offset + done)
        if not count:
            raise OSError(errno.EIO, "a row ends early", str(file.name))
        done += count


def _checksums(path: pathlib.Path, row_bytes: int) -> np.ndarray:
    size = row_bytes * _ROWS_PER_CHECKSUM
    with path.open("rb") as file:
        return np.array(
            [zlib.crc32(block) for block in iter(lambda: file.read(size), b"")], np.uint32
        )


def _lock_shared(path: pathlib.Path) -> int:
    """Locks a combination while this process lives, so that no other drops it."""
    while True:
        with (
            explained(path, field=_FIELD, but=FileNotFoundError),
            contextlib.suppress(FileNotFoundError),
        ):
            path.mkdir(parents=True, exist_ok=True)
            lock = os.open(path / _LOCK, os.O_CREAT | os.O_RDWR)
            fcntl.flock(lock, fcntl.LOCK_SH)
            # What was dropped while we waited may be there again, as another file.
            if os.fstat(lock).st_nlink:
                return lock
            os.close(lock)


def _read_about(path: pathlib.Path) -> dict[str, Any]:
    try:
        notes = json.loads((path / _ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # It is only for people; the rows do not depend on it.
    if not isinstance(notes, dict):
        return {}
    return {name: notes[name] for name, kind in _NOTES.items() if isinstance(notes.get(name), kind)}


def _remove_stale(path: pathlib.Path) -> None:
    remove_leftovers(path)
    for rows in _files_of(path, "*.rows"):
        with contextlib.suppress(FileNotFoundError):
            old = time.time() - rows.stat().st_mtime > STALE_SECONDS
            if old and not rows.with_suffix(".index").exists():
                rows.unlink()
