"""A disk cache of computed values, shared by runs; a run goes on without one that fails."""

import concurrent.futures
import contextlib
import json
import pathlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kerastl.progress import Meter, Progress
from kerastl.resources import usable_cores

_FILE = "audit.sqlite"
# Values that are computed between two writes to the disk.
_CHUNK = 64
# Values that are looked up at once; more in one query are not allowed everywhere.
_AT_ONCE = 500
# How long another process may hold the file. A run holds it for milliseconds.
PATIENCE_SECONDS = 5.0
# Files as this process has found them whole: a check reads all of one, and a run opens it often.
_WHOLE: set[tuple[str, int, int]] = set()
# What the disk and SQLite raise.
MEMO_ERRORS = (sqlite3.Error, OSError)


class Recalled(NamedTuple):
    """Values in the order of their keys, how many of them are new, and how long those took."""

    values: list[Any]
    num_new: int
    took: str


def recall(
    directory: pathlib.Path | None,
    keys: Sequence[str],
    find_out: Callable[[int], tuple[Any, bool]],
    *,
    what: str,
    progress: Progress,
    begin_at: float = 0.0,
) -> Recalled:
    """Looks values up by their keys, and computes missing ones in parallel, as others may too.

    Args:
        directory: Where values are kept from run to run; None keeps none.
        keys: One for each value; a value under the empty key is never kept.
        find_out: Function from a position to a value that JSON can hold, and whether it may
            be kept.
        what: The work, for the status line.
        progress: Where to report.
        begin_at: Share of the missing ones that it leaves for the end; others may begin there.
    """
    with contextlib.closing(_Memo(directory, progress)) as memo:
        known = memo.find(keys)
        values = [known.get(key) for key in keys]
        todo = [place for place, value in enumerate(values) if value is None]
        first, num_new = int(begin_at * len(todo)), 0
        todo = todo[first:] + todo[:first]
        meter = Meter(what, len(todo), progress)
        with concurrent.futures.ThreadPoolExecutor(usable_cores()) as pool:
            for start in range(0, len(todo), _CHUNK):
                chunk = todo[start : start + _CHUNK]
                known = memo.find([keys[place] for place in chunk]) if start else {}
                new = [place for place in chunk if keys[place] not in known]
                found = dict(zip(new, pool.map(find_out, new), strict=True))
                for place in chunk:
                    values[place] = found[place][0] if place in found else known[keys[place]]
                # All at once, so that no other process waits for long.
                memo.add({keys[place]: value for place, (value, lasts) in found.items() if lasts})
                num_new += len(new)
                meter.show(start + len(chunk))
    return Recalled(values, num_new, meter.summary() if num_new else "")


def try_memo(directory: pathlib.Path) -> None:
    """Opens the file in a directory for writing, and changes nothing.

    Raises:
        sqlite3.Error: If that is impossible, or another process holds it for seconds.
        OSError: If the disk refuses.
    """
    with contextlib.closing(_open_file(directory)) as connection:
        connection.execute("BEGIN IMMEDIATE")


class _Memo:
    """The table from keys to values, which is one file that processes may share."""

    def __init__(self, directory: pathlib.Path | None, progress: Progress) -> None:
        self._directory = directory
        self._progress = progress
        self._connection: sqlite3.Connection | None = None
        if directory is not None:
            with self._as_help():
                self._connection = _open_file(directory)

    def find(self, keys: Sequence[str]) -> dict[str, Any]:
        """Returns the values under those of some keys that have one."""
        found: dict[str, Any] = {}
        for start in range(0, len(keys), _AT_ONCE):
            wanted = [key for key in keys[start : start + _AT_ONCE] if key]
            if self._connection is not None and wanted:
                marks = ", ".join("?" * len(wanted))
                query = f"SELECT key, fact FROM facts WHERE key IN ({marks})"
                with self._as_help():
                    rows = self._connection.execute(query, wanted)
                    found.update((key, json.loads(fact)) for key, fact in rows)
        return found

    def add(self, values: Mapping[str, Any]) -> None:
        """Keeps values under their keys, except the empty key."""
        rows = [(key, json.dumps(value)) for key, value in values.items() if key]
        if self._connection is not None and rows:
            with self._as_help(), self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", rows)

    def close(self) -> None:
        """Closes the file."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    @contextlib.contextmanager
    def _as_help(self) -> Iterator[None]:
        """Continues without the file, with one line, once it fails in the block."""
        try:
            yield
        except MEMO_ERRORS as error:
            self.close()
            self._progress.line(
                f"Cache: what is found out about files is not kept: {self._directory} cannot be "
                f"used ({getattr(error, 'strerror', None) or error})."
            )


def _open_file(directory: pathlib.Path) -> sqlite3.Connection:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / _FILE
    try:
        return _open_table(path)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        # A damaged file is replaced; its values are computed again.
        path.unlink(missing_ok=True)
        return _open_table(path)


def _open_table(path: pathlib.Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=PATIENCE_SECONDS)
    try:
        connection.execute("CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, fact TEXT)")
        status = path.stat()
        found = str(path), status.st_mtime_ns, status.st_size
        if found not in _WHOLE:
            if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("damaged")
            _WHOLE.add(found)
    except BaseException:
        connection.close()
        raise
    return connection
