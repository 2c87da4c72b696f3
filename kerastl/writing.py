"""Atomic writes; see `disk_errors` for what happens when one fails.

Who writes something holds a lock of it, so that others know what killed processes have left.
"""

import contextlib
import csv
import glob
import io
import os
import pathlib
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence

from kerastl.disk_errors import explained
from kerastl.environment import OWN_PROCESS
from kerastl.locks import Held, abandoned, take_new

# Hidden, and on the same disk as the final path, so that moving it there is atomic.
_PREFIX = ".writing-"
# In a hidden folder; locked as long as the folder is in use.
_LOCK = ".lock"
# On a drive that has no locks, anything older was left behind by a process that was killed.
_STALE_SECONDS = 24 * 3600
_TEMPORARY = "TMPDIR"


@contextlib.contextmanager
def replacing(path: pathlib.Path, *, field: str) -> Iterator[pathlib.Path]:
    """Yields a temporary path to write to, which replaces `path` after the block.

    Args:
        path: File to write or replace.
        field: Flag that sets its directory, for the message.

    Raises:
        KerastlError: If it cannot be written; nothing half-written is left.
    """
    # With the same ending, from which Keras takes the format.
    temporary = hidden_beside(path)
    with explained(path, field=field):
        remove_leftovers(path.parent, of=path.name)
        held = take_new(temporary)
        try:
            yield temporary
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            if held:
                held.release()


def replace_text(path: pathlib.Path, text: str, *, field: str) -> None:
    """Writes a UTF-8 file as `replacing` does, with the line ends of `text`.

    It is on the disk before it replaces another, so that a loss of power leaves one of the two.
    """
    with (
        replacing(path, field=field) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def replace_csv(
    path: pathlib.Path, header: Sequence[str], rows: Iterable[Sequence[object]], *, field: str
) -> None:
    """Writes a table as `replacing` does, row by row: the whole text may not fit in memory."""
    with (
        replacing(path, field=field) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Returns a table as the text of a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


@contextlib.contextmanager
def scratch_directory(parent: pathlib.Path, *, field: str) -> Iterator[pathlib.Path]:
    """Yields a hidden directory in `parent`, and removes it after the block.

    It is empty but for a hidden file. What killed processes have left there goes first.

    Raises:
        KerastlError: If it cannot be written.
    """
    remove_leftovers(parent)
    with explained(parent, field=field):
        path, held = _make_locked(parent)
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):
            _remove_locked(path)
        if held:
            held.release()


def _make_locked(parent: pathlib.Path) -> tuple[pathlib.Path, Held | None]:
    """Makes a hidden folder and takes its lock; None on a drive that has no locks."""
    while True:
        path = pathlib.Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        # Where it is gone, another process took it for an empty one that was left behind.
        with contextlib.suppress(FileNotFoundError):
            return path, take_new(path / _LOCK)


def _remove_locked(path: pathlib.Path) -> None:
    """Removes a hidden folder, its lock last: what a kill leaves of it is still found."""
    for inner in path.iterdir():
        if inner.is_dir() and not inner.is_symlink():
            shutil.rmtree(inner)
        elif inner.name != _LOCK:
            inner.unlink()
    (path / _LOCK).unlink(missing_ok=True)
    path.rmdir()


@contextlib.contextmanager
def temporary_place(around: pathlib.Path, *, field: str) -> Iterator[pathlib.Path | None]:
    """Has libraries make temporary files in a folder in `around` for the block, and yields it.

    Other threads of a process that is not kerastl's alone would lose theirs with it. There it does
    so only where the system has no folder for such files, and yields None otherwise.

    Raises:
        KerastlError: If `around` cannot be written either.
    """
    if not OWN_PROCESS.is_set() and _has_temporary_folder():
        yield None
        return
    with scratch_directory(around, field=field) as made:
        folder = made.absolute()
        # This process reads the one, and those that it starts the other.
        before, tempfile.tempdir = tempfile.tempdir, str(folder)
        given = os.environ.get(_TEMPORARY)
        os.environ[_TEMPORARY] = str(folder)
        try:
            yield folder
        finally:
            tempfile.tempdir = before
            os.environ.pop(_TEMPORARY)
            os.environ |= {} if given is None else {_TEMPORARY: given}


def _has_temporary_folder() -> bool:
    try:
        tempfile.gettempdir()
    except OSError:
        return False
    return True


def hidden_beside(path: pathlib.Path) -> pathlib.Path:
    """Returns a new hidden path beside `path` that `remove_leftovers` recognizes."""
    return path.with_name(f"{_PREFIX}{uuid.uuid4().hex[:12]}-{path.name}")


def remove_leftovers(directory: pathlib.Path, *, of: str = "") -> None:
    """Removes what killed processes left unfinished; of one file if its name is given."""
    for path in directory.glob(f"{_PREFIX}*{glob.escape(of)}"):
        # It may have gone, or be of another user.
        with contextlib.suppress(OSError):
            is_folder = path.is_dir()
            if is_folder:
                with contextlib.suppress(OSError):
                    path.rmdir()  # Empty: killed before its lock was there, or when it was gone.
            with left_behind(path / _LOCK if is_folder else path, path) as is_left:
                if is_left:
                    _remove_locked(path) if is_folder else path.unlink()


@contextlib.contextmanager
def left_behind(locked: pathlib.Path, path: pathlib.Path) -> Iterator[bool]:
    """Yields whether the process that made something with a locked file in it was killed.

    Raises:
        FileNotFoundError: If it is gone.
    """
    with abandoned(locked) as is_abandoned:
        yield is_abandoned or time.time() - path.stat().st_mtime > _STALE_SECONDS


@contextlib.contextmanager
def finally_call(write: Callable[[], None]) -> Iterator[None]:
    """Calls `write` however the block ends; an error of the block takes precedence.

    Raises:
        KerastlError: If the block succeeds and `write` fails.
    """
    try:
        yield
        write()
    except BaseException:
        # The user needs to know what ended the block, not what went wrong after it.
        with contextlib.suppress(Exception):
            write()
        raise
