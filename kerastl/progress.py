"""Progress output: plain lines, and on a terminal one status line that is redrawn."""

import re
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

from kerastl.errors import bad_value

_ERASE_LINE = "\r\x1b[K"
_SECONDS_BETWEEN_REDRAWS = 0.1
# Durations below these are shown in tenths of a second and in seconds.
_SHOWS_TENTHS, _SHOWS_SECONDS = 99.5, 600


class Progress:
    """Writes lines to a stream; `Progress()` without one is silent.

    Only a terminal gets the status line, so a file or a pipe receives no control characters.
    Characters that the stream's encoding lacks are written as escapes. When the stream can no
    longer be written, further output is dropped and `failure` holds the error.

    Example:
        >>> import sys
        >>> Progress(sys.stdout).line("one line")
        one line
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._last_redraw = 0.0
        self.failure: OSError | None = None
        self.on_terminal = stream is not None and stream.isatty()

    @classmethod
    def of(cls, given: Any, *, default: TextIO | None = None) -> "Progress":
        """Returns what Python code gives as `progress`.

        Args:
            given: A `Progress`; a stream of text to write to, as `sys.stderr`; False for silence,
                or True for standard output; None for the default.
            default: Stream that is written to by default; None for silence.

        Raises:
            UsageError: If it is nothing of these.
        """
        match given:
            case Progress():
                return given
            case None:
                return cls(default)
            case bool():
                return cls(sys.stdout if given else None)
            case _ if hasattr(given, "write") and hasattr(given, "isatty"):
                return cls(given)
        raise bad_value(
            "progress", given, "is no kerastl.Progress", "Give kerastl.Progress(sys.stdout)"
        )

    def line(self, text: str) -> None:
        """Writes a line."""
        self._write((_ERASE_LINE if self.on_terminal else "") + text + "\n")

    def status(self, text: str) -> None:
        """Redraws the status line of a terminal, at most ten times a second."""
        now = time.monotonic()
        if self.on_terminal and now - self._last_redraw >= _SECONDS_BETWEEN_REDRAWS:
            self._last_redraw = now
            self._write(_ERASE_LINE + text[: shutil.get_terminal_size().columns - 1])

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        try:
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self._stream.flush()
        except OSError as error:
            # A closed pipe or a full disk must not end a run.
            self.failure = error
            self._stream = None


class Meter:
    """Shows the progress and speed of work on a known number of images."""

    def __init__(self, what: str, total: int, progress: Progress) -> None:
        self._what = what
        self._total = total
        self._progress = progress
        self._started = time.monotonic()
        self._done = 0

    def show(self, done: int) -> None:
        """Updates the status line with the number of images done so far."""
        self._done = done
        seconds = self.seconds()
        left = format_duration(seconds * (self._total / done - 1))
        self._progress.status(
            f"{self._what} {done}/{self._total}  {done / seconds:.0f} images/s  {left} left"
        )

    def seconds(self) -> float:
        """Returns the seconds since the meter was created."""
        return time.monotonic() - self._started

    def summary(self) -> str:
        """Returns the time and speed, as in "8.7 s (1034 images/s)"."""
        seconds = self.seconds()
        return f"{format_duration(seconds)} ({self._done / seconds:.0f} images/s)"


def count_of(number: int, thing: str) -> str:
    """Returns a count with its noun, as in "1 epoch" and "2 epochs"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def listed(words: Sequence[str]) -> str:
    """Joins words, as in "a", "a and b" and "a, b and c"."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def count_kind(number: int, kind: str) -> str:
    """Returns a count with a noun in the plural, as in "1 file in bins" and "2 files in bins".

    Example:
        >>> count_kind(1, "backup copies"), count_kind(1, "side files of cameras")
        ('1 backup copy', '1 side file of cameras')
    """
    if number == 1:
        head, *rest = re.split(r"(?= (?:in|of) )", kind, maxsplit=1)
        kind = "".join([re.sub(r"s\b", "", re.sub(r"ies\b", "ys", head)), *rest])
    return f"{number} {kind}"


def format_bytes(number: int) -> str:
    """Formats a size on disk: `512 bytes`, `0.9 MB`, `1.23 GB`."""
    if number < 10**5:
        return f"{number} bytes"
    return f"{number / 1e6:.1f} MB" if number < 10**9 else f"{number / 1e9:.2f} GB"


def format_duration(seconds: float) -> str:
    """Formats a duration: `8.7 s`, `190 s`, `12 min`, `3 h 05 min`."""
    if seconds < _SHOWS_TENTHS:
        return f"{seconds:.1f} s"
    if seconds < _SHOWS_SECONDS:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
