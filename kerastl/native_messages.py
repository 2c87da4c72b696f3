"""What native libraries, such as decoders, write to stderr by themselves."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import BinaryIO, NoReturn, TypeVar

from kerastl import decoder_words
from kerastl.native_stream import can_be_set, printing_to, stream_to

_Result = TypeVar("_Result")
# TensorFlow's own switch, and its value for no messages, the default here.
LEVEL, QUIET = "TF_CPP_MIN_LOG_LEVEL", "3"
# Of what is held back, so much is kept to be shown after a crash.
_KEPT = 4096
# Lines that explain no end: notes and warnings, as absl and TensorFlow's older code write them.
_NOTES = re.compile(
    rb"^(?:[IW]\d{4} [\d:.]+ |\d{4}-\d\d-\d\d [\d:.]+: [IW] |WARNING: All log messages before )"
    rb".*\n",
    re.MULTILINE,
)
# Ends what a process that did not crash has written.
_FAREWELL = b"\0done"
_HELD = threading.Event()
# A process that was split off from this one may have the pipe to the sieve open for longer.
PATIENCE_SECONDS = 2.0


def open_streams() -> None:
    """Opens which of the three standard streams are closed, as a service's may be, to nowhere.

    The next file that is opened would take the number of one, and what libraries write with it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # It gets the lowest number that is free.
            os.open(os.devnull, os.O_RDWR)


class Catcher:
    """Catches what libraries write during a call, while other threads make calls, too.

    The system knows only that the process has written. So where anything was written during a
    call, the call is repeated while no other runs: most calls are made once and side by side.
    """

    def __init__(self, held: BinaryIO) -> None:
        self._held = held
        self._changed = threading.Condition()
        self._running = 0
        self._waiting = 0

    def call(self, function: Callable[[], _Result]) -> tuple[_Result, str]:
        """Calls a function that may be called twice; returns its result and what was written."""
        with self._beside_others():
            result, written = self._watch(function)
        if not written:
            return result, ""
        with self._alone():
            result, written = self._watch(function)
        return result, written

    def _watch(self, function: Callable[[], _Result]) -> tuple[_Result, str]:
        start = self._size()
        result = function()
        written = os.pread(self._held.fileno(), self._size() - start, start)
        return result, written.decode(errors="replace").strip()

    def _size(self) -> int:
        return os.fstat(self._held.fileno()).st_size

    @contextlib.contextmanager
    def _beside_others(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: not self._running)
            try:
                # While this holds the lock, none starts.
                yield
            finally:
                self._waiting -= 1
                self._changed.notify_all()


@contextlib.contextmanager
def caught() -> Iterator[Catcher]:
    """Catches what libraries write to stderr in the block.

    Where `native_stream` does not work, it catches what the whole process writes.
    """
    with unnamed_file() as held:
        if can_be_set():
            with printing_to(held.fileno()):
                yield Catcher(held)
            return
        shown = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield Catcher(held)
        finally:
            os.dup2(shown, 2)
            os.close(shown)


@contextlib.contextmanager
def sieve() -> Iterator[Callable[[], contextlib.AbstractContextManager[None]]]:
    """Keeps what decoders say of image files from being shown, where nothing is held back.

    Whatever else libraries write in the meantime is passed on, by a process of its own: it is
    there even if this process dies. What Python writes never goes there.

    Yields:
        Function that returns the block to decode in; there may be several, and in threads.
    """
    is_wanted = os.environ.get(LEVEL, QUIET) != QUIET
    with contextlib.ExitStack() as stack:
        if is_wanted or is_held_back() or not can_be_set():
            yield contextlib.nullcontext
            return
        try:
            writer = stack.enter_context(_passing_on())
        except OSError:  # No more processes are allowed.
            yield contextlib.nullcontext
            return
        yield stack.enter_context(stream_to(writer)).used


@contextlib.contextmanager
def sieving() -> Iterator[None]:
    """Does what `sieve` does, for one block."""
    with sieve() as sieved, sieved():
        yield


@contextlib.contextmanager
def _passing_on() -> Iterator[int]:
    """Starts the process that passes on what is written to a pipe, and waits for it to end."""
    reader, writer = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(decoder_words.__file__)],
            stdin=reader,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        os.close(writer)
        raise
    finally:
        os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            # It ends with the last process that has the pipe open; then it is waited for, too.
            threading.Thread(target=process.wait, daemon=True).start()


def unnamed_file() -> BinaryIO:
    """Opens a file in memory where that is possible: there may be no folder to write to."""
    with contextlib.suppress(AttributeError, OSError):
        return os.fdopen(os.memfd_create("stderr"), "w+b", buffering=0)
    with contextlib.suppress(OSError):
        return tempfile.TemporaryFile(buffering=0)
    # It loses what is written.
    return open(os.devnull, "w+b", buffering=0)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Holds back what libraries write to stderr in the block, but not what Python writes.

    The end of it, without notes and warnings, is shown if the process dies in the block, or leaves
    it by an error. Only another process can do that, which is split off before there are threads.
    Nothing is held back where TensorFlow's messages are wanted, or TensorFlow is there already.
    """
    is_wanted = os.environ.get(LEVEL, QUIET) != QUIET
    if is_wanted or "tensorflow" in sys.modules or not hasattr(os, "fork") or not sys.stderr:
        yield
        return
    shown = os.dup(2)
    keeper = _split_off(shown)
    _HELD.set()
    stderr, encoding = sys.stderr, sys.stderr.encoding
    # As Python's own: a character that the terminal lacks does not end the program.
    sys.stderr = os.fdopen(
        shown, "w", buffering=1, encoding=encoding, errors="backslashreplace", closefd=False
    )
    try:
        yield
        os.write(2, _FAREWELL)
    finally:
        _HELD.clear()
        sys.stderr.flush()
        sys.stderr = stderr
        os.dup2(shown, 2)
        os.close(shown)
        os.waitpid(keeper, 0)


def is_held_back() -> bool:
    """Whether `held_back` keeps what libraries write now, to be shown if the process dies."""
    return _HELD.is_set()


def end_at_once(code: int) -> NoReturn:
    """Ends the process as a kill would, but does not show what is held back."""
    if is_held_back():
        os.write(2, _FAREWELL)
    os._exit(code)


def _split_off(shown: int) -> int:
    """Starts the process that keeps what is written to stderr from here on."""
    reader, writer = os.pipe()
    keeper = os.fork()
    if not keeper:
        # Whoever reads this process's output waits until nobody has it open.
        for used in {0, 1, 2, writer} - {reader, shown}:
            with contextlib.suppress(OSError):
                os.close(used)
        _keep(reader, shown)
    os.close(reader)
    os.dup2(writer, 2)
    os.close(writer)
    return keeper


def _keep(reader: int, shown: int) -> NoReturn:
    """Keeps what comes from a pipe, and shows the end of it unless that is a farewell."""
    decoder_words.ignore_signals()
    held = b""
    while not held.endswith(_FAREWELL) and (more := os.read(reader, _KEPT)):
        held = _NOTES.sub(b"", held + more)[-_KEPT:]
    if not held.endswith(_FAREWELL):
        os.write(shown, held)
    os._exit(0)
