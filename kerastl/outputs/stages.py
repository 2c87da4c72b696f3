"""The time and the memory that the stages of a run take."""

import resource
import sys
import time
from typing import Any

import tensorflow as tf

from kerastl.device import has_gpu

# Only macOS counts in bytes, https://man.freebsd.org/cgi/man.cgi?query=getrusage
_UNIT = 1 if sys.platform == "darwin" else 1024


class Stages:
    """What the stages of a run have taken so far.

    The system reports the highest memory of a process since its start, and cannot begin again
    without changing it for others. So a stage has the highest until its end, and the first with
    the largest number is the one that needed it.
    """

    def __init__(self, started: float) -> None:
        """Begins the first stage; `started` is in seconds of `time.monotonic`."""
        self._started = self._last = started
        self._seconds: dict[str, float] = {}
        self._memory: dict[str, dict[str, int]] = {}

    def end(self, name: str) -> None:
        """Ends a stage, or one more part of it; the next begins."""
        now = time.monotonic()
        self._seconds[name] = self._seconds.get(name, 0.0) + now - self._last
        self._memory[name] = peak_memory()
        self._last = now

    @property
    def seconds(self) -> float:
        """Seconds since the first stage began."""
        return time.monotonic() - self._started

    def describe(self, known: dict[str, float]) -> dict[str, Any]:
        """Returns the part of `receipt.json`; `known` are seconds that were measured closer."""
        return {
            "seconds": self._seconds | known | {"all": self.seconds},
            "peak_memory_bytes": self._memory,
        }


def peak_memory() -> dict[str, int]:
    """Returns the highest memory of this process so far, and of its first GPU, in bytes."""
    peaks = {"process": _UNIT * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}
    if has_gpu():
        peaks["gpu"] = tf.config.experimental.get_memory_info("GPU:0")["peak"]
    return peaks
