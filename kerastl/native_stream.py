"""Where libraries in C print what they write to `stderr`; what Python writes is not touched.

GNU's C library lets a program set its variable `stderr` as any other,
https://sourceware.org/glibc/manual/latest/html_node/Standard-Streams.html. File descriptor 2 stays
what it is: for Python, for its other threads, and for processes that are started meanwhile.
"""

import contextlib
import ctypes
import functools
import os
import threading
from collections.abc import Iterator
from typing import NamedTuple

_UNBUFFERED = 2  # `_IONBF` of its header stdio.h.
_CHANGES = threading.Lock()
# Addresses of the streams that are used; libraries print to the last one.
_USED: list[int] = []


class _Stderr(NamedTuple):
    """The C library's variable, and the stream that it had when it was first looked at."""

    variable: ctypes.c_void_p
    own: int | None


class NativeStream:
    """A stream of the C library, which prints to nowhere until `stream_to` directs it.

    It is never closed: another thread may be about to print to it.
    """

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        library.fdopen.restype = ctypes.c_void_p
        self._descriptor = os.open(os.devnull, os.O_WRONLY)
        self._address: int = library.fdopen(self._descriptor, b"w")
        if not self._address:
            raise OSError("fdopen cannot open a stream")
        library.setvbuf(ctypes.c_void_p(self._address), None, _UNBUFFERED, 0)

    def direct(self, descriptor: int) -> None:
        """Lets what is printed to it go to a file that is open."""
        os.dup2(descriptor, self._descriptor, inheritable=False)

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Lets libraries print to it in the block; blocks of threads may overlap."""
        with _CHANGES:
            variable, own = _find_stderr()
            _USED.append(self._address)
            variable.value = self._address
        try:
            yield
        finally:
            with _CHANGES:
                _USED.remove(self._address)
                variable.value = _USED[-1] if _USED else own


# Streams to use again, as each stays in memory.
_IDLE: list[NativeStream] = []


@contextlib.contextmanager
def stream_to(descriptor: int) -> Iterator[NativeStream]:
    """Yields a stream that prints to an open file; libraries print to it where it is `used`."""
    with _CHANGES:
        stream = _IDLE.pop() if _IDLE else NativeStream()
    stream.direct(descriptor)
    try:
        yield stream
    finally:
        with open(os.devnull, "wb") as nowhere:
            stream.direct(nowhere.fileno())
        with _CHANGES:
            _IDLE.append(stream)


@contextlib.contextmanager
def printing_to(descriptor: int) -> Iterator[None]:
    """Lets libraries print to an open file in the block, where that can be chosen."""
    if not can_be_set():
        yield
        return
    with stream_to(descriptor) as stream, stream.used():
        yield


@functools.cache
def can_be_set() -> bool:
    """Whether this system's C library lets a program choose where libraries print."""
    try:
        return bool(os.confstr("CS_GNU_LIBC_VERSION")) and bool(_find_stderr().own)
    except (AttributeError, ValueError, OSError):
        return False


@functools.cache
def _find_stderr() -> _Stderr:
    variable = ctypes.c_void_p.in_dll(ctypes.CDLL(None), "stderr")
    return _Stderr(variable, variable.value)
