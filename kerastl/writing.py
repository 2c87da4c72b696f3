"""Writes that appear whole or not at all, and are one line where the disk refuses them."""

import contextlib
import csv
import errno
import io
import os
import pathlib
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence

from kerastl.errors import cannot_write

# Hidden, and on the same disk as its place, so that moving it there is one step.
_PREFIX = ".writing-"
# Enough for names never to meet, few enough for the 260 letters of a path on Windows.
_LETTERS = 12
# What was begun longer ago belongs to no process any more.
STALE_SECONDS = 24 * 3600
# What a disk says when it takes no more; TensorFlow passes only the words on.
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


@contextlib.contextmanager
def replacing(path: pathlib.Path, *, field: str) -> Iterator[pathlib.Path]:
    """Yields a path to write to, which takes the place of `path` after the block.

    Args:
        path: File to write or replace.
        field: Flag that the user chose its directory with, for the message.

    Raises:
        KerastlError: If it cannot be written; nothing half-written is left.
    """
    # The ending stays: Keras takes the format from it.
    temporary = hidden_beside(path)
    with explained(path, field=field):
        try:
            yield temporary
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def replace_text(path: pathlib.Path, text: str, *, field: str) -> None:
    """Writes a UTF-8 file as `replacing` does, with line ends as they are in `text`.

    Raises:
        KerastlError: If it cannot be written; nothing half-written is left.
    """
    with replacing(path, field=field) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Gives a table as the text of a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


@contextlib.contextmanager
def scratch_directory(parent: pathlib.Path, *, field: str) -> Iterator[pathlib.Path]:
    """Yields an empty hidden directory in `parent`, which is removed after the block.

    Raises:
        KerastlError: If it cannot be written.
    """
    directory = hidden_beside(parent / "directory")
    with explained(parent, field=field):
        directory.mkdir()
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def hidden_beside(path: pathlib.Path) -> pathlib.Path:
    """Makes up a hidden name beside `path` that `remove_leftovers` knows."""
    return path.with_name(f"{_PREFIX}{uuid.uuid4().hex[:_LETTERS]}-{path.name}")


def remove_leftovers(directory: pathlib.Path) -> None:
    """Removes what a process that was killed had begun to write, once it is a day old."""
    for path in directory.glob(f"{_PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextlib.contextmanager
def explained(
    path: pathlib.Path, *, field: str, but: type[OSError] | tuple[()] = ()
) -> Iterator[None]:
    """Turns what the disk refuses in the block into one line.

    Args:
        path: What is written.
        field: Flag that the user chose its directory with, for the message.
        but: What the caller expects and handles.

    Raises:
        KerastlError: If something cannot be written.
    """
    try:
        yield
    except but:
        raise
    except Exception as error:
        if not (isinstance(error, OSError) or _is_tensorflows(error)):
            raise
        raise cannot_write(field, path, _reason(error)) from error


@contextlib.contextmanager
def in_the_end(write: Callable[[], None]) -> Iterator[None]:
    """Writes something however the block ends; that this fails never hides that the block did.

    Raises:
        KerastlError: If it cannot be written after a block that went well.
    """
    try:
        yield
        write()
    except BaseException:
        # Whatever it is: what ended the block is what the user has to know.
        with contextlib.suppress(Exception):
            write()
        raise


def _is_tensorflows(error: Exception) -> bool:
    # By name: this module is for commands too that have no use for TensorFlow.
    return any(kind.__name__ == "OpError" for kind in type(error).__mro__)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    known = [os.strerror(code) for code in _DISK_ERRORS]
    return next((words for words in known if words in str(error)), str(error).split("\n")[0][:200])
