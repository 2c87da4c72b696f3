"""Checks whether kerastl works on this machine."""

import contextlib
import pathlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from kerastl import environment
from kerastl.checkup.diagnosis import Finding, look
from kerastl.checkup.installation import look_at_installation
from kerastl.config import Config
from kerastl.outputs.places import why_not_usable
from kerastl.progress import Progress
from kerastl.result import Result
from kerastl.writing import scratch_directory, temporary_place


def examine(
    cache: pathlib.Path, *, run: Callable[[Config], Result], export: Callable[..., Any]
) -> Iterator[Finding]:
    """Yields what is found, in order.

    Args:
        cache: Directory of the feature store.
        run: Runs a config, in silence.
        export: Exports a run, in silence; `kerastl.export`.
    """
    yield from look_at_installation(cache)
    started = look("TensorFlow", _start)
    if not started.is_well:
        yield started
        yield Finding("promises", "not tried without TensorFlow.", is_promise=True)
        return
    from kerastl.checkup.promises import look_at_machine, try_promises  # noqa: PLC0415

    yield from look_at_machine()
    place = _find_place(cache)
    with (
        temporary_place(place, field="cache_dir"),
        scratch_directory(place, field="cache_dir") as folder,
    ):
        yield from try_promises(folder, run=run, export=export)


def _find_place(cache: pathlib.Path) -> pathlib.Path:
    """Returns the cache, or the system's temporary folder if that cannot be written."""
    if why_not_usable(cache):
        with contextlib.suppress(OSError):
            return pathlib.Path(tempfile.gettempdir())
    return cache


def _start() -> str:
    environment.prepare(Progress())
    return ""
