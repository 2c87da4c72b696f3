"""The time and the memory that the stages of a run take."""

import resource
import sys
import time
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from kerastl.device import has_gpu

# Only macOS counts in bytes, https://man.freebsd.org/cgi/man.cgi?query=getrusage
_UNIT = 1 if sys.platform == "darwin" else 1024
# Parts of `receipt.json`, and the name of the sum.
_SECONDS, _PEAKS, _ALL = "seconds", "peak_memory_bytes", "all"


class Stages:
    """What the stages of a run have taken so far, in all its processes.

    The system reports the highest memory of a process since its start, and cannot begin again
    without changing it for others. So a stage has the highest until its end, and the first with
    the largest number is the one that needed it.
    """

    def __init__(self, started: float) -> None:
        """Begins the first stage; `started` is in seconds of `time.monotonic`."""
        self._started = self._last = started
        self._seconds: dict[str, float] = {}
        self._memory: dict[str, dict[str, int]] = {}
        self._before = 0.0

    def state(self) -> dict[str, Any]:
        """Describes what they have taken so far for `add`."""
        return self.describe({})

    def add(self, earlier: Mapping[str, Any]) -> None:
        """Adds the `state` of an earlier process of the same run."""
        seconds = dict(earlier[_SECONDS])
        self._before += seconds.pop(_ALL)
        for name, value in seconds.items():
            self._seconds[name] = self._seconds.get(name, 0.0) + value
        for name, peaks in earlier[_PEAKS].items():
            self._note(name, peaks)

    def end(self, name: str) -> None:
        """Ends a stage, or one more part of it; the next begins."""
        now = time.monotonic()
        self._seconds[name] = self._seconds.get(name, 0.0) + now - self._last
        self._note(name, peak_memory())
        self._last = now

    def _note(self, name: str, peaks: Mapping[str, int]) -> None:
        known = self._memory.setdefault(name, {})
        for kind, value in peaks.items():
            known[kind] = max(value, known.get(kind, 0))

    @property
    def began(self) -> float:
        """When the first would have begun without the time between the processes."""
        return self._started - self._before

    @property
    def seconds(self) -> float:
        """Seconds since the first stage of this process began."""
        return time.monotonic() - self._started

    def describe(self, known: dict[str, float]) -> dict[str, Any]:
        """Returns the part of `receipt.json`; `known` are seconds that were measured closer."""
        return {
            _SECONDS: self._seconds | known | {_ALL: self._before + self.seconds},
            _PEAKS: self._memory,
        }


def peak_memory() -> dict[str, int]:
    """Returns the highest memory of this process so far, and of its first GPU, in bytes."""
    peaks = {"process": _UNIT * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}
    if has_gpu():
        peaks["gpu"] = tf.config.experimental.get_memory_info("GPU:0")["peak"]
    return peaks
