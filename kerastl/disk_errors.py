"""What happens when a disk is full or read-only, or a directory has gone: one line about it.

A write leaves what was there before (`writing`), and the command ends with the line. The feature
store makes room first and goes without what does not fit (`training.frozen`), and output to a
terminal that is gone is dropped (`progress`).
"""

import contextlib
import errno
import os
import pathlib
from collections.abc import Iterator

from kerastl.errors import KerastlError, first_line

# Disk errors; for these TensorFlow reports only the text, not the errno.
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


class CannotWriteError(KerastlError):
    """A directory or file cannot be written; where that was only a help, the caller does without.

    Attributes:
        reason: The system's words.
    """

    reason = ""


def cannot_write(field: str, path: object, reason: str) -> CannotWriteError:
    """Builds the error for a directory or file that cannot be written."""
    is_full = reason.startswith((*map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)),))
    mend = "Free some space" if is_full else "Fix that"
    error = CannotWriteError(
        f"{field}={str(path)!r}: cannot be written ({reason}). {mend} and repeat the command, or "
        f"choose another directory with --{field}."
    )
    error.reason = reason
    return error


@contextlib.contextmanager
def explained(
    path: pathlib.Path, *, field: str, but: type[OSError] | tuple[()] = ()
) -> Iterator[None]:
    """Turns a disk error in the block into one line.

    Args:
        path: File or directory that is written.
        field: Flag that sets its directory, for the message.
        but: Errors that the caller handles.

    Raises:
        KerastlError: If something cannot be written.
    """
    try:
        yield
    except but:
        raise
    except Exception as error:
        if not (isinstance(error, OSError) or _is_tensorflow_error(error)):
            raise
        raise cannot_write(field, path, _reason(error)) from error


def _is_tensorflow_error(error: Exception) -> bool:
    # By name, since commands that do not need TensorFlow use this module too.
    return any(kind.__name__ == "OpError" for kind in type(error).__mro__)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    known = [os.strerror(code) for code in _DISK_ERRORS]
    return next((words for words in known if words in str(error)), first_line(error))
