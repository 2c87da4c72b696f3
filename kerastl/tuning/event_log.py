"""The state of a search: a log of which trials began and ended, in that order.

A search resumes from it alone: the values of the next trial follow from the log (`proposals`), a
trial that began and did not end runs again once its lock is free (`assignments`), and trials that
ended are read from their files (`trials`).
"""

import dataclasses
import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from kerastl.disk_errors import explained
from kerastl.errors import KerastlError


@dataclasses.dataclass(frozen=True)
class Begun:
    """A worker began a trial with the values that keras-tuner proposed, with all their digits."""

    number: int
    values: Mapping[str, Any]
    worker: str


@dataclasses.dataclass(frozen=True)
class Ended:
    """A trial ended; its score is the objective, None if it failed."""

    number: int
    score: float | None


@dataclasses.dataclass(frozen=True)
class Repeated:
    """A trial that had ended runs again with the same values, as its files are damaged."""

    number: int


@dataclasses.dataclass(frozen=True)
class Opened:
    """The process that owns the search starts assigning trials, or stops."""

    is_open: bool


Event = Begun | Ended | Repeated | Opened
_KINDS: dict[str, type[Event]] = {
    kind.__name__.lower(): kind for kind in (Begun, Ended, Repeated, Opened)
}


@dataclasses.dataclass
class History:
    """The content of a log.

    Attributes:
        events: The beginning of each trial and its first end, in order.
        begun: Values of every trial, by number.
        unfinished: Numbers of the trials that have begun and not ended.
        is_open: Whether trials are being assigned.
    """

    events: list[Begun | Ended] = dataclasses.field(default_factory=list)
    begun: dict[int, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    unfinished: list[int] = dataclasses.field(default_factory=list)
    is_open: bool = False
    _ended: set[int] = dataclasses.field(default_factory=set)

    def add(self, event: Event) -> None:
        """Adds the next event."""
        if isinstance(event, Opened):
            self.is_open = event.is_open
        elif isinstance(event, Begun):
            self.events.append(event)
            self.begun[event.number] = event.values
            self.unfinished.append(event.number)
        elif isinstance(event, Repeated):
            self.unfinished.append(event.number)
        else:
            self.unfinished.remove(event.number)
            # Oracles get only the first end.
            if event.number not in self._ended:
                self._ended.add(event.number)
                self.events.append(event)


class EventLog:
    """A file with one event per line, each of which is written whole or not at all.

    The file need not exist. Callers hold the lock of the search.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def read(self) -> History:
        """Reads the whole log; raises KerastlError if it is damaged or unreadable."""
        history = History()
        try:
            for event in self._events():
                history.add(event)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise damaged(self._path, error) from error
        return history

    def append(self, event: Event) -> None:
        """Adds an event, after removing a line that a killed process left unfinished."""
        fields = {"event": type(event).__name__.lower(), **dataclasses.asdict(event)}
        with explained(self._path, field="run_dir"), self._path.open("a+b") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
            file.write(json.dumps(fields).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _events(self) -> Iterator[Event]:
        content = self._path.read_bytes() if self._path.exists() else b""
        # Text after the last newline is an unfinished event.
        for line in content.split(b"\n")[:-1]:
            fields = json.loads(line)
            yield _KINDS[fields.pop("event")](**fields)


def damaged(path: pathlib.Path, error: Exception) -> KerastlError:
    """Builds the error for a damaged file without which a search cannot continue."""
    return KerastlError(
        f"{path}: is damaged ({error}). Its search cannot continue; start over with --overwrite."
    )
