"""Checks whether kerastl works on this machine."""

import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator

from kerastl import environment
from kerastl.checkup.diagnosis import Diagnosis, Finding, look, reported
from kerastl.checkup.installation import look_at_installation
from kerastl.paths import local_path
from kerastl.progress import Progress
from kerastl.settings.store import AUTO, find_cache
from kerastl.writing import temporary_place


def doctor(
    *, cache_dir: str | os.PathLike[str] = AUTO, progress: Progress | None = None
) -> Diagnosis:
    """Checks what is installed and what there is room for, and tries the promises for a minute.

    It needs no network. All that it writes is in a temporary folder, which is removed.

    Args:
        cache_dir: Directory of the feature store, as runs take it.
        progress: Gets each line as it is found; standard output by default, `Progress()` for
            silence.
    """
    progress = progress or Progress(sys.stdout)
    path = local_path(find_cache(os.fspath(cache_dir)), field="cache_dir")
    return Diagnosis(tuple(reported(_look(path), progress.line)))


def _look(cache: pathlib.Path) -> Iterator[Finding]:
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
        yield from try_promises(pathlib.Path(folder))


def _start() -> str:
    environment.prepare(Progress())
    return ""
