"""The combinations in a feature store's directory: listing, locking, and making room."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
from typing import Any

from kerastl.data.store_locks import FIELD, held_alone, lock_shared
from kerastl.disk_errors import CannotWriteError, explained
from kerastl.locks import Held
from kerastl.writing import hidden_beside, remove_leftovers

ABOUT = "about.json"
# What a store raises that cannot be read or written.
STORE_ERRORS = (CannotWriteError, OSError)
# Share of the disk's free space that the store may fill, unless --cache_limit_gb is set.
_FREE_SHARE = 0.5
_GIGABYTE = 10**9
# Other directories may lie beside the store's own.
_NAME = re.compile(r"[0-9a-f]{32}")
# What is noted of a combination, and the type that it must have to be believed.
_NOTES: dict[str, type | tuple[type, ...]] = {
    "identity": dict,
    "datasets": list,
    "boundary": str,
    "seconds_per_image": (int, float),
    "last_use": (int, float),
}


@dataclasses.dataclass(frozen=True)
class Entry:
    """One combination in a store's directory, for listing and removing.

    Attributes:
        path: Its directory.
        about: What `FeatureStore.describe` has noted; empty if nothing was.
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
        Entry(path, read_about(path), _bytes_below(path))
        for path in root.iterdir()
        if _NAME.fullmatch(path.name) and files_of(path, "*.index")
    ]
    return sorted(entries, key=lambda entry: entry.last_use)


def read_about(path: pathlib.Path) -> dict[str, Any]:
    """Reads what was noted of a combination, empty if nothing was."""
    try:
        notes = json.loads((path / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # It is only for people; the rows do not depend on it.
    if not isinstance(notes, dict):
        return {}
    return {name: notes[name] for name, kind in _NOTES.items() if isinstance(notes.get(name), kind)}


def hold(path: pathlib.Path) -> Held:
    """Keeps a combination from being removed, until the lock is released or the process ends."""
    lock = lock_shared(path)
    with explained(path, field=FIELD):
        path.mkdir(exist_ok=True)
    return lock


def drop(entry: Entry) -> bool:
    """Removes a combination unless a process has it open; returns whether it is gone."""
    with held_alone(entry.path) as is_alone:
        if is_alone:
            _remove(entry.path)
        return is_alone


def make_room(root: pathlib.Path, *, needed: int, limit: int) -> bool:
    """Removes combinations that no process has open, oldest use first, if that makes room.

    Args:
        root: Directory of all combinations.
        needed: Bytes about to be written.
        limit: Bytes that all combinations may take.

    Returns:
        Whether `needed` more bytes now stay within the limit; if not, nothing was removed.
    """
    remove_leftovers(root)
    entries = list_entries(root)
    to_free = sum(entry.num_bytes for entry in entries) + needed - limit
    with contextlib.ExitStack() as stack:
        victims = []
        for entry in entries:
            if to_free <= 0:
                break
            if stack.enter_context(held_alone(entry.path)):
                victims.append(entry)
                to_free -= entry.num_bytes
        if to_free > 0:
            return False
        for entry in victims:
            _remove(entry.path)
    return True


def find_limit(root: pathlib.Path, limit_gb: float) -> tuple[int, bool]:
    """Computes how many bytes the store may take, and whether the disk sets that limit."""
    taken = sum(entry.num_bytes for entry in list_entries(root))
    free = shutil.disk_usage(next(filter(pathlib.Path.exists, (root, *root.parents)))).free
    wanted = int(limit_gb * _GIGABYTE) if limit_gb else taken + int(_FREE_SHARE * free)
    return min(wanted, taken + free), wanted > taken + free


def files_of(path: pathlib.Path, pattern: str) -> list[pathlib.Path]:
    """Lists a combination's files; none if another process has just removed it."""
    with contextlib.suppress(FileNotFoundError):
        return list(path.glob(pattern))
    return []


def _remove(path: pathlib.Path) -> None:
    """Removes a combination that is locked, or has been removed before."""
    away = hidden_beside(path)
    with explained(path, field=FIELD), contextlib.suppress(FileNotFoundError):
        os.rename(path, away)
        shutil.rmtree(away, ignore_errors=True)


def _bytes_below(path: pathlib.Path) -> int:
    total = 0
    for file in files_of(path, "*"):
        # Another process may just have renamed or removed it.
        with contextlib.suppress(FileNotFoundError):
            total += file.stat().st_size
    return total
