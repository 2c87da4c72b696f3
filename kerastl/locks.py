"""Locks of files between processes, which the system frees when a process ends.

They are `flock`'s, https://man7.org/linux/man-pages/man2/flock.2.html, so two of one process keep
each other out as those of two processes do. The files stay empty and are never removed, but for
those of `owned` and `take_new`.

Those of filelock 4.3 that processes share are transactions of SQLite, which network drives break.
It would not bring Windows either, where `pwd`, `resource`, SIGHUP and `pass_fds`, which other
modules need, do not exist.
"""

import contextlib
import errno
import fcntl
import os
import pathlib
import socket
import time
import weakref
from collections.abc import Iterator

_SECONDS_BETWEEN_TRIES = 0.05
# The errors of drives that have no locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)


class Held:
    """A lock until `release`, which may be called again, or until nobody refers to it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.release = weakref.finalize(self, os.close, descriptor)


class OwnedError(Exception):
    """Another process owns a file; the text names it and its machine."""


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


def take_new(path: pathlib.Path) -> Held | None:
    """Makes a file that is in use, see `abandoned`, until its lock is released.

    None on a drive that has no locks. Raises OSError if it cannot be made.
    """
    try:
        while True:
            held = take(path)
            # Otherwise another process has just found it abandoned, and removed it.
            if _is_current(held, path):
                return held
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return None


@contextlib.contextmanager
def abandoned(path: pathlib.Path) -> Iterator[bool]:
    """Yields whether a file of `take_new` is there whose process has ended.

    Nobody takes it in the block. On a drive that has no locks, none is.
    """
    with contextlib.ExitStack() as stack:
        try:
            descriptor = os.open(path, os.O_RDWR)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


@contextlib.contextmanager
def owned(path: pathlib.Path) -> Iterator[None]:
    """Owns a file for the block, which names this process, and removes it again.

    The file of a process that was killed belongs to nobody. On a drive that has no locks, nobody is
    kept out.

    Raises:
        OwnedError: If another process owns it.
        OSError: If it cannot be written.
    """
    try:
        held = _take_current(path)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        yield
        return
    os.ftruncate(held.descriptor, 0)
    os.write(held.descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
    try:
        yield
    finally:
        # One that stays belongs to nobody; why it does is not what ended the block.
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        held.release()


def _take_current(path: pathlib.Path) -> Held:
    """Takes the lock of the file that is at the path now: its last owner may have removed one."""
    while True:
        held = try_to_take(path)
        if held is None:
            with contextlib.suppress(FileNotFoundError):
                raise OwnedError(path.read_text("utf-8").strip() or "another process")
        elif _is_current(held, path):
            return held


def _is_current(held: Held, path: pathlib.Path) -> bool:
    """Whether a lock is that of the file that is at the path now."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(held.descriptor), os.stat(path))
    return False


def _locked(path: pathlib.Path, how: int) -> Held:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    held = Held(descriptor)
    fcntl.flock(descriptor, how)
    return held
