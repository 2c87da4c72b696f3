"""Locks of a feature store's combinations; where locking fails, a run goes on without the store."""

import contextlib
import pathlib
from collections.abc import Iterator

from kerastl.disk_errors import cannot_write, explained
from kerastl.locks import Held, take_shared, try_to_take

# Flag that sets the store's directory.
FIELD = "cache_dir"
# Locks lie outside the directories, which are removed while they are locked.
_LOCKS = "locks"
# A combination is locked alone for as long as its removal takes.
PATIENCE_SECONDS = 5.0


def lock_shared(path: pathlib.Path) -> Held:
    """Locks a combination together with others who do so, until the lock is released.

    Raises:
        CannotWriteError: If that is impossible, or another process has it alone for seconds.
    """
    with explained(path, field=FIELD):
        lock = take_shared(_lock_path(path), seconds=PATIENCE_SECONDS)
    if lock is None:
        raise cannot_write(FIELD, path, "is locked by another process")
    return lock


@contextlib.contextmanager
def held_alone(path: pathlib.Path) -> Iterator[bool]:
    """Locks a combination; yields whether no process has it open.

    Raises:
        CannotWriteError: If locking is impossible there.
    """
    with explained(path, field=FIELD):
        lock = try_to_take(_lock_path(path))
    try:
        yield lock is not None
    finally:
        if lock:
            lock.release()


def try_claim(path: pathlib.Path, part: int) -> Held | None:
    """Claims one part of the work on a combination; None if another process has it.

    The part of a process that ends belongs to nobody.

    Raises:
        CannotWriteError: If locking is impossible there.
    """
    with explained(path, field=FIELD):
        return try_to_take(_lock_path(path.with_name(f"{path.name}-{part}")))


def try_lock(root: pathlib.Path) -> None:
    """Locks nothing in particular in a store's directory, as some network drives cannot.

    Raises:
        CannotWriteError: If that is impossible.
    """
    with held_alone(root / "trial"):
        pass


def _lock_path(path: pathlib.Path) -> pathlib.Path:
    locks = path.parent / _LOCKS
    locks.mkdir(parents=True, exist_ok=True)
    return locks / f"{path.name}.lock"
