"""Locks of files between processes, which the system frees when a process ends.

They are `flock`'s, https://man7.org/linux/man-pages/man2/flock.2.html, so two of one process keep
each other out as those of two processes do. The files stay empty and are never removed.
"""

import contextlib
import fcntl
import os
import pathlib
import time
import weakref

_SECONDS_BETWEEN_TRIES = 0.05


class Held:
    """A lock until `release`, which may be called again, or until nobody refers to it."""

    def __init__(self, descriptor: int) -> None:
        self.release = weakref.finalize(self, os.close, descriptor)


def take(path: pathlib.Path, *, shared: bool = False) -> Held:
    """Waits for a lock, which all that share it may have at once; raises OSError if it fails."""
    return _locked(path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


def try_to_take(path: pathlib.Path) -> Held | None:
    """Takes a lock that nobody shares; None if anyone has it. Raises OSError if it fails."""
    with contextlib.suppress(BlockingIOError):
        return _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return None


def take_within(seconds: float, path: pathlib.Path, *, shared: bool = False) -> Held | None:
    """Does what `take` does for so many seconds; None if another still has the lock then."""
    how = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(BlockingIOError):
            return _locked(path, how)
        if time.monotonic() >= deadline:
            return None
        time.sleep(_SECONDS_BETWEEN_TRIES)


def _locked(path: pathlib.Path, how: int) -> Held:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    held = Held(descriptor)
    fcntl.flock(descriptor, how)
    return held
