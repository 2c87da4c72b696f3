"""A disk cache of computed values, shared by runs."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from kerastl.disk_errors import cannot_write
from kerastl.progress import Meter, Progress

_FILE = "audit.sqlite"
# Values that are computed between two writes to the disk.
_CHUNK = 64


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
) -> Recalled:
    """Looks values up by their keys, and computes missing ones in parallel.

    Args:
        directory: Where values are kept from run to run; None keeps none.
        keys: One for each value; a value under the empty key is never kept.
        find_out: Function from a position to a value that JSON can hold, and whether it may
            be kept.
        what: The work, for the status line.
        progress: Where to report.

    Raises:
        KerastlError: If the directory cannot be written.
    """
    with _open_memo(directory) as memo:
        values = [_find(memo, key) for key in keys]
        todo = [place for place, value in enumerate(values) if value is None]
        meter = Meter(what, len(todo), progress)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(todo), _CHUNK):
                chunk = todo[start : start + _CHUNK]
                found = pool.map(find_out, chunk)
                for place, (value, is_lasting) in zip(chunk, found, strict=True):
                    values[place] = value
                    if is_lasting and keys[place]:
                        memo.execute(
                            "INSERT OR REPLACE INTO facts VALUES (?, ?)",
                            [keys[place], json.dumps(value)],
                        )
                # Now, so that no other process waits for long.
                memo.commit()
                meter.show(start + len(chunk))
    return Recalled(values, len(todo), meter.summary() if todo else "")


@contextlib.contextmanager
def _open_memo(directory: pathlib.Path | None) -> Iterator[sqlite3.Connection]:
    """Opens the table from keys to values, which is one file that processes may share."""
    try:
        with contextlib.closing(_connect(directory)) as memo:
            yield memo
    except sqlite3.Error as error:
        raise cannot_write("cache_dir", directory, str(error)) from error


def _connect(directory: pathlib.Path | None) -> sqlite3.Connection:
    if directory is None:
        return _open_table(":memory:")
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / _FILE
    try:
        return _open_table(str(path))
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        # A damaged file is replaced; its values are computed again.
        path.unlink()
        return _open_table(str(path))


def _find(memo: sqlite3.Connection, key: str) -> Any:
    row = memo.execute("SELECT fact FROM facts WHERE key = ?", [key]).fetchone()
    return json.loads(row[0]) if row else None


def _open_table(place: str) -> sqlite3.Connection:
    connection = sqlite3.connect(place, timeout=60)
    connection.execute("CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, fact TEXT)")
    if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
        connection.close()
        raise sqlite3.DatabaseError("damaged")
    return connection
