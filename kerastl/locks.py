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


def take(path: pathlib.Path) -> Held:
    """Waits for a lock that nobody shares; raises OSError if it fails."""
    return _locked(path, fcntl.LOCK_EX)


def try_to_take(path: pathlib.Path) -> Held | None:
    """Takes a lock that nobody shares; None if anyone has it. Raises OSError if it fails."""
    with contextlib.suppress(BlockingIOError):
        return _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return None


def take_shared(path: pathlib.Path, *, seconds: float) -> Held | None:
    """Takes a lock that all may have who share it; None if another has it alone for so long."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(BlockingIOError):
            return _locked(path, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if time.monotonic() >= deadline:
            return None
        time.sleep(_SECONDS_BETWEEN_TRIES)


def _locked(path: pathlib.Path, how: int) -> Held:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    held = Held(descriptor)
    fcntl.flock(descriptor, how)
    return held
