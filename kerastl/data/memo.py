"""Values that were found out once and are remembered from run to run."""

import concurrent.futures
import contextlib
import dataclasses
import json
import os
import pathlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kerastl.errors import cannot_write
from kerastl.progress import Meter, Progress

_FILE = "audit.sqlite"
# Values that are found out between two writes to the disk.
_CHUNK = 64


@dataclasses.dataclass(frozen=True)
class Recalled:
    """Values in the order of their keys.

    Attributes:
        values: One for each key.
        num_new: How many were not known before.
        took: How long the new ones took, in words.
    """

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
    """Looks values up by their keys, and finds out those that are not known, in parallel.

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
    with Memo(directory) as memo:
        values = [memo.find(key) for key in keys]
        todo = [place for place, value in enumerate(values) if value is None]
        meter = Meter(what, len(todo), progress)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(todo), _CHUNK):
                chunk = todo[start : start + _CHUNK]
                for place, (value, is_lasting) in zip(
                    chunk, pool.map(find_out, chunk), strict=True
                ):
                    values[place] = value
                    if is_lasting:
                        memo.add(keys[place], value)
                memo.save()
                meter.show(start + len(chunk))
    return Recalled(values, len(todo), meter.summary() if todo else "")


class Memo:
    """A table from keys to values in one file, which processes may share."""

    def __init__(self, directory: pathlib.Path | None) -> None:
        self._directory = directory

    def __enter__(self) -> "Memo":
        with self._explained():
            if self._directory is None:
                self._connection = _open_table(":memory:")
                return self
            self._directory.mkdir(parents=True, exist_ok=True)
            path = self._directory / _FILE
            try:
                self._connection = _open_table(str(path))
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                # A damaged file is replaced; its values are found out again.
                path.unlink()
                self._connection = _open_table(str(path))
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def find(self, key: str) -> Any:
        """Returns the value that was kept under a key, None if there is none."""
        with self._explained():
            row = self._connection.execute("SELECT fact FROM facts WHERE key = ?", [key]).fetchone()
        return json.loads(row[0]) if row else None

    def add(self, key: str, value: Any) -> None:
        """Keeps a value, once it is saved; nothing under the empty key."""
        if key:
            with self._explained():
                self._connection.execute(
                    "INSERT OR REPLACE INTO facts VALUES (?, ?)", [key, json.dumps(value)]
                )

    def save(self) -> None:
        """Writes what was added to disk, so that no other process waits for long."""
        with self._explained():
            self._connection.commit()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise cannot_write("cache_dir", self._directory, str(error)) from error


def _open_table(place: str) -> sqlite3.Connection:
    connection = sqlite3.connect(place, timeout=60)
    connection.execute("CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, fact TEXT)")
    if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
        connection.close()
        raise sqlite3.DatabaseError("damaged")
    return connection
