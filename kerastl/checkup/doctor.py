"""Checks whether kerastl works on this machine."""

import pathlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from kerastl import environment
from kerastl.checkup.diagnosis import Finding, look
from kerastl.checkup.installation import look_at_installation
from kerastl.config import Config
from kerastl.progress import Progress
from kerastl.result import Result
from kerastl.writing import temporary_place


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
    with (
        temporary_place(cache, field="cache_dir"),
        tempfile.TemporaryDirectory(prefix="kerastl-doctor-") as folder,
    ):
        yield from try_promises(pathlib.Path(folder), run=run, export=export)


def _start() -> str:
    environment.prepare(Progress())
    return ""
